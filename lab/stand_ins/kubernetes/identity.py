"""Whether a changed provider configuration means another cluster (provider.go DiffConfig)."""

from __future__ import annotations

import json
from typing import Any

from lab.stand_ins import diff
from lab.stand_ins.kubernetes.kubeconfig import Kubeconfig, UnreachableError
from lab.stand_ins.protocol import provider_pb2
from lab.stand_ins.values import Object, has_unknown, plain

_POINTERS = ("kubeconfig", "context", "cluster")
_IDENTIFIER = "clusterIdentifier"


def diff_config(old: Object, new: Object) -> provider_pb2.DiffResponse:
    """Compare two provider configurations.

    All objects are replaced when the clusterIdentifier changes; with an unchanged one never.
    Without one they are when the active cluster of the kubeconfig is another, or not yet known.
    """
    before, after = plain(old), plain(new)
    found = diff.changes(before, after)
    properties = {str(path[0]) for path in found}
    identified = bool(after.get(_IDENTIFIER))
    replaces: set[str] = set()
    if _IDENTIFIER in properties:
        if before.get(_IDENTIFIER) and identified:
            replaces.add(_IDENTIFIER)
        else:
            identified = False
    if not identified or replaces:
        unknown = {key for key in _POINTERS if has_unknown(after.get(key))}
        if unknown:
            replaces |= unknown & properties
        elif None not in (_active(before), _active(after)) and _active(before) != _active(after):
            replaces |= set(_POINTERS) & properties
    return diff.response(found, [old, new], replaces=lambda path: path[0] in replaces)


def _active(config: Object) -> Object | None:
    """Give the cluster entry that a configuration points to, as far as its kubeconfig has it."""
    text: Any = config.get("kubeconfig") or ""
    if not text:
        return None
    try:
        content = text if isinstance(text, str) else json.dumps(text)
        kubeconfig = Kubeconfig.load(content).select(
            str(config.get("context") or ""), str(config.get("cluster") or "")
        )
    except UnreachableError:
        return None
    return kubeconfig.active_cluster
