"""Whether clusters that left the configuration can be cleaned up, and what users lose there.

They are deleted from at the end of the update, with the kubeconfigs of the last one.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from components import names
from kube.api import ClusterApi, UnansweredError
from preflight.facts import ClusterFacts
from preflight.identity import Expected
from preflight.last_update import LastCluster
from preflight.permissions import DELETING, is_granted
from spec.mesh import MeshSpec
from spec.problems import Problem
from spec.shared import MADE_BY_ISTHMUS

_PATH = "isthmus:clusters"
_FORGET = "PULUMI_K8S_DELETE_UNREACHABLE"


def check(
    spec: MeshSpec, expected: Expected, facts: Mapping[int, ClusterFacts]
) -> Iterator[Problem]:
    """Problems and warnings of the clusters that the update would remove from the mesh."""
    configured = {c.name for c in spec.clusters}
    uids = {known.uid for known in facts.values() if known.uid}
    marked = {known.marks.cluster for known in facts.values() if known.marks}
    removed = {
        name: last
        for name, last in expected.last.clusters.items()
        if name not in configured | marked
        and last.stack is None
        and last.kubeconfig
        and last.uid not in uids
    }
    if not removed:
        return
    namespace = expected.last.namespace or spec.mesh.istio.namespace
    with ThreadPoolExecutor(8) as pool:
        asked = [
            pool.submit(_look, name, last, namespace, expected.last.namespaces_of(name))
            for name, last in removed.items()
        ]
        for answer in asked:
            yield from answer.result()


def _look(name: str, last: LastCluster, namespace: str, deleted: Collection[str]) -> list[Problem]:
    from kubernetes.config import ConfigException

    try:
        with ClusterApi.connect(last.kubeconfig or "") as api:
            return list(_ask(api, name, last, namespace, deleted))
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


def _ask(
    api: ClusterApi, name: str, last: LastCluster, namespace: str, deleted: Collection[str]
) -> Iterator[Problem]:
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
    objects = ", ".join(f"{count} {kind}" for kind, count in _objects(api).items())
    injected = api.metadata_list("/api/v1/pods", labelSelector="security.istio.io/tlsMode=istio")
    pods = len([pod for pod in injected if pod["namespace"] not in deleted])
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


def _objects(api: ClusterApi) -> Mapping[str, int]:
    """Number of objects of Istio's kinds that no Isthmus stack created, by kind."""
    counts = dict[str, int]()
    for crd in names.ISTIO_CRDS:
        named, version = crd.split("/")
        kind, group = named.split(".", 1)
        try:
            found = api.metadata_list(f"/apis/{group}/{version}/{kind}")
        except UnansweredError as error:
            if error.status == 404:
                continue
            raise
        users = [
            x
            for x in found
            if names.STACK not in (x.get("annotations") or {})
            and MADE_BY_ISTHMUS not in (x.get("labels") or {})
        ]
        if users:
            counts[kind] = len(users)
    return counts
