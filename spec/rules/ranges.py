"""Address ranges of clusters that share a network.

Only there do they matter: between networks there are gateways, which know no pod's address. Service
ranges may be the same everywhere, since a Service's address is only ever used in its own cluster.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network

from spec.mesh import Cluster, MeshSpec, cluster_path
from spec.problems import Problem

IpNetwork = IPv4Network | IPv6Network


def _ranges_do_not_overlap(spec: MeshSpec) -> Iterator[Problem]:
    yield from overlaps(spec, {c.name: c.ranges.pods for c in spec.clusters})


def overlaps(spec: MeshSpec, pods: Mapping[str, Sequence[IpNetwork]]) -> Iterator[Problem]:
    """Ranges that two clusters of one network both use.

    Args:
        pods: ranges of pods by cluster name, from the configuration or from the nodes.
    """
    numbered = list(enumerate(spec.clusters))
    for (_, first), (i, second) in itertools.combinations(numbered, 2):
        if first.network != second.network:
            continue
        ours, theirs = pods.get(first.name, ()), pods.get(second.name, ())
        if both := _first_overlap(ours, theirs):
            yield _problem(
                i,
                first,
                second,
                f"pods of {first.name} have {both[0]} and pods of {second.name} {both[1]}",
                "one address would belong to two pods, and requests would reach the wrong pod or "
                "none (istio/istio#14066)",
            )
        for one, its_pods, other in ((first, ours, second), (second, theirs, first)):
            if both := _first_overlap(its_pods, other.ranges.services):
                yield _problem(
                    i,
                    first,
                    second,
                    f"pods of {one.name} have {both[0]} and Services of {other.name} {both[1]}",
                    f"nodes of {other.name} would treat these pods as their own Services",
                )


def _problem(index: int, first: Cluster, second: Cluster, rule: str, reason: str) -> Problem:
    return Problem(
        "ranges-overlap-on-network",
        f"{cluster_path(index)}.network",
        f"must have other addresses than {first.name} on the same network: {rule}",
        reason,
        "if pods have other addresses than their nodes, as with Calico or Cilium, set "
        f"{cluster_path(index)}.ranges.pods; if their pods do not reach each other directly, "
        "give one of the two another network; otherwise recreate one of the clusters with another "
        "range",
        second.network,
    )


def _first_overlap(
    some: Sequence[IpNetwork], others: Sequence[IpNetwork]
) -> tuple[IpNetwork, IpNetwork] | None:
    for one, other in itertools.product(some, others):
        if one.version == other.version and one.overlaps(other):  # pyright: ignore[reportArgumentType]  # of one version
            return one, other
    return None


RULES = (_ranges_do_not_overlap,)
