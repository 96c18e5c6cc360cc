"""What a Service is that every cluster has: plain records, so that their plan needs no Pulumi."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ReplicatedPort:
    """A port of a Service."""

    name: str
    """Empty where the Service's only port has none."""
    port: int
    target_port: int | str
    """Number or name of the pods' port."""
    protocol: str = "TCP"
    app_protocol: str | None = None


@dataclass(frozen=True)
class ReplicatedService:
    """A Service as every cluster has it."""

    namespace: str
    name: str
    ports: Sequence[ReplicatedPort]
    selector: Mapping[str, str]
