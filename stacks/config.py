"""Configuration text → validated spec. Every problem is found before the first is told."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from stacks import rules
from stacks.problems import MISSING, MeshRefusedError, Problem, refuse
from stacks.spec import MeshSpec

_SECRET_KEYS = {"kubeconfig", "key"}
_CURES: Mapping[str, str] = {
    "missing": "add it to Pulumi.<stack>.yaml",
    "extra_forbidden": "remove it; docs/configuration.md lists the keys that exist",
}


def parse(config: Mapping[str, Any]) -> MeshSpec:
    """Make the spec of the configuration `{"mesh": …, "clusters": […], "sample": …}`.

    Raises:
        MeshRefusedError: with every problem that the text or the mesh it describes has.
    """
    spec = typed(config)
    refuse(rules.broken(spec))
    return spec


def typed(config: Mapping[str, Any]) -> MeshSpec:
    """Make the spec of a configuration whose keys and types are right, whatever it describes.

    Raises:
        MeshRefusedError: with every key that is missing, unknown or of a wrong type.
    """
    try:
        return TypeAdapter(MeshSpec).validate_python(dict(config))
    except ValidationError as error:
        raise MeshRefusedError([_from_pydantic(e) for e in error.errors()]) from None


def config_path(location: tuple[int | str, ...]) -> str:
    """The path as the `pulumi config` command takes it: ("clusters", 1, "name") → isthmus:…"""
    head, *rest = location or ("",)
    return f"isthmus:{head}" + "".join(f"[{x}]" if isinstance(x, int) else f".{x}" for x in rest)


def _from_pydantic(error: ErrorDetails) -> Problem:
    missing = error["type"] == "missing"
    secret = bool(error["loc"]) and error["loc"][-1] in _SECRET_KEYS
    return Problem(
        path=config_path(error["loc"]),
        rule="is required" if missing else error["msg"],
        reason="the program reads this key and would guess otherwise"
        if missing
        else "a value that is misread here would build another mesh than the one meant",
        cure=_CURES.get(error["type"], "write a value that the rule allows"),
        value=MISSING if missing or secret else error["input"],
    )
