"""Whether clusters that leave the mesh can be cleaned up, and what users lose there.

Those that left the configuration are deleted from at the end of the update, with the kubeconfigs of
the last one. A `pulumi destroy` that runs the program takes all clusters from the mesh; the program
cannot see that it is one, so the user says it.
"""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from kube.api import ClusterApi, UnansweredError
from preflight import contents
from preflight.facts import ClusterFacts
from preflight.identity import Expected
from preflight.permissions import DELETING, is_granted
from preflight.restarts import injected_pods
from spec.mesh import MeshSpec
from spec.problems import Problem
from spec.shared import MADE_BY_ISTHMUS, OCCUPIED

_PATH = "isthmus:clusters"
_FORGET = "PULUMI_K8S_DELETE_UNREACHABLE"
DESTROY = "ISTHMUS_DESTROY"
"""Environment variable that is `true` in a destroy."""


def check(
    spec: MeshSpec, expected: Expected, facts: Mapping[int, ClusterFacts]
) -> Iterator[Problem]:
    """Problems and warnings of the clusters that the update would remove from the mesh."""
    now = {spec.clusters[i].name: known.connection.kubeconfig for i, known in facts.items()}
    stay = set[str | None]()
    if not expected.destroys:
        stay |= {c.name for c in spec.clusters}
        stay |= {known.marks.cluster for known in facts.values() if known.marks}
    uids = {known.uid for known in facts.values() if known.uid and not expected.destroys}
    removed = {
        name: kubeconfig
        for name, last in expected.last.clusters.items()
        if name not in stay
        and last.stack is None
        and last.uid not in uids
        and (kubeconfig := now.get(name) or last.kubeconfig)
    }
    if not removed:
        return
    namespace = expected.last.namespace or spec.mesh.istio.namespace
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(_look, *cluster, namespace, expected) for cluster in removed.items()]
        for answer in asked:
            yield from answer.result()


def _look(name: str, kubeconfig: str, namespace: str, expected: Expected) -> list[Problem]:
    from kubernetes.config import ConfigException

    try:
        with ClusterApi.connect(kubeconfig) as api:
            return list(_ask(api, name, namespace, expected))
    except (UnansweredError, ConfigException, OSError, ValueError) as error:
        unreachable = Problem(
            "removed-cluster-unreachable",
            _PATH,
            f"cluster {name}, which is removed, must answer with the kubeconfig of the last update "
            f"({error})",
            "its part of the mesh could not be deleted, and the update would stop at its end",
            f"add {name} again with credentials that work and run `pulumi up`, then remove it; if "
            f"it does not exist any more: `{_FORGET}=true pulumi up --refresh`",
            refuses=os.environ.get(_FORGET) != "true",
        )
        return [unreachable]


def _ask(api: ClusterApi, name: str, namespace: str, expected: Expected) -> Iterator[Problem]:
    last = expected.last.clusters[name]
    uid = (api.metadata("/api/v1/namespaces/kube-system") or {}).get("uid")
    if last.uid and uid != last.uid:
        if api.metadata(f"/api/v1/namespaces/{namespace}") is not None:
            yield Problem(
                "removed-cluster-replaced",
                _PATH,
                f"cluster {name}, which is removed, must be the one of the last update, whose "
                f"kube-system has the UID {last.uid}; this one has {uid} and a namespace "
                f"{namespace}",
                "objects would be deleted there by name, which this stack did not create",
                f"delete the objects of {name} from the state: `pulumi state delete`, or "
                f"disconnect that cluster and run `{_FORGET}=true pulumi up --refresh`",
            )
        return
    if denied := [str(p) for p in DELETING if not is_granted(api, p, namespace)]:
        yield Problem(
            "removed-cluster-denied",
            _PATH,
            f"the credentials of the last update must be allowed in cluster {name}, which is "
            f"removed: {', '.join(denied)}",
            "the update would stop at its end, with a part of the mesh deleted",
            f"add {name} again with credentials of an administrator and run `pulumi up`, then "
            "remove it",
        )
    ours = contents.Ours.of(expected.stack, expected.last, name)
    of_istio = contents.of_istio(api, ours)
    deleted = list(_deleted(api, name, expected))
    for gone in deleted:
        if found := [*contents.of_namespace(api, gone, ours), *of_istio.get(gone, ())]:
            keep = _keep(name, gone, expected)
            yield contents.in_use(_PATH, cluster=name, namespace=gone, found=found, keep=keep)
    yield from _stays(api, name, deleted, of_istio)


def _deleted(api: ClusterApi, name: str, expected: Expected) -> Iterator[str]:
    """Namespaces that go with the cluster: not those of users, nor those that are kept."""
    last = expected.last
    for namespace in last.namespaces_of(name):
        metadata = api.metadata(f"/api/v1/namespaces/{namespace}")
        if metadata is None:
            continue
        annotations = metadata.get("annotations") or {}
        if not last.clusters[name].has_adopted(namespace, annotations, expected.stack):
            yield namespace
    for namespace in last.shared:
        labels = (api.metadata(f"/api/v1/namespaces/{namespace}") or {}).get("labels") or {}
        if MADE_BY_ISTHMUS in labels and OCCUPIED not in labels:
            yield namespace


def _keep(name: str, namespace: str, expected: Expected) -> str:
    if expected.destroys:
        return "keep the mesh"
    if namespace in expected.last.shared:
        return (
            f"add {name} again and run `pulumi up`, which notes that {namespace} stays, then "
            "remove it"
        )
    return f"keep {name} in {_PATH}"


def _stays(
    api: ClusterApi, name: str, deleted: Collection[str], of_istio: Mapping[str, Collection[str]]
) -> Iterator[Problem]:
    """Warn about what users have in other namespaces of a cluster."""
    kinds = Counter(
        x.partition(".")[0]
        for where, found in of_istio.items()
        if where not in deleted
        for x in found
    )
    objects = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    pods = len([pod for pod in injected_pods(api) if pod["namespace"] not in deleted])
    if objects or pods:
        yield Problem(
            "removed-cluster-in-use",
            _PATH,
            f"cluster {name}, which is removed, has {objects or 'no objects'} of users of Istio's "
            f"kinds, and {pods} pods with sidecars",
            "objects stay, and with them their CRDs, unless leaveNothing.crds is delete; "
            "certificates of sidecars end within a day, and then their traffic stops",
            "nothing, if that is meant; restart the pods after the removal",
            refuses=False,
        )
