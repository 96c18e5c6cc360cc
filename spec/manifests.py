"""Istio's objects from files of the user's, for every control plane."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, cast

import yaml
from pydantic import BeforeValidator, WithJsonSchema
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

_NETWORKING, _SECURITY = "networking.istio.io/v1", "security.istio.io/v1"
KINDS = (
    ("DestinationRule", _NETWORKING, "destinationrules"),
    ("Gateway", _NETWORKING, "gateways"),
    ("ServiceEntry", _NETWORKING, "serviceentries"),
    ("Sidecar", _NETWORKING, "sidecars"),
    ("VirtualService", _NETWORKING, "virtualservices"),
    ("EnvoyFilter", "networking.istio.io/v1alpha3", "envoyfilters"),
    ("AuthorizationPolicy", _SECURITY, "authorizationpolicies"),
    ("PeerAuthentication", _SECURITY, "peerauthentications"),
    ("RequestAuthentication", _SECURITY, "requestauthentications"),
    ("Telemetry", "telemetry.istio.io/v1", "telemetries"),
    ("WasmPlugin", "extensions.istio.io/v1alpha1", "wasmplugins"),
)
"""Kinds that control planes share: name, version, and plural in paths. Not WorkloadEntry and
WorkloadGroup, which are of one network."""


@dataclass(frozen=True)
class Manifest:
    """One object of a file."""

    file: str
    """The file's path, as the configuration has it."""
    api_version: str
    kind: str
    namespace: str
    name: str
    spec: Mapping[str, Any] = field(default_factory=dict[str, Any])


def _read(given: Any) -> Any:
    """Return the objects of these files, in their order.

    Objects are returned as they are: `dataclasses.replace` of the spec validates it again.

    Raises:
        PydanticCustomError: a file cannot be read, or has an object without one of its parts.
    """
    if not isinstance(given, list | tuple):
        raise PydanticCustomError("manifests", "must be a list of paths")
    found = list[Manifest]()
    for one in cast("Sequence[object]", given):
        if isinstance(one, Manifest):
            found.append(one)
        elif isinstance(one, str):
            found += _of_file(one)
        else:
            raise PydanticCustomError("manifests", "must be a list of paths")
    return tuple(found)


def _of_file(file: str) -> Iterator[Manifest]:
    try:
        documents = list(yaml.safe_load_all(Path(file).read_text()))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        said = " ".join(str(error).split())
        raise _refused(file, f"must be a file of YAML objects: {said}") from None
    for number, document in enumerate(documents, 1):
        if document is not None:
            yield _object(file, number, document)


def _object(file: str, number: int, document: Any) -> Manifest:
    try:
        metadata = document["metadata"]
        return Manifest(
            file,
            str(document["apiVersion"]),
            str(document["kind"]),
            str(metadata["namespace"]),
            str(metadata["name"]),
            document.get("spec") or {},
        )
    except (KeyError, TypeError, AttributeError, ValueError):
        raise _refused(
            file,
            f"document {number} must have apiVersion, kind, metadata.name, metadata.namespace and, "
            "if any, an object as spec",
        ) from None


def _refused(file: str, rule: str) -> PydanticCustomError:
    # What a caller gives pydantic's template is not formatted again.
    return PydanticCustomError("manifests", "{file}: {rule}", {"file": file, "rule": rule})


Manifests = Annotated[
    tuple[Manifest, ...],
    BeforeValidator(_read),
    WithJsonSchema({"type": "array", "items": {"type": "string"}, "default": []}),
]
"""In the configuration, paths of files; in the spec, the objects in them."""
