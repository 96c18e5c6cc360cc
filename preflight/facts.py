"""What is known of a cluster before the update."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kube.kubeconfig import Connection
from preflight.marks import Marks
from spec.problems import Problem
from spec.rules.ranges import IpNetwork
from spec.shared import Inventory

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


@dataclass(frozen=True)
class Holder:
    """What holds roots or a certificate in a cluster: a proxy, a ConfigMap, a webhook, istiod."""

    name: str
    """For people: `proxy of sample/sleep-7d`."""
    trusts: "frozenset[Certificate]" = frozenset()
    """The roots that it trusts; none where that is not known."""
    shows: "Certificate | None" = None
    """The root that its own certificate leads to, if it has one."""
    unknown: str = ""
    """Why it did not answer; empty if it did."""
    follows: bool = True
    """Whether it learns of another root without a restart."""


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
    several_nodes: bool = False
    """Whether it has more than one node, or did not answer how many."""
    marks: Marks | None = None
    """Marks of the mesh that it is in; None where it did not answer."""
    adoptable: bool = False
    """Whether an update may adopt objects that exist: the cluster was seen to have the stack's own
    mark, or no Istio."""
    root: str | None = None
    """PEM text of the roots that proxies of this stack's mesh trust there; None where the cluster
    is not in it yet, or did not tell."""
    holders: tuple[Holder, ...] = ()
    """What holds roots and certificates there, where a change of the root is under way."""
    adopted: frozenset[str] = frozenset()
    """Namespaces of the user that the mesh uses: never created, never deleted."""
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
