"""Claims about docs/checks.md."""

import re
from itertools import groupby
from pathlib import Path

from checks.run import CHECKS

_TEXT = (Path(__file__).parents[2] / "docs/checks.md").read_text()


def test_every_check_has_its_section_and_every_section_its_check() -> None:
    documented = re.findall(r"^(##|###) (.+)$", _TEXT, re.MULTILINE)
    wanted = list[tuple[str, str]]()
    for section, checks in groupby(CHECKS, lambda c: c.section):
        wanted += [("##", section), *(("###", c.id) for c in checks)]
    assert documented[documented.index(("##", "clusters")) :] == wanted


def test_every_section_says_what_to_do() -> None:
    for section in re.split(r"^### ", _TEXT, flags=re.MULTILINE)[1:]:
        assert "**Do:**" in section, section.partition("\n")[0]


def test_links_within_lead_somewhere() -> None:
    anchors = {c.id for c in CHECKS}
    assert set(re.findall(r"\]\(#([^)]+)\)", _TEXT)) <= anchors


def test_checks_need_only_what_comes_before() -> None:
    """Checks wait for each other in threads: one that waited for a later one might never end."""
    seen = set[str]()
    for check in CHECKS:
        assert set(check.needs) <= seen, check.id
        assert check.id not in seen
        seen.add(check.id)
