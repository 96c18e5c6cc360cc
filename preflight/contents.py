"""What a namespace holds that neither Isthmus nor Kubernetes nor istiod created.

A namespace is deleted with everything in it, so it is read before it leaves the stack.
"""

import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components import names
from kube.api import ClusterApi, UnansweredError
from preflight.last_update import LastUpdate
from spec.problems import Problem
from spec.shared import MADE_BY_ISTHMUS

_KINDS = {
    "/api/v1": ("pods", "secrets", "configmaps", "persistentvolumeclaims", "services"),
    "/apis/apps/v1": ("deployments", "statefulsets", "daemonsets"),
    "/apis/batch/v1": ("cronjobs", "jobs"),
    "/apis/networking.k8s.io/v1": ("ingresses",),
}
"""Kinds of objects that hold work or data of users, by their group."""
_BUILT_IN = ("v1", "apps/v1", "batch/v1")
"""Owners of these groups are found themselves. Not those of an operator: its kinds are unknown."""
_WRITTEN_BY_CLUSTERS = (
    "kube-root-ca.crt",
    "openshift-service-ca.crt",
    names.ROOT_CONFIG_MAP,
    "istio-ca-crl",
)
_ISTIOD = "pilot-discovery"
"""istiod's field manager."""
_LEADER = "control-plane.alpha.kubernetes.io/leader"
"""Annotation of the ConfigMaps by which istiods choose a leader."""
_MANAGED_BY = ("isthmus", "isthmus-checks")
_SHOWN = 5


@dataclass(frozen=True)
class Ours:
    """By what a stack's own objects are recognized where they have no mark."""

    writers: tuple[str, ...] = ()
    """What the names of its field managers begin with."""
    releases: frozenset[str] = frozenset()
    """Its Helm releases."""
    objects: frozenset[str] = frozenset()
    """Names of objects that belong to the mesh, whoever writes them."""

    @classmethod
    def of(cls, stack: str, last: LastUpdate, cluster: str) -> "Ours":
        """Return how the objects of the last update are recognized in a cluster.

        Args:
            stack: `<project>/<stack>`. Stacks of single clusters have the same project.
        """
        known = last.clusters.get(cluster)
        # Until 0.1, each object had a random manager of the provider's.
        older = ("pulumi-kubernetes",) if known is None or known.uid is None else ()
        return cls(
            (f"{stack.partition('/')[0]}/", *older),
            frozenset({names.BASE, names.ISTIOD, names.LEAVE_NOTHING, last.gateway}),
            frozenset({names.CACERTS} if last.external_ca else ()),
        )


def of_namespace(api: ClusterApi, namespace: str, ours: Ours | None = None) -> Iterator[str]:
    """Users' objects in a namespace as `kind/name`, without those of Istio's kinds.

    Raises:
        UnansweredError: the API server does not answer, or refuses.
    """
    for group, kinds in _KINDS.items():
        for kind in kinds:
            for found in _list(api, f"{group}/namespaces/{namespace}/{kind}"):
                if is_of_users(found, ours or Ours()):
                    yield f"{kind}/{found['name']}"


def of_istio(api: ClusterApi, ours: Ours | None = None) -> Mapping[str, Sequence[str]]:
    """Users' objects of Istio's kinds as `kind.group/name`, by namespace.

    Raises:
        UnansweredError: the API server does not answer, or refuses.
    """
    by_namespace = dict[str, list[str]]()
    for crd in names.ISTIO_CRDS:
        named, version = crd.split("/")
        kind, group = named.split(".", 1)
        for found in _list(api, f"/apis/{group}/{version}/{kind}"):
            if is_of_users(found, ours or Ours()):
                by_namespace.setdefault(found.get("namespace", ""), []).append(
                    f"{named}/{found['name']}"
                )
    return by_namespace


def _list(api: ClusterApi, path: str) -> Sequence[Any]:
    """Metadata of all objects of a kind; none where the kind does not exist."""
    try:
        return api.metadata_list(path)
    except UnansweredError as error:
        if error.status == 404:
            return ()
        raise


def is_of_users(found: Mapping[str, Any], ours: Ours) -> bool:
    """Whether the metadata of an object say that a user or another tool has created it."""
    labels, annotations = found.get("labels") or {}, found.get("annotations") or {}
    return not (
        names.STACK in annotations
        or MADE_BY_ISTHMUS in labels
        or labels.get("app.kubernetes.io/managed-by") in _MANAGED_BY
        or found["name"] in ours.objects
        or annotations.get("meta.helm.sh/release-name") in ours.releases
        or (labels.get("owner") == "helm" and labels.get("name") in ours.releases)
        or any(writer.startswith((_ISTIOD, *ours.writers)) for writer in _writers(found))
        or _is_automatic(found, annotations)
    )


def _is_automatic(found: Mapping[str, Any], annotations: Mapping[str, str]) -> bool:
    """Whether Kubernetes or istiod created it, for a namespace or for an object that is found."""
    owners = found.get("ownerReferences") or ()
    return (
        any(owner.get("apiVersion") in _BUILT_IN for owner in owners)
        or "kubernetes.io/service-account.name" in annotations
        or _LEADER in annotations
        or found["name"] in _WRITTEN_BY_CLUSTERS
    )


def _writers(found: Mapping[str, Any]) -> Iterator[str]:
    """Field managers of an object itself. istiod writes the status of users' objects too."""
    for entry in found.get("managedFields") or ():
        if "subresource" not in entry:
            yield str(entry.get("manager", ""))


def in_use(
    path: str, *, cluster: str, namespace: str, found: Collection[str], keep: str
) -> Problem:
    """The refusal of an update that would delete a namespace with objects of users.

    Args:
        found: the objects, `kind/name` each.
        keep: another fix, with which the namespace stays.
    """
    kubectl = f"kubectl --context {cluster} -n {namespace}"
    objects = " ".join(shlex.quote(x) for x in found)
    volumes = any(x.startswith("persistentvolumeclaims/") for x in found)
    return Problem(
        "namespace-in-use",
        path,
        f"namespace {namespace} of cluster {cluster}, which the update deletes, must hold nothing "
        f"of users; it has {shown(found)}",
        "Kubernetes deletes a namespace with everything in it",
        f"{keep}. Or write them to a file, `{kubectl} get {objects} --output yaml`, create them in "
        "another namespace"
        + (", copy the data of the volumes" if volumes else "")
        + f", and delete them here: `{kubectl} delete {objects}`",
    )


def shown(found: Collection[str]) -> str:
    """The first few objects, and how many more there are."""
    first = [re.sub(r"[^\w./:-]", "?", x) for x in list(found)[:_SHOWN]]
    more = len(found) - len(first)
    return ", ".join(first) + (f" and {more} more" if more else "")
