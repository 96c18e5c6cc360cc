"""Kubernetes objects as the plugin sees them: identity, annotations, and the state Pulumi keeps.

The state of an object is its live form plus `__inputs`, `__initialApiVersion` and
`__fieldManager`, exactly as the real plugin stores it (provider.go checkpointObject): a stack made
with one can be run with the other.
"""

import base64
import json
from typing import Any, cast

from lab.stand_ins.values import UNKNOWN, Object, Secret, mark_secrets, plain

PREFIX = "pulumi.com/"
AUTONAMED = PREFIX + "autonamed"
SKIP_AWAIT = PREFIX + "skipAwait"
WAIT_FOR = PREFIX + "waitFor"
TIMEOUT_SECONDS = PREFIX + "timeoutSeconds"
REPLACE_UNREADY = PREFIX + "replaceUnready"
PATCH_FORCE = PREFIX + "patchForce"
PATCH_FIELD_MANAGER = PREFIX + "patchFieldManager"
DELETION_PROPAGATION = PREFIX + "deletionPropagationPolicy"

# Fields that only the API server writes (provider.go normalizeInputs).
READ_ONLY = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "uid",
)

# JSON names that no SDK can spell (provider.go underscoreToDashMap).
_DASHED = {
    name.replace("-", "_"): name
    for name in (
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-map-type",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
    )
}
_UNDERSCORED = {dashed: name for name, dashed in _DASHED.items()}
_STATE_KEYS = ("__inputs", "__initialApiVersion", "__fieldManager")


def _rename(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        items = cast(Object, value).items()
        return {names.get(key, key): _rename(item, names) for key, item in items}
    if isinstance(value, list):
        return [_rename(item, names) for item in cast(list[Any], value)]
    return Secret(_rename(value.value, names)) if isinstance(value, Secret) else value


def for_api(properties: Object) -> Object:
    """Give Pulumi properties as the API server wants them: secrets open, dashes in names."""
    return _rename(plain(properties), _DASHED)


def for_pulumi(obj: Object) -> Object:
    """Give an object with the names that the SDKs use."""
    return _rename(obj, _UNDERSCORED)


def metadata(obj: Object) -> Object:
    """Give the metadata, or nothing where it is not (yet) known."""
    found = obj.get("metadata")
    return cast(Object, found) if isinstance(found, dict) else {}


def name(obj: Object) -> str:
    return metadata(obj).get("name") or ""


def namespace(obj: Object) -> str:
    return metadata(obj).get("namespace") or ""


def identity(obj: Object) -> str:
    """Give Pulumi's id of an object: `namespace/name`, or `name` (provider/util.go fqName)."""
    return f"{namespace(obj)}/{name(obj)}" if namespace(obj) else name(obj)


def annotation(obj: Object, key: str) -> str:
    """Give an annotation's value, or an empty string."""
    annotations = metadata(obj).get("annotations")
    return str(cast(Object, annotations).get(key, "")) if isinstance(annotations, dict) else ""


def is_true(obj: Object, key: str) -> bool:
    return annotation(obj, key) == "true"


def group(obj: Object) -> str:
    return str(obj.get("apiVersion", "")).rpartition("/")[0]


def is_secret(obj: Object) -> bool:
    return obj.get("kind") == "Secret" and obj.get("apiVersion") == "v1"


def is_crd(obj: Object) -> bool:
    return obj.get("kind") == "CustomResourceDefinition" and group(obj) == "apiextensions.k8s.io"


def is_patch(type_: str, kind: str) -> bool:
    """Tell a Patch resource: its type says `DeploymentPatch`, its object says `Deployment`."""
    return type_.endswith("Patch") and type_.rpartition(":")[2] == f"{kind}Patch"


def token(obj: Object) -> str:
    """Give the Pulumi type of an object: `kubernetes:apps/v1:Deployment`."""
    version = str(obj["apiVersion"])
    return f"kubernetes:{version if '/' in version else f'core/{version}'}:{obj['kind']}"


def of_token(type_: str) -> Object:
    """Give apiVersion and kind of a Pulumi type."""
    _, version, kind = type_.split(":")
    return {
        "apiVersion": version.removeprefix("core/"),
        "kind": kind.removesuffix("Patch") if kind != "Patch" else kind,
    }


def body(inputs: Object) -> Object:
    """Give the object to send: without nulls and server-side fields, stringData folded in.

    As in the real plugin (provider.go normalizeInputs, clients/unstructured.go normalizeSecret).
    """
    obj = without_nulls(inputs)
    if metadata(obj):
        obj["metadata"] = {k: v for k, v in metadata(obj).items() if k not in READ_ONLY}
    if is_secret(obj) and isinstance(obj.get("stringData"), dict):
        text = cast(dict[str, str], obj.pop("stringData"))
        obj["data"] = {**(obj.get("data") or {}), **{k: to_base64(v) for k, v in text.items()}}
    return obj


def to_base64(text: str) -> str:
    return UNKNOWN if UNKNOWN in text else base64.b64encode(text.encode()).decode()


def without_nulls(value: Any) -> Any:
    """Leave out keys without a value: YAML has them, the API server drops them."""
    if isinstance(value, dict):
        items = cast(Object, value).items()
        return {key: without_nulls(item) for key, item in items if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in cast(list[Any], value)]
    return Secret(without_nulls(value.value)) if isinstance(value, Secret) else value


def protect(obj: Object, inputs: Object) -> Object:
    """Mark in the object what is secret in the inputs; data of a Secret always is.

    Source: provider.go annotateSecrets.
    """
    marked = cast(Object, mark_secrets(obj, inputs))
    if is_secret(plain_head(obj)):
        for key in ("data", "stringData"):
            if key in marked:
                marked[key] = Secret(plain(marked[key]))
    return marked


def plain_head(obj: Object) -> Object:
    return {"apiVersion": plain(obj.get("apiVersion")), "kind": plain(obj.get("kind"))}


def state(live: Object, inputs: Object, api_version: str, manager: str) -> Object:
    """Give what Pulumi stores for an object. `inputs` are as the program gave them."""
    kept = protect(for_pulumi(live), inputs)
    kept["__inputs"] = protect(inputs, inputs)
    kept["__initialApiVersion"] = api_version
    kept["__fieldManager"] = manager
    return kept


def live_of(stored: Object) -> Object:
    """Give the live object of a stored state, as the API server last returned it."""
    return for_api({k: v for k, v in stored.items() if k not in _STATE_KEYS})


def inputs_of(stored: Object) -> Object:
    """Give the inputs within a stored state, as the API server wants them."""
    found = plain(stored.get("__inputs"))
    return for_api(cast(Object, found)) if isinstance(found, dict) else {}


def load_json(text: str) -> Any:
    """Read JSON, or give None where the text is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None
