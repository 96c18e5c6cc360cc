"""The configuration's documents, made from the types in spec/mesh.py.

`python -m spec.reference` writes docs/configuration.md, for people, and
docs/configuration.schema.json, for editors. What a key means is said once, beside its field.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter

from spec.mesh import DnsLabel, MeshSpec

Schema = dict[str, Any]

_DOCS = Path(__file__).parents[1] / "docs"
PAGE = _DOCS / "configuration.md"
EDITOR_SCHEMA = _DOCS / "configuration.schema.json"

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_DNS_LABEL = TypeAdapter(DnsLabel).json_schema()["pattern"]
_ABOUT = f"""# Configuration

Made by `python -m spec.reference` from the types in `spec/mesh.py`; do not edit it by hand.

A mesh is described in `Pulumi.<stack>.yaml`, under `config`, by the keys below. `Pulumi.dev.yaml`
is an example. What is not listed here is refused before anything changes, with its path, the rule
that it breaks, the reason and the fix. An editor that knows JSON schemas completes and checks the
file if it begins with

    # yaml-language-server: $schema=docs/{EDITOR_SCHEMA.name}

Paths are those of `pulumi config set --path`, where `[]` has the item's number. To keep credentials
encrypted:

    pulumi config set --secret --path 'isthmus:clusters[0].kubeconfig' < kubeconfig

A DNS label has at most 63 lower-case letters, digits and `-`; it does not begin or end with `-`.
"""


def page() -> str:
    """The reference page: a table for each key of the stack's configuration."""
    whole = _schema()
    parts = [_ABOUT]
    for key, given in whole["properties"].items():
        path, found = f"isthmus:{key}", _resolve(given, whole["$defs"])
        about = [_meaning(given, found)]
        if found.get("type") == "array":
            path, found = f"{path}[]", _resolve(found["items"], whole["$defs"])
            about += ["A list. Each item:", _meaning({}, found)]
        about += ["Required." if key in whole["required"] else "May be left out."]
        rows = "\n".join(_rows(path, found, whole["$defs"]))
        parts.append(
            f"## `isthmus:{key}`\n\n{' '.join(x for x in about if x)}\n\n"
            f"| Path | Type | Default | Meaning |\n| --- | --- | --- | --- |\n{rows}\n"
        )
    return "\n".join(parts)


def editor_schema() -> str:
    """A JSON schema of a whole `Pulumi.<stack>.yaml`."""
    whole = _or_encrypted(_schema())
    whole["$defs"]["Encrypted"] = {
        "description": "What `pulumi config set --secret` writes",
        "type": "object",
        "properties": {"secure": {"type": "string"}},
        "required": ["secure"],
        "additionalProperties": False,
    }
    document = {
        "$schema": _DRAFT,
        "title": "A stack of Isthmus",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": {f"isthmus:{k}": v for k, v in whole["properties"].items()},
                "required": [f"isthmus:{k}" for k in whole["required"]],
                # Pulumi's own settings and those of providers stand beside them.
                "propertyNames": {
                    "anyOf": [
                        {"not": {"pattern": "^isthmus:"}},
                        {"enum": [f"isthmus:{k}" for k in whole["properties"]]},
                    ]
                },
            }
        },
        "required": ["config"],
        "$defs": whole["$defs"],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _schema() -> Schema:
    return _without_titles(TypeAdapter(MeshSpec).json_schema(by_alias=True))


def _without_titles(schema: Any) -> Any:
    """Drop the titles that pydantic makes of names; a key that is called `title` is no text."""
    if isinstance(schema, Mapping):
        items = cast("Mapping[str, Any]", schema).items()
        return {
            k: _without_titles(v) for k, v in items if not (k == "title" and isinstance(v, str))
        }
    if isinstance(schema, list):
        return [_without_titles(x) for x in cast("list[Any]", schema)]
    return schema


def _or_encrypted(schema: Any) -> Any:
    """Allow Pulumi's encrypted form wherever a text may stand."""
    if isinstance(schema, list):
        return [_or_encrypted(x) for x in cast("list[Any]", schema)]
    if not isinstance(schema, Mapping):
        return schema
    items = cast("Mapping[str, Any]", schema)
    if items.get("type") != "string" or "enum" in items or "const" in items:
        return {k: _or_encrypted(v) for k, v in items.items()}
    shown = {k: v for k, v in items.items() if k in ("description", "default")}
    text = {k: v for k, v in items.items() if k not in shown}
    return {**shown, "anyOf": [text, {"$ref": "#/$defs/Encrypted"}]}


def _resolve(schema: Schema, defs: Schema) -> Schema:
    """The schema itself, where it is a reference or may be left out."""
    if "$ref" in schema:
        return defs[schema["$ref"].removeprefix("#/$defs/")]
    options = [x for x in schema.get("anyOf", ()) if x.get("type") != "null"]
    if len(options) == 1:
        return _resolve(options[0], defs)
    return schema


def _rows(path: str, schema: Schema, defs: Schema) -> Iterator[str]:
    """A row for each key below the path, and below each key that is an object, and so on."""
    required = schema.get("required", ())
    for key, given in schema.get("properties", {}).items():
        here = f"{path}.{key}"
        found = _resolve(given, defs)
        default = "required" if key in required else _default(given, found)
        cells = (f"`{here}`", _type(found, defs), default, _meaning(given, found))
        yield f"| {' | '.join(_in_one_cell(c) for c in cells)} |"
        if found.get("type") == "array":
            yield from _rows(f"{here}[]", _resolve(found["items"], defs), defs)
        for option in found.get("anyOf", [found]):
            yield from _rows(here, _resolve(option, defs), defs)


def _type(schema: Schema, defs: Schema) -> str:
    """A type in words."""
    if "anyOf" in schema:
        return " or ".join(_type(_resolve(x, defs), defs) for x in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{x}`" for x in schema.get("enum", [schema.get("const")]))
    match schema.get("type"):
        case "string" if schema.get("pattern") == _DNS_LABEL:
            return "DNS label"
        case "string":
            pattern = schema.get("pattern")
            return f"text like `{pattern}`" if pattern else "text"
        case "integer":
            least, most = schema.get("minimum"), schema.get("maximum")
            at_least = "" if least is None else f", {least} or more"
            return "whole number" + (at_least if most is None else f", {least} to {most}")
        case "boolean":
            return "`true` or `false`"
        case "array":
            return f"list of: {_type(_resolve(schema['items'], defs), defs)}"
        case "object" if "properties" in schema:
            return "object"
        case "object":
            values = schema.get("additionalProperties")
            inner = _type(values, defs) if isinstance(values, dict) else "anything"
            return f"map to: {inner}"
        case other:
            return str(other or "anything")


def _in_one_cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _default(given: Schema, found: Schema) -> str:
    default = given.get("default")
    if default is not None:
        return f"`{json.dumps(default, ensure_ascii=False)}`".replace('"', "")
    if "default" in given:
        return "none"
    # Made by a factory, which the schema does not tell: an empty collection, or an object whose
    # keys have defaults of their own.
    return {"array": "`[]`"}.get(found.get("type", ""), "" if "properties" in found else "`{}`")


def _meaning(given: Schema, found: Schema) -> str:
    return given.get("description") or found.get("description") or ""


def main() -> None:
    """Write both documents."""
    PAGE.write_text(page())
    EDITOR_SCHEMA.write_text(editor_schema())


if __name__ == "__main__":
    main()
