"""Fields that cannot change: what the real plugin knows, and what the API server says."""

from __future__ import annotations

import re
from typing import Any

from lab.stand_ins.diff import Path, get, parse
from lab.stand_ins.kubernetes import fields
from lab.stand_ins.kubernetes.api import ApiError
from lab.stand_ins.kubernetes.settings import Settings
from lab.stand_ins.values import Object

_METADATA = ["metadata.name", "metadata.namespace"]
_CONTAINER = [
    "args",
    "command",
    "env",
    "image",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "ports",
    "readinessProbe",
    "resources",
    "securityContext",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
    "volumeDevices",
    "volumeMounts",
    "workingDir",
]
_POD = [
    "affinity",
    "automountServiceAccountToken",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "hostAliases",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostname",
    "imagePullSecrets",
    "nodeName",
    "nodeSelector",
    "overhead",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "readinessGates",
    "restartPolicy",
    "runtimeClassName",
    "schedulerName",
    "securityContext",
    "serviceAccount",
    "serviceAccountName",
    "shareProcessNamespace",
    "subdomain",
    "terminationGracePeriodSeconds",
    "volumes",
]
_VOLUME = [
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "csi",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "glusterfs",
    "hostPath",
    "iscsi",
    "local",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
]

# provider/diff.go forceNew
_FORCE_NEW: dict[str, list[str]] = {
    "apps/v1/DaemonSet": ["spec.selector"],
    "apps/v1/Deployment": ["spec.selector"],
    "apps/v1/StatefulSet": [
        "spec.podManagementPolicy",
        "spec.revisionHistoryLimit",
        "spec.selector",
        "spec.serviceName",
        "spec.volumeClaimTemplates",
    ],
    "batch/v1/Job": ["spec.completions", "spec.parallelism", "spec.selector", "spec.template"],
    "rbac.authorization.k8s.io/v1/ClusterRoleBinding": ["roleRef"],
    "rbac.authorization.k8s.io/v1/RoleBinding": ["roleRef"],
    "storage.k8s.io/v1/StorageClass": ["parameters", "provisioner"],
    "v1/PersistentVolume": [f"spec.{field}" for field in _VOLUME],
    "v1/PersistentVolumeClaim": [
        "spec.accessModes",
        "spec.selector",
        "spec.storageClassName",
        "spec.volumeName",
    ],
    "v1/Pod": [
        *(f"spec.{field}" for field in _POD),
        *(f"spec.{where}.*.{f}" for where in ("containers", "initContainers") for f in _CONTAINER),
    ],
    "v1/ResourceQuota": ["spec.scopes"],
    "v1/Secret": ["type"],
    "v1/Service": ["spec.clusterIP"],
}

# How the API server says that a field cannot change (apimachinery field.FieldImmutableErrorMsg,
# and the sentences of Service, StatefulSet, PersistentVolumeClaim and CEL transition rules).
_SAYS_IMMUTABLE = re.compile(
    r"immutable|may\snot (be )?change|(updates to|may\snot be updated).*forbidden|"
    r"spec is forbidden|is forbidden after creation|pod updates may\snot change",
    re.IGNORECASE,
)


def force_new(obj: Object, settings: Settings, *, patch: bool) -> list[Path]:
    """Give the fields of this object whose change means replacement."""
    fixed_fields = list(_METADATA)
    if not patch:
        fixed_fields += _FORCE_NEW.get(f"{obj['apiVersion']}/{obj['kind']}", [])
        fixed = obj.get("immutable") is True
        if fields.is_secret(obj) and (fixed or not settings.secret_mutable):
            fixed_fields += ["data", "stringData"]
        if obj.get("kind") == "ConfigMap" and (fixed or not settings.config_map_mutable):
            fixed_fields += ["data", "binaryData"]
    return [parse(field) for field in fixed_fields]


def touches(path: Path, fixed: list[Path], values: list[Any]) -> bool:
    """Tell whether a change at the path changes one of the fixed fields.

    values: the old and the new object; a change of a whole `spec` touches what is inside it.
    """
    for field in fixed:
        shared = min(len(field), len(path))
        if all(step in ("*", part) for step, part in zip(field, path, strict=False)) and (
            len(path) >= len(field) or any(get(v, field) is not None for v in values)
        ):
            return shared > 0
    return False


def refused_fields(error: ApiError) -> list[Path]:
    """Give the fields that a refused update (422) names as immutable."""
    if error.code != 422:
        return []
    return [
        parse(str(cause.get("field") or "spec"))
        for cause in error.causes
        if _SAYS_IMMUTABLE.search(str(cause.get("message") or ""))
    ]
