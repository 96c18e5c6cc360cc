"""Names that the provider chooses (metadata/naming.go)."""

from __future__ import annotations

import hashlib
import secrets
from typing import cast

from lab.stand_ins.kubernetes import fields
from lab.stand_ins.kubernetes.fields import AUTONAMED, PATCH_FIELD_MANAGER
from lab.stand_ins.protocol import provider_pb2
from lab.stand_ins.servicer import ProviderError
from lab.stand_ins.values import UNKNOWN, Object, Secret, plain

_Options = provider_pb2.CheckRequest.AutonamingOptions


def assign(inputs: Object, old: Object, request: provider_pb2.CheckRequest) -> None:
    """Put a name into the metadata where the program gave none.

    inputs: the new inputs, changed in place. old: the old inputs; an object that was named by
    the provider before keeps its name.
    """
    known = cast(Object, plain(inputs))
    if fields.name(known) or known.get("metadata") == UNKNOWN:
        return
    if fields.metadata(known).get("generateName"):
        raise ProviderError(
            "the `.metadata.generateName` field is not supported in Server-Side Apply mode"
        )
    chosen = fields.name(old) if fields.is_true(old, AUTONAMED) else _choose(request)
    meta = _open(inputs, "metadata")
    meta["name"] = chosen
    annotations = _open(meta, "annotations")
    annotations[AUTONAMED] = "true"


def set_namespace(inputs: Object, namespace: str) -> None:
    _open(inputs, "metadata")["namespace"] = namespace


def _choose(request: provider_pb2.CheckRequest) -> str:
    mode = request.autonaming.mode if request.HasField("autonaming") else None
    if mode == _Options.DISABLE:
        raise ProviderError(
            "autonaming is disabled, resource requires the .metadata.name field to be set"
        )
    if mode is not None and request.autonaming.proposed_name:
        return request.autonaming.proposed_name
    return unique(request.name or request.urn.rpartition("::")[2], request.randomSeed)


def unique(prefix: str, seed: bytes) -> str:
    """Give `prefix-` and eight hex digits, the same for the same seed."""
    suffix = hashlib.sha256(seed).hexdigest() if seed else secrets.token_hex(4)
    return f"{prefix}-{suffix[:8]}"


def field_manager(inputs: Object, stored: Object) -> str:
    """Give the name to write under: the annotation's, the state's, or a new one.

    Source: provider.go fieldManagerName.
    """
    given = fields.annotation(inputs, PATCH_FIELD_MANAGER) or str(
        stored.get("__fieldManager") or ""
    )
    return given or unique("pulumi-kubernetes", b"")


def _open(within: Object, key: str) -> Object:
    """Give the mapping under a key, made if missing; a secret one is opened."""
    value = within.get(key)
    if isinstance(value, Secret):
        value = within[key] = dict(cast(Object, value.value))
    elif not isinstance(value, dict):
        value = within[key] = {}
    return cast(Object, value)
