"""What is known of a cluster before the update."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kube.kubeconfig import Connection
from preflight.marks import Marks
from spec.problems import Problem
from spec.rules.ranges import IpNetwork
from spec.shared import Inventory


@dataclass(frozen=True)
class ClusterFacts:
    """What is known of a cluster before the update."""

    connection: Connection
    kubernetes: str | None
    """Version of the API server; None where it did not tell."""
    uid: str | None = None
    """What tells the cluster from every other; None where it did not tell."""
    pods: tuple[IpNetwork, ...] = ()
    """Ranges of its nodes' pods, as far as nodes have them."""
    marks: Marks | None = None
    """Marks of the mesh that it is in; None where it did not answer."""
    adoptable: bool = False
    """Whether an update may adopt objects that exist: the cluster was seen to have the stack's own
    mark, or no Istio."""
    root: str | None = None
    """PEM text of the roots that proxies of this stack's mesh trust there; None where the cluster
    is not in it yet, or did not tell."""
    inventory: Inventory = field(default_factory=Inventory)
    """What it has of the namespaces and Services that the mesh shares."""


@dataclass(frozen=True)
class PreflightResult:
    """What was found out before the update."""

    facts: Mapping[str, ClusterFacts]
    """By cluster name; of a cluster that does not exist yet there are none."""
    warnings: tuple[Problem, ...]
    """What the mesh is not refused for."""
    unchecked: tuple[str, ...]
    """What could not be asked, a sentence for each cluster."""
