"""Claims about docs/failures.md: nothing is missing, and whatever it names exists."""

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from checks.run import CHECKS
from tests.checks.breakages import BREAKAGES

_ROOT = Path(__file__).parents[2]
_PAGE = _ROOT / "docs" / "failures.md"
_ANSWERS = ("prevented", "refused", "explained")
_NOT_COVERED = "not covered"


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    number: int
    issues: str
    answers: tuple[str, ...]
    """What Isthmus does: some of `_ANSWERS`, or `not covered`."""
    text: str
    checks: tuple[str, ...]
    """Checks that are said to explain it."""
    tests: tuple[str, ...]
    """`file::test`."""
    breakages: tuple[str, ...]


def _rows() -> list[Row]:
    cells = [
        [c.strip() for c in line.strip("|").split(" | ")]
        for line in _PAGE.read_text().splitlines()
        if re.match(r"\| \d+ \|", line)
    ]
    return [_row(*c) for c in cells]


def _row(number: str, _met: str, issues: str, does: str, where: str) -> Row:
    quoted = re.findall(r"`([^`]+)`", where)
    return Row(
        number=int(number.strip("| ")),
        issues=issues,
        answers=tuple(re.findall(r"\*\*([^*]+)\*\*", does)),
        text=does,
        checks=tuple(re.findall(r"\(checks\.md#([a-z-]+)\)", does)),
        tests=tuple(q for q in quoted if "::" in q),
        breakages=tuple(q.removeprefix("breakage ") for q in quoted if q.startswith("breakage ")),
    )


ROWS = _rows()


def test_every_failure_is_there_once() -> None:
    assert [row.number for row in ROWS] == list(range(1, len(ROWS) + 1))
    assert len(ROWS) >= 75


@pytest.mark.parametrize("row", ROWS, ids=lambda r: str(r.number))
def test_a_row_says_what_is_done_and_where_it_is_tested(row: Row) -> None:
    assert row.answers, "nothing in bold"
    assert set(row.answers) <= {*_ANSWERS, _NOT_COVERED}
    assert "github.com/" in row.issues or row.issues == "a review of Isthmus"
    if _NOT_COVERED in row.answers:
        assert row.answers == (_NOT_COVERED,)
        assert "because" in row.text, "without the reason"
    else:
        assert row.tests or row.breakages, "not tested"


@pytest.mark.parametrize("row", ROWS, ids=lambda r: str(r.number))
def test_what_is_explained_names_a_check_and_a_mesh_that_was_broken(row: Row) -> None:
    explained = "explained" in row.answers
    assert bool(row.checks) == explained
    assert set(row.checks) <= {c.id for c in CHECKS}
    assert (
        bool(row.breakages or any(t.startswith(("tests/unit", "tests/checks")) for t in row.tests))
        or not explained
    )


def test_every_breakage_is_in_its_row() -> None:
    assert {(r.number, name) for r in ROWS for name in r.breakages} == {
        (b.row, b.name) for b in BREAKAGES
    }


def test_a_row_names_the_check_that_its_breakage_is_found_by() -> None:
    named = {r.number: r.checks for r in ROWS}
    assert not [b.name for b in BREAKAGES if b.check not in named[b.row]]


@pytest.mark.parametrize("test", sorted({t for row in ROWS for t in row.tests}))
def test_every_test_that_is_named_exists(test: str) -> None:
    file, _, name = test.partition("::")
    assert name in _tests_in(file)


@cache
def _tests_in(file: str) -> frozenset[str]:
    tree = ast.parse((_ROOT / file).read_text())
    return frozenset(n.name for n in tree.body if isinstance(n, ast.FunctionDef))
