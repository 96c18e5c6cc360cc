"""Clusters that get their configuration from another cluster than at the last update.

istiod reads Istio's objects in its own cluster: for a remote they are its primary's, for a primary
its own. What exists only in the former cluster would hold no more, such as an AuthorizationPolicy.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from kube.api import ClusterApi, UnansweredError
from kube.kubeconfig import Connection
from preflight import contents
from preflight.identity import Expected
from spec.mesh import Cluster, MeshSpec
from spec.problems import Problem

_NAME = "configuration-left-behind"


def check(
    spec: MeshSpec, expected: Expected, connections: Mapping[str, Connection]
) -> Iterator[Problem]:
    """Report objects of users that a cluster's next configuration lacks.

    Args:
        connections: by cluster, of the clusters of `spec` whose kubeconfigs can be used.
    """
    last = expected.last.clusters
    moved = [
        (path, cluster, former, spec.control_plane_of(cluster))
        for path, cluster in spec.numbered()
        if (before := last.get(cluster.name)) and expected.last.namespace
        if (former := before.primary or cluster.name) != spec.control_plane_of(cluster)
    ]
    asked = {name for _, _, *both in moved for name in both}
    kubeconfigs = {name: c.kubeconfig or "" for name, c in last.items()}
    kubeconfigs |= {name: c.kubeconfig for name, c in connections.items()}
    with ThreadPoolExecutor(8) as pool:
        read = {
            name: pool.submit(_read, kubeconfigs.get(name, ""), expected, name) for name in asked
        }
        objects = {name: answer.result() for name, answer in read.items()}
    for path, cluster, former, new in moved:
        yield from _compare(path, cluster, former, new, objects)


def _read(kubeconfig: str, expected: Expected, cluster: str) -> frozenset[str] | UnansweredError:
    """Users' objects of Istio's kinds, as `namespace/kind.group/name`."""
    ours = contents.Ours.of(expected.stack, expected.last, cluster)
    try:
        with ClusterApi.connect(kubeconfig) as api:
            found = contents.of_istio(api, ours)
    except UnansweredError as error:
        return error
    return frozenset(f"{namespace}/{x}" for namespace, names in found.items() for x in names)


def _compare(
    path: str,
    cluster: Cluster,
    former: str,
    new: str,
    objects: Mapping[str, frozenset[str] | UnansweredError],
) -> Iterator[Problem]:
    here, there = objects[former], objects[new]
    if isinstance(here, UnansweredError) or isinstance(there, UnansweredError):
        silent, error = (former, here) if isinstance(here, UnansweredError) else (new, there)
        yield Problem(
            _NAME,
            f"{path}.primary",
            f"can change only if cluster {silent} says which of Istio's objects it has ({error})",
            f"cluster {cluster.name} would get its configuration from {new} and no more from "
            f"{former}, and rules that hold for its pods could be lost",
            "use credentials that are allowed to list them, or start the cluster",
        )
    elif lacking := sorted(here - there):
        namespace, kind, name = lacking[0].split("/")
        get = f"kubectl --context {former} -n {namespace} get {kind} {name} --output yaml"
        yield Problem(
            _NAME,
            f"{path}.primary",
            f"can change only if cluster {new} has the objects of {former}, of which it lacks "
            f"{contents.shown(lacking)}",
            f"cluster {cluster.name} would get its configuration from {new} and no more from "
            f"{former}: what these objects allow, refuse or route would change",
            f"create them in {new}, where nothing reads them before the update (`{get}`), or "
            "delete those that are not needed",
        )
