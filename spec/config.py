"""Turns the configuration's text into a validated spec, or reports every problem at once."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from spec import rules
from spec.mesh import MeshSpec
from spec.problems import MISSING, MeshRefusedError, Problem, raise_if_refused

_SECRET_KEYS = {"ca", "kubeconfig", "key", "values"}
_LONG = 80
_PLAIN = {"literal_error", "string_pattern_mismatch", "string_too_long", "string_too_short"}
"""Errors of texts that are one of a few words, a name or a URL."""
_UNKNOWN = "unexpected_keyword_argument"
_NAMES: Mapping[str, str] = {"missing": "key-missing", _UNKNOWN: "key-unknown"}
_RULES: Mapping[str, str] = {
    "missing": "is required",
    _UNKNOWN: "must be a key that Isthmus knows",
    "dataclass_type": "must be an object with keys",
}
_FIXES: Mapping[str, str] = {
    "missing": "add it to Pulumi.<stack>.yaml",
    _UNKNOWN: "correct its spelling or remove it; docs/configuration.md lists the keys that exist",
}


def parse(config: Mapping[str, Any]) -> MeshSpec:
    """Return the spec of the configuration `{"mesh": …, "clusters": […], "sample": …}`.

    Raises:
        MeshRefusedError: with every problem that the text or the mesh it describes has.
    """
    spec = parse_types(config)
    raise_if_refused(rules.check(spec))
    return spec


def parse_types(config: Mapping[str, Any]) -> MeshSpec:
    """Return the spec after a check of keys and types only, without the rules of a mesh.

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
    missing, value = error["type"] == "missing", error["input"]
    # A long value, one under a misspelled key, or one in the wrong place can be a secret too.
    secret = (
        not _SECRET_KEYS.isdisjoint(error["loc"])
        or error["type"] == _UNKNOWN
        or len(str(value)) > _LONG
        or (isinstance(value, str) and (error["type"] not in _PLAIN or "@" in value))
    )
    return Problem(
        name=_NAMES.get(error["type"], "value-invalid"),
        path=config_path(error["loc"]),
        rule=_RULES.get(error["type"], error["msg"]),
        reason="Isthmus does not guess a value for this key"
        if missing
        else "a misread value would build a different mesh than intended",
        fix=_FIXES.get(error["type"], "write a value that the rule allows"),
        value=MISSING if missing or secret else value,
    )
