"""Namespaces that exist already, where the stack would otherwise create and later delete them."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from components import names
from kube.api import ClusterApi
from preflight import contents
from preflight.last_update import LastCluster, LastUpdate
from spec.mesh import Cluster
from spec.problems import Problem


@dataclass(frozen=True)
class Existing:
    """What was found of the namespaces that the stack wants."""

    adopted: frozenset[str] = frozenset()
    """Those of the user: labeled and marked while the mesh exists, and never deleted."""
    problems: tuple[Problem, ...] = ()


def look(
    api: ClusterApi,
    path: str,
    cluster: Cluster,
    *,
    wanted: Mapping[str, Collection[str]],
    stack: str,
    last: LastUpdate,
) -> Existing:
    """Ask for each wanted namespace whose it is, and for each other what it still holds.

    Args:
        wanted: paths of the objects that the stack creates, by namespace (preflight/own_names.py).
        stack: the mark of the stack that builds the cluster.
        last: had created namespaces there; an older version did not mark all.

    Raises:
        UnansweredError: the API server does not answer, or refuses.
    """
    adopted, problems = set[str](), list[Problem]()
    before = last.namespaces_of(cluster.name)
    known = last.clusters.get(cluster.name, LastCluster())
    ours = contents.Ours.of(stack, last, cluster.name)
    for namespace, objects in wanted.items():
        metadata = api.metadata(f"/api/v1/namespaces/{namespace}")
        if metadata is None:
            continue
        annotations = metadata.get("annotations") or {}
        owner = annotations.get(names.STACK)
        if known.has_adopted(namespace, annotations, stack):
            adopted.add(namespace)
        elif owner is None and namespace not in before:
            adopted.add(namespace)
            problems.extend(_exists(path, cluster, namespace))
            if cluster.adopt:
                paths = [x.format(namespace) for x in objects]
                problems.extend(_same_names(api, path, cluster, namespace, paths, ours))
    for namespace in before:
        if namespace == names.SAMPLE_NAMESPACE and namespace not in wanted:
            problems.extend(_sample_is_in_use(api, cluster, known, stack, ours))
    return Existing(frozenset(adopted), tuple(problems))


def _sample_is_in_use(
    api: ClusterApi, cluster: Cluster, known: LastCluster, stack: str, ours: contents.Ours
) -> Iterator[Problem]:
    namespace = names.SAMPLE_NAMESPACE
    metadata = api.metadata(f"/api/v1/namespaces/{namespace}")
    if metadata is None or known.has_adopted(namespace, metadata.get("annotations") or {}, stack):
        return
    of_istio = contents.of_istio(api, ours).get(namespace, ())
    if found := [*contents.of_namespace(api, namespace, ours), *of_istio]:
        path = "isthmus:sample.enabled"
        keep = f"set {path} to true"
        yield contents.in_use(
            path, cluster=cluster.name, namespace=namespace, found=found, keep=keep
        )


def _same_names(
    api: ClusterApi,
    path: str,
    cluster: Cluster,
    namespace: str,
    objects: Collection[str],
    ours: contents.Ours,
) -> Iterator[Problem]:
    """Users' objects that have names of the stack's own, in a namespace that it adopts."""
    found = list[str]()
    for at in objects:
        metadata = api.metadata(at)
        if metadata is not None and contents.is_of_users(metadata, ours):
            found.append("/".join(at.rsplit("/", 2)[1:]))
    if found:
        kubectl = f"kubectl --context {cluster.name} -n {namespace}"
        yield Problem(
            "adopted-objects-exist",
            f"{path}.adopt",
            f"must not be true while namespace {namespace} of cluster {cluster.name} has objects "
            f"with names of the stack's own: {contents.shown(found)}",
            "the update would overwrite them, and delete them with the mesh",
            "create them under another name or in another namespace, then delete them: "
            f"`{kubectl} delete {' '.join(found)}`",
        )


def _exists(path: str, cluster: Cluster, namespace: str) -> Iterator[Problem]:
    if cluster.adopt:
        yield Problem(
            "namespace-exists",
            f"{path}.adopt",
            f"adopts namespace {namespace} of cluster {cluster.name}, which this stack did not "
            "create",
            "it gets labels and annotations, and it is not deleted with the mesh",
            "nothing, if that is meant",
            refuses=False,
        )
        return
    yield Problem(
        "namespace-exists",
        path,
        f"must not have a namespace {namespace} that this stack did not create",
        "the stack would create it, and later delete it with everything in it",
        f"set {path}.adopt to true to use it and never delete it, or delete it if it is empty: "
        f"`kubectl --context {cluster.name} get all,secrets,pvc -n {namespace}`",
    )
