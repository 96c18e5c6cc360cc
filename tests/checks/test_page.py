"""Claims about the report as a page, by its text alone; tests/browser looks at it in a browser."""

from html.parser import HTMLParser

import pytest

from checks.model import ok
from tests.checks.broken_mesh import BROKEN, HOSTILE, page_of, results


class _Reader(HTMLParser):
    """The elements of a page, with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements = list[tuple[str, dict[str, str | None]]]()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, attribute: str) -> list[str]:
        return [x for _, attributes in self.elements if (x := attributes.get(attribute))]


def test_the_first_failure_is_on_top_with_its_fix() -> None:
    text = _Reader(page_of()).text
    order = [
        "Fix remote-secret in east first",
        "istio-remote-secret-west does not exist",
        "Fix: `pulumi up --refresh` creates it again",
        HOSTILE,
        "1 of 2 pods are ready",
        "What ends when",
    ]
    assert sorted(order, key=text.index) == order


def test_it_says_what_ends_when_once_for_all_clusters() -> None:
    page = page_of()
    assert "<td>2036-11-18</td><td>east, west</td><td>the root until 2036-11-18</td>" in page
    assert "<td>2027-02-28</td><td>east, west</td><td>support of Istio 1.31.0</td>" in page


def test_a_mesh_without_failures_has_nothing_to_fix() -> None:
    page = _Reader(page_of(results(("cluster-answers", "east", ok("Kubernetes 1.34.4")))))
    assert "fix" not in page.values("id")
    assert "1 checks in 3.9 s: 1 ok" in page.text


def test_everything_from_clusters_stays_text() -> None:
    page = _Reader(page_of())
    assert not {"script", "img", "link", "iframe", "form"} & {tag for tag, _ in page.elements}
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on")]
    assert page.text.count(HOSTILE) >= 4, "evidence, fix, the table of checks, and the version"


@pytest.mark.parametrize("hidden", ["\u202e", "\x1b", "\0", "\ud800", "\u200b"])
def test_characters_that_hide_or_reorder_text_are_replaced(hidden: str) -> None:
    page = page_of(results(("cluster-answers", "east", ok(f"a{hidden}b"))))
    assert hidden not in page
    assert "a\N{REPLACEMENT CHARACTER}b" in page


def test_links_lead_into_the_page_and_ids_are_unique() -> None:
    page = _Reader(page_of())
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    targets = page.values("href")
    assert {"#fix-1", "#fix-2", "#remote-secret", "#checks-clusters"} <= set(targets)
    assert {t.removeprefix("#") for t in targets} <= set(ids)
    assert not page.values("src")


def test_the_same_results_give_the_same_page() -> None:
    assert page_of(BROKEN) == page_of(BROKEN)
