"""Where requests go first, and where if no pod answers there: Istio's locality load balancing."""

from dataclasses import field
from typing import Annotated

from pydantic import Field, StringConstraints
from pydantic.dataclasses import dataclass

from spec.fields import STRICT_CAMEL

Region = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$")]
"""The value of a node's label `topology.kubernetes.io/region`."""


@dataclass(frozen=True, config=STRICT_CAMEL, kw_only=True)
class RegionFailover:
    """The region that answers for another one."""

    source: Region = Field(alias="from")
    """Region of the callers."""
    to: Region
    """Region that is preferred to all others if no pod answers in theirs."""


@dataclass(frozen=True, config=STRICT_CAMEL)
class LocalityLbSetting:
    """Istio's `localityLbSetting`. Without `failoverPriority`, pods of the caller's zone come
    first, then those of its region, then all others."""

    enabled: bool = True
    """`false`: all clusters answer alike. Only for a Service, where the mesh has the setting."""
    failover_priority: tuple[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9./_-]+(=[A-Za-z0-9._-]+)?$")], ...
    ] = ()
    """Labels in which pods agree with their callers: the more of them, from the first on, the
    earlier a pod comes. The caller's own cluster first: `[topology.istio.io/cluster]`, or
    `[topology.istio.io/network]` with `discovery: entries`. `label=value` compares with that value
    instead: `[topology.istio.io/cluster=east]` is east first, for every caller."""
    failover: tuple[RegionFailover, ...] = ()
    """The region that comes after the callers' own."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The keys of `failoverPriority`, without their values."""
        return tuple(x.partition("=")[0] for x in self.failover_priority)


Duration = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*(ms|s|m|h)$")]


@dataclass(frozen=True, config=STRICT_CAMEL)
class OutlierDetection:
    """Istio's `outlierDetection`: when a pod counts as failed. Without it there is no failover."""

    consecutive_5xx_errors: int = Field(default=5, ge=0, alias="consecutive5xxErrors")
    """Failures in a row after which a pod gets no more requests: status 5xx, or no connection. 0
    counts none."""
    consecutive_gateway_errors: int = Field(default=0, ge=0)
    """The same for status 502, 503 and 504, or no connection. 0 counts none."""
    interval: Duration = "10s"
    """How often a proxy looks whether the time of failed pods is over."""
    base_ejection_time: Duration = "30s"
    """How long a failed pod gets no requests; the second time twice as long, and so on."""
    max_ejection_percent: Annotated[int, Field(ge=1, le=100)] = 100
    """Share of a Service's pods that can be left out at a time. With less, the last pods of a
    cluster keep their requests after they have failed."""


@dataclass(frozen=True, config=STRICT_CAMEL)
class TrafficPolicy:
    """Which pods answer first, in the words of Istio's DestinationRule."""

    locality_lb_setting: LocalityLbSetting
    """Istio's `localityLbSetting`. Without `failoverPriority`, pods of the caller's zone come
    first, then those of its region, then all others."""
    outlier_detection: OutlierDetection = field(default_factory=OutlierDetection)
