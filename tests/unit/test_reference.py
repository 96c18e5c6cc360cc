"""Claims about the configuration's documents."""

import json
import re
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from spec import reference

_PROJECT = Path(__file__).parents[2]
_EXAMPLES = sorted([*_PROJECT.glob("Pulumi.*.yaml"), *_PROJECT.glob("examples/Pulumi.*.yaml")])


@pytest.mark.parametrize(
    ("file", "made"),
    [(reference.PAGE, reference.page), (reference.EDITOR_SCHEMA, reference.editor_schema)],
    ids=["page", "editor schema"],
)
def test_what_is_committed_is_what_the_types_generate(file: Path, made: Any) -> None:
    assert file.read_text() == made(), "run: python -m spec.reference"


def test_the_project_declares_the_keys_that_the_types_have() -> None:
    declared = {
        key
        for key in yaml.safe_load((_PROJECT / "Pulumi.yaml").read_text())["config"]
        if key.startswith("isthmus:")
    }
    schema = json.loads(reference.editor_schema())
    assert declared == set(schema["properties"]["config"]["properties"])


@pytest.mark.parametrize("example", _EXAMPLES, ids=lambda path: path.name)
def test_every_key_of_an_example_is_on_the_page(example: Path) -> None:
    written = set(re.findall(r"^\| `([^`]+)`", reference.page(), re.MULTILINE))
    free = set(re.findall(r"^\| `([^`]+)` \| map to", reference.page(), re.MULTILINE))
    used = set[str]()
    for key, value in yaml.safe_load(example.read_text())["config"].items():
        if key.startswith("isthmus:"):
            used |= paths(key, value, free)
    assert used
    assert used <= written


def paths(path: str, value: Any, free: set[str]) -> set[str]:
    """Paths of all keys below a value, as the page writes them; a map's keys are the user's."""
    if path in free or not isinstance(value, dict | list):
        return set()
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return set[str]().union(*(paths(f"{path}[]", item, free) for item in items))
    found = set[str]()
    for key, below in cast("dict[str, Any]", value).items():
        found |= {f"{path}.{key}"} | paths(f"{path}.{key}", below, free)
    return found


def definitions() -> dict[str, Any]:
    return json.loads(reference.editor_schema())["$defs"]


def test_an_editor_refuses_a_key_that_does_not_exist() -> None:
    assert all(definition["additionalProperties"] is False for definition in definitions().values())


def test_an_editor_accepts_an_encrypted_kubeconfig() -> None:
    kubeconfig = definitions()["Cluster"]["properties"]["kubeconfig"]
    text = kubeconfig["anyOf"][0]
    assert {"$ref": "#/$defs/Encrypted"} in text["anyOf"]
    assert "a secret" in kubeconfig["description"]
