"""YAML manifests: read as Kubernetes reads them, lists unfolded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, cast

import yaml

from lab.stand_ins.kubernetes import fields
from lab.stand_ins.kubernetes.cluster import Cluster
from lab.stand_ins.servicer import ProviderError
from lab.stand_ins.values import Object, plain

_SHOWN = 100
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_BASE):
    """YAML as Go reads it: dates are strings, `1:30` is no number, `1e3` is one."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag
        not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:float", "tag:yaml.org,2002:int")
    ]
    for first, resolvers in _BASE.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)$"),
    list("-+0123456789"),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|[-+]?\.(?:inf|nan)$"),
    list("-+0123456789."),
)


def _construct_int(loader: Any, node: Any) -> int:
    text = str(node.value).replace("_", "")
    digits = text.lstrip("+-")
    if digits.startswith("0") and digits.isdigit() and len(digits) > 1:
        digits = f"0o{digits[1:]}"
    return -int(digits, 0) if text.startswith("-") else int(digits, 0)


_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)


def _construct_float(loader: Any, node: Any) -> float:
    return float(str(node.value).replace(".inf", "inf").replace(".nan", "nan"))


_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)


def parse(text: str) -> list[Object]:
    """Read the objects of a YAML text; raises ProviderError with the line of a mistake."""
    try:
        documents = [d for d in yaml.load_all(text, Loader=_Loader) if d]
    except yaml.YAMLError as error:
        raise ProviderError(f"decoding YAML: {error}") from None
    for document in documents:
        if not isinstance(document, dict):
            raise ProviderError(f"decoding YAML: not an object: {str(document)[:_SHOWN]}")
    return cast(list[Object], documents)


def normalize(objects: Iterable[Object], home: str, cluster: Cluster) -> list[Object]:
    """Unfold lists, check what every object needs, and fill in namespaces.

    Source: yaml/v2/yaml.go Normalize. Kinds are looked up among the objects' own CRDs first.
    """
    found = list(_unfold(objects))
    cluster.scopes.learn(found)
    for obj in found:
        if not obj.get("kind") or not obj.get("apiVersion"):
            raise ProviderError(
                f"Kubernetes resources require a kind and apiVersion: `{_shown(obj)}`"
            )
        if not fields.name(plain(obj)):
            raise ProviderError(f"Kubernetes resources require a .metadata.name: `{_shown(obj)}`")
        obj["apiVersion"] = str(obj["apiVersion"]).removeprefix("core/")
        if not fields.namespace(plain(obj)) and cluster.namespaced(obj):
            cast(Object, obj["metadata"])["namespace"] = home
    return found


def _unfold(objects: Iterable[Object]) -> Iterable[Object]:
    for obj in objects:
        if str(obj.get("kind", "")).endswith("List") and isinstance(obj.get("items"), list):
            yield from _unfold(cast(list[Object], obj["items"]))
        else:
            yield obj


def _shown(obj: Object) -> str:
    """Show which object is meant, and nothing of its content: it may be a Secret."""
    known = {key: obj[key] for key in ("apiVersion", "kind") if key in obj}
    return str({**known, "metadata": {"name": fields.metadata(obj).get("name")}})[:_SHOWN]
