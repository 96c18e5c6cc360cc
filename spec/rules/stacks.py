"""Clusters that are built by stacks of their own."""

from collections.abc import Iterator

from spec.mesh import MeshSpec
from spec.problems import Problem


def _stacks_are_of_remotes(spec: MeshSpec) -> Iterator[Problem]:
    for i, cluster in enumerate(spec.clusters):
        if cluster.stack is not None and not cluster.is_remote:
            yield Problem(
                "stack-on-primary",
                f"isthmus:clusters[{i}].stack",
                f"is only for a remote, and {cluster.name} is a primary",
                "primaries hold each other's remote secrets, so no one of them can come first",
                "remove stack, or make the cluster a remote by primary",
                cluster.stack,
            )


def _stacks_are_unique(spec: MeshSpec) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for i, cluster in enumerate(spec.clusters):
        if cluster.stack is None:
            continue
        one = first.setdefault(cluster.stack, i)
        if one != i:
            yield Problem(
                "stack-repeated",
                f"isthmus:clusters[{i}].stack",
                f"must be the cluster's own; clusters[{one}] has the same",
                "a stack finds its cluster by its name, and builds one",
                "name another stack",
                cluster.stack,
            )


def _clusters_with_stacks_are_given(spec: MeshSpec) -> Iterator[Problem]:
    for i, cluster in enumerate(spec.clusters):
        if cluster.stack is not None and cluster.gke is not None:
            yield Problem(
                "stack-with-gke",
                f"isthmus:clusters[{i}].stack",
                "excludes gke",
                "networks and firewalls are planned for all clusters of the mesh's stack together",
                "make the cluster elsewhere and name its kubeconfig, or remove stack",
                cluster.stack,
            )


def _nothing_is_found_by_label(spec: MeshSpec) -> Iterator[Problem]:
    stacks = [c.stack for c in spec.clusters if c.stack is not None]
    if stacks and spec.mesh.federate is not None:
        yield Problem(
            "stack-with-federate",
            "isthmus:mesh.federate",
            f"cannot be set where clusters have stacks of their own ({', '.join(stacks)})",
            "each stack would have to ask every cluster, and none could tell what another removes",
            "list the shared Services in isthmus:services, or remove stack from the clusters",
            spec.mesh.federate,
        )


RULES = (
    _stacks_are_of_remotes,
    _stacks_are_unique,
    _clusters_with_stacks_are_given,
    _nothing_is_found_by_label,
)
