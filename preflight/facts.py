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
    """Version of the API server; None if unknown."""
    uid: str | None = None
    """UID of the namespace `kube-system`, which identifies the cluster; None if unknown."""
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
    """Its namespaces and Services that concern sharing."""


@dataclass(frozen=True)
class PreflightResult:
    """Results of the checks before the update."""

    facts: Mapping[str, ClusterFacts]
    """By cluster name; of a cluster that does not exist yet there are none."""
    warnings: tuple[Problem, ...]
    """Problems for which the mesh is not refused."""
    unchecked: tuple[str, ...]
    """Queries without an answer, a sentence for each cluster."""
