"""The stack's configuration, as Pulumi hands it over."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pulumi
import yaml

from kube.kubeconfig import is_content
from spec.config import config_path
from spec.mesh import MeshSpec
from spec.problems import MeshRefusedError, Problem

ABSENT = "ISTHMUS_ABSENT"
"""Environment variable with names of absent clusters, separated by commas, for an incident."""
_KEYS = (
    *("mesh", "clusters", "sample", "images", "namespaces", "services", "manifests", "kiali"),
    "gcp",
)


def mesh_stack() -> str | None:
    """For the stack of a single cluster, the name of the mesh's stack.

    Raises:
        MeshRefusedError: a mesh is described here too.
    """
    config = pulumi.Config("isthmus")
    found = config.get("meshStack")
    described = [f"isthmus:{key}" for key, value in read().items() if value] if found else []
    if described:
        raise MeshRefusedError(
            [
                Problem(
                    "mesh-stack-not-alone",
                    "isthmus:meshStack",
                    f"must be alone; {', '.join(described)} is set too",
                    "a cluster's stack takes everything from the mesh's stack, so that no two "
                    "places can disagree",
                    "remove the other keys, or this one if the stack is of a whole mesh",
                    found,
                )
            ]
        )
    return found


def read() -> dict[str, Any]:
    """The keys of `isthmus:` that are set, decrypted; secrets stay secrets in the components.

    Raises:
        MeshRefusedError: a credential among them is not encrypted.
    """
    config = pulumi.Config("isthmus")
    found = {key: config.get_object(key) for key in _KEYS}
    if plain := [_unencrypted(path) for path in _credentials(found) if not _is_encrypted(path)]:
        raise MeshRefusedError(plain)
    if found["mesh"] and (encrypted := _encrypted_value(found)):
        raise MeshRefusedError([encrypted])
    # Pulumi.yaml has to give an object a default, and knows none but an empty one.
    return {key: value for key, value in found.items() if value not in (None, {})}


def with_absent(spec: MeshSpec) -> MeshSpec:
    """The spec, in which the clusters that `ISTHMUS_ABSENT` names are absent too.

    Raises:
        MeshRefusedError: it names a cluster that the mesh does not have.
    """
    named = {name.strip() for name in os.environ.get(ABSENT, "").split(",")} - {""}
    if unknown := sorted(named - {c.name for c in spec.clusters}):
        raise MeshRefusedError(
            [
                Problem(
                    "absent-cluster-unknown",
                    ABSENT,
                    f"must name clusters of the mesh: {', '.join(c.name for c in spec.clusters)}",
                    "a cluster that is not in the mesh is not kept but deleted",
                    f"correct or unset the environment variable {ABSENT}",
                    ",".join(unknown),
                )
            ]
        )
    return replace(
        spec,
        clusters=tuple(replace(c, absent=True) if c.name in named else c for c in spec.clusters),
    )


_Path = tuple[str | int, ...]


def _credentials(found: Mapping[str, Any]) -> Iterator[_Path]:
    """Where there are keys, and kubeconfigs that are not paths."""
    if _at(found, ("mesh", "ca", "root", "key")):
        yield ("mesh", "ca", "root", "key")
    for i, root in enumerate(_at(found, ("mesh", "ca", "roots")) or ()):
        if _at(root, ("key",)):
            yield ("mesh", "ca", "roots", i, "key")
    for i, cluster in enumerate(found["clusters"] or ()):
        if _at(cluster, ("ca", "key")):
            yield ("clusters", i, "ca", "key")
        kubeconfig = _at(cluster, ("kubeconfig",))
        if isinstance(kubeconfig, str) and is_content(kubeconfig):
            yield ("clusters", i, "kubeconfig")


def _at(value: Any, path: _Path) -> Any:
    for step in path:
        if isinstance(value, Mapping):
            value = cast("Mapping[str | int, Any]", value).get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = cast("list[Any]", value)[step]
        else:
            return None
    return value


def _read_from_stack_file(key: str) -> Any:
    """A key as the stack's file has it; None where the file is elsewhere or lacks it."""
    try:
        file = yaml.safe_load(Path(f"Pulumi.{pulumi.get_stack()}.yaml").read_text())
        return file["config"][key]
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return None


_VALUES: _Path = ("mesh", "istio", "values")


def _encrypted_value(found: Mapping[str, Any]) -> Problem | None:
    """Helm values that are meant to be secret: the real plugin keeps them in plain text, as values
    of a Chart and of its objects, and Helm keeps them in its release."""
    marks = list(_marks(_read_from_stack_file("isthmus:mesh"), ("mesh",)))
    for path in marks:
        if path[: len(_VALUES)] == _VALUES:
            return Problem(
                "values-encrypted",
                config_path(path),
                "must not be encrypted, because it would not stay so",
                "Helm keeps values in plain text in the cluster, and previews and the state show "
                "them",
                "put the text into a Secret of the cluster, and give the chart the Secret's name",
            )
    # Pulumi says only that something in the key is a secret: all of it, or what came from a file
    # elsewhere or from an environment.
    unknown = pulumi.runtime.is_config_secret("isthmus:mesh") and all(m == ("mesh",) for m in marks)
    if not (unknown and _at(found, _VALUES)):
        return None
    file = f"Pulumi.{pulumi.get_stack()}.yaml"
    return Problem(
        "values-encrypted",
        config_path(_VALUES),
        f"must be in plain text in {file}; isthmus:mesh is encrypted as a whole, or elsewhere",
        "what is encrypted in it cannot be known, and Helm keeps values in plain text in the "
        "cluster, and previews and the state show them",
        f"write isthmus:mesh as an object into {file} beside Pulumi.yaml, and encrypt single texts "
        "in it: `pulumi config set --secret --path 'isthmus:mesh.ca.root.key' < FILE`",
    )


def _marks(value: Any, path: _Path) -> Iterator[_Path]:
    """Where a key of the stack's file is encrypted."""
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value)
        if set(items) == {"secure"}:
            yield path
        for key, below in items.items():
            yield from _marks(below, (*path, key))
    elif isinstance(value, list):
        for i, below in enumerate(cast("list[Any]", value)):
            yield from _marks(below, (*path, i))


def _is_encrypted(path: _Path) -> bool:
    """Whether the stack's file has a part of the configuration encrypted.

    Pulumi marks whole keys only: a key is a secret if anything in it is. The file has a mark at
    each text; where it is elsewhere, Pulumi's word has to do.
    """
    key = f"isthmus:{path[0]}"
    if not pulumi.runtime.is_config_secret(key):
        return False
    written = _read_from_stack_file(key)
    return written is None or any(
        isinstance(part := _at(written, path[1:end]), Mapping) and "secure" in part
        for end in range(1, len(path) + 1)
    )


def _unencrypted(path: _Path) -> Problem:
    where = config_path(path)
    return Problem(
        "credential-not-encrypted",
        where,
        "must be encrypted: it holds a credential",
        "in plain text it is in the stack's file, and with that in the repository and its history",
        f"`pulumi config set --secret --path '{where}' < FILE`; replace the credential if "
        "the file was ever committed",
    )
