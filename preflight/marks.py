"""Marks that a stack leaves in a cluster, by which later updates recognize their own mesh."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components import names
from kube.api import ClusterApi

_INJECTORS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


@dataclass(frozen=True)
class Marks:
    """What a cluster says of the mesh that it is in. Untrusted, as everything from a cluster."""

    stack: str | None = None
    """`<project>/<stack>`; None where no Isthmus stack created the mesh."""
    cluster: str | None = None
    """Name of the cluster in that mesh; None before version 0.2."""
    uid: str | None = None
    """UID of the cluster's namespace `kube-system` at that time; None before version 0.2."""
    mesh: str | None = None
    """The mesh's UUID; None before version 0.2."""
    install: str | None = None
    """How the charts were installed; None before version 0.2."""


def read(api: ClusterApi, namespace: str) -> Marks:
    """The marks on Istio's namespace, or on the webhook, which stays if the namespace is deleted.

    Raises:
        UnansweredError: the API server does not answer, or refuses.
    """
    for path in (f"/api/v1/namespaces/{namespace}", f"{_INJECTORS}/{names.injector(namespace)}"):
        marks = _marks(api.metadata(path) or {})
        if marks.stack:
            return marks
    return Marks()


def _marks(metadata: Mapping[str, Any]) -> Marks:
    found = metadata.get("annotations") or {}
    keys = (
        names.STACK,
        names.CLUSTER,
        names.CLUSTER_UID,
        names.MESH,
        names.INSTALL,
    )
    return Marks(*(found.get(key) for key in keys))
