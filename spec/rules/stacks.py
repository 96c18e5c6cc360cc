"""Clusters that have their own stacks."""

from collections.abc import Iterator

from spec.mesh import MeshSpec, cluster_path
from spec.problems import Problem


def _stacks_are_of_remotes(spec: MeshSpec) -> Iterator[Problem]:
    for path, cluster in spec.numbered():
        if cluster.stack is not None and not cluster.is_remote:
            yield Problem(
                "stack-on-primary",
                f"{path}.stack",
                f"is only for a remote, and {cluster.name} is a primary",
                "primaries hold each other's remote secrets, so none of them can be built first",
                "remove stack, or set primary to make the cluster a remote",
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
                f"{cluster_path(i)}.stack",
                f"must be the cluster's own; clusters[{one}] has the same",
                "a stack finds its cluster by the stack's name, and builds one cluster",
                "name another stack",
                cluster.stack,
            )


def _clusters_with_stacks_exist(spec: MeshSpec) -> Iterator[Problem]:
    for path, cluster in spec.numbered():
        if cluster.stack is not None and cluster.gke is not None:
            yield Problem(
                "stack-with-gke",
                f"{path}.stack",
                "cannot be set together with gke",
                "the mesh's stack plans networks and firewalls for all its clusters together",
                "create the cluster with another program and set its kubeconfig, or remove stack",
                cluster.stack,
            )


def _nothing_is_found_by_label(spec: MeshSpec) -> Iterator[Problem]:
    stacks = [c.stack for c in spec.clusters if c.stack is not None]
    if stacks and spec.mesh.federate is not None:
        yield Problem(
            "stack-with-federate",
            "isthmus:mesh.federate",
            f"cannot be set if clusters have their own stacks ({', '.join(stacks)})",
            "each stack would have to query every cluster, and could not see what another removes",
            "list the shared Services in isthmus:services, or remove stack from the clusters",
            spec.mesh.federate,
        )


RULES = (
    _stacks_are_of_remotes,
    _stacks_are_unique,
    _clusters_with_stacks_exist,
    _nothing_is_found_by_label,
)
