"""The state of a mesh for its picture: addresses, versions, and parts that failed checks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple


class Part(NamedTuple):
    """One thing in the picture that a check can find broken."""

    kind: Literal["cluster", "istiod", "gateway", "control-plane", "secret", "traffic"]
    """`control-plane`: the path from a remote to its primary's istiod. `secret`: the remote secret
    of `cluster` for `other`. `traffic`: from pods of `cluster` to pods of `other`."""
    cluster: str
    other: str = ""
    """The second cluster of a `secret` or of `traffic`."""

    def __str__(self) -> str:
        match self.kind:
            case "cluster":
                return f"cluster {self.cluster}"
            case "istiod":
                return f"istiod of {self.cluster}"
            case "gateway":
                return f"east-west gateway of {self.cluster}"
            case "control-plane":
                return f"path of {self.cluster} to its control plane"
            case "secret":
                return f"remote secret with which {self.cluster} reads {self.other}"
            case "traffic":
                return f"traffic from {self.cluster} to {self.other}"


@dataclass(frozen=True)
class State:
    """Known values; unknown ones are left out of the picture."""

    gateways: Mapping[str, str] = field(default_factory=dict[str, str])
    """Address of each cluster's east-west gateway."""
    control_planes: Mapping[str, str] = field(default_factory=dict[str, str])
    """Address at which remotes reach the control plane, by name of the primary."""
    kubernetes: Mapping[str, str] = field(default_factory=dict[str, str])
    """Version of Kubernetes, by name of the cluster."""
    failed: frozenset[Part] = frozenset()
    """Drawn in red."""
    links: Mapping[Part, str] = field(default_factory=dict[Part, str])
    """Address that a part of the SVG leads to; the Mermaid text has no links."""
