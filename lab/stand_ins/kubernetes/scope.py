"""Which kinds live in a namespace, known without asking where that is possible."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import cast

from lab.stand_ins.kubernetes import fields
from lab.stand_ins.values import Object

# Built-in groups and the kinds in them that belong to no namespace (kinds/kinds.go Namespaced).
_CLUSTER_SCOPED: dict[str, set[str]] = {
    "": {"ComponentStatus", "Namespace", "Node", "PersistentVolume"},
    "admissionregistration.k8s.io": {
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    },
    "apiextensions.k8s.io": {"CustomResourceDefinition"},
    "apiregistration.k8s.io": {"APIService"},
    "apps": set(),
    "authentication.k8s.io": {"SelfSubjectReview", "TokenReview"},
    "authorization.k8s.io": {
        "SelfSubjectAccessReview",
        "SelfSubjectRulesReview",
        "SubjectAccessReview",
    },
    "autoscaling": set(),
    "batch": set(),
    "certificates.k8s.io": {"CertificateSigningRequest", "ClusterTrustBundle"},
    "coordination.k8s.io": set(),
    "discovery.k8s.io": set(),
    "events.k8s.io": set(),
    "flowcontrol.apiserver.k8s.io": {"FlowSchema", "PriorityLevelConfiguration"},
    "networking.k8s.io": {"IPAddress", "IngressClass", "ServiceCIDR"},
    "node.k8s.io": {"RuntimeClass"},
    "policy": set(),
    "rbac.authorization.k8s.io": {"ClusterRole", "ClusterRoleBinding"},
    "scheduling.k8s.io": {"PriorityClass"},
    "storage.k8s.io": {"CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"},
}


class Scopes:
    """What the CRDs seen so far say; several threads may add and ask (clients/cache.go)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._custom: dict[tuple[str, str], bool] = {}

    def learn(self, objects: Iterable[Object]) -> None:
        """Note the scope of every kind that a CRD among the objects defines."""
        with self._lock:
            for obj in objects:
                spec = obj.get("spec") if fields.is_crd(obj) else None
                if isinstance(spec, dict):
                    given = cast(Object, spec)
                    kind = str(cast(Object, given.get("names") or {}).get("kind"))
                    namespaced = given.get("scope") == "Namespaced"
                    self._custom[str(given.get("group")), kind] = namespaced

    def namespaced(self, obj: Object) -> bool | None:
        """Tell whether the object's kind is namespaced, or None where only the server knows."""
        kind = str(obj["kind"])
        builtin = _CLUSTER_SCOPED.get(fields.group(obj))
        if builtin is not None:
            return kind not in builtin
        with self._lock:
            return self._custom.get((fields.group(obj), kind))
