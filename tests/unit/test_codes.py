"""Claims about the codes of refusals and checks."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.run import CHECKS
from spec import codes
from spec.codes import REFUSALS
from spec.problems import Problem

_ROOT = Path(__file__).parents[2]
_CODE = [
    file
    for folder in ("spec", "kube", "preflight", "stacks")
    for file in sorted((_ROOT / folder).rglob("*.py"))
    if file.name != "codes.py"
]
_RAISES = {"Problem", "problem", "_refused", "KubeconfigError"}


def _texts(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _names(file: Path) -> Iterator[str]:
    """Names of refusals that are written where the problem is created."""
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Call(func=ast.Name(id=called), args=[ast.Constant(value=str(name)), *_]) if (
                called in _RAISES
            ):
                yield name
            case _:
                pass


@pytest.mark.parametrize("file", _CODE, ids=lambda f: str(f.relative_to(_ROOT)))
def test_every_name_in_the_code_has_a_number(file: Path) -> None:
    assert set(_names(file)) <= set(REFUSALS)


def test_every_refusal_with_a_number_is_in_the_code() -> None:
    assert set(REFUSALS) <= {text for file in _CODE for text in _texts(file)}


def test_no_number_is_used_twice() -> None:
    numbers = [*(r.number for r in REFUSALS.values()), *(c.number for c in CHECKS)]
    assert len(numbers) == len(set(numbers))
    assert all(r.number < 1000 for r in REFUSALS.values())
    assert all(c.number > 1000 for c in CHECKS)


def test_the_page_is_committed_as_generated() -> None:
    assert codes.PAGE.read_text() == codes.page(), "run: python -m spec.codes"


def test_a_message_has_the_code_and_the_link_to_its_explanation() -> None:
    problem = Problem("primary-unknown", "isthmus:clusters[1].primary", "must", "why", "fix", "x")
    assert str(problem).startswith("ISM0205 primary-unknown\n")
    assert str(problem).endswith("see: docs/refusals.md#ism0205")
    assert "### ISM0205\n" in codes.page()
