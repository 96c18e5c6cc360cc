"""Claims about the report of the checks in a browser: seen, driven by keys, and printed."""

import base64
from collections.abc import Generator
from pathlib import Path

import pytest

from picture.svg import DARK, LIGHT
from tests.browser.chromium import Browser, browser
from tests.checks.broken_mesh import HOSTILE, page_of


@pytest.fixture(scope="module")
def tab() -> Generator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture
def report(tmp_path: Path, tab: Browser) -> Browser:
    return _shown(tab, tmp_path, page_of())


def _shown(tab: Browser, folder: Path, text: str, **media: str) -> Browser:
    (folder / "report.html").write_text(text)
    features = [{"name": "prefers-color-scheme", "value": media.get("scheme", "light")}]
    tab.call("Emulation.setEmulatedMedia", media=media.get("media", "screen"), features=features)
    tab.show(folder / "report.html")
    return tab


def _rgb(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgb({red}, {green}, {blue})"


def _style(tab: Browser, selector: str, name: str) -> str:
    return tab.value(f"getComputedStyle(document.querySelector('{selector}')).{name}")


def test_the_first_failure_is_what_a_reader_sees_first(report: Browser) -> None:
    top, height = report.value(
        "(r => [r.bottom, innerHeight])(document.getElementById('fix-1').getBoundingClientRect())"
    )
    assert 0 < top < height
    text = report.value("document.body.innerText")
    assert "Fix: `pulumi up --refresh` creates it again" in text
    assert report.complaints == []


def test_what_clusters_say_is_shown_and_does_nothing(report: Browser) -> None:
    assert HOSTILE in report.value("document.getElementById('fix-2').innerText")
    assert report.value("window.taken") is None
    assert report.value("document.scripts.length + document.images.length") == 0


def test_a_script_that_got_in_all_the_same_would_not_run(tmp_path: Path, tab: Browser) -> None:
    page = page_of().replace("</main>", "<script>window.taken = 1</script></main>")
    shown = _shown(tab, tmp_path, page)
    assert shown.value("document.scripts.length") == 1
    assert shown.value("window.taken") is None
    assert "Content Security Policy" in str(shown.complaints)


@pytest.mark.parametrize(("scheme", "colours"), [("light", LIGHT), ("dark", DARK)])
def test_page_and_picture_follow_the_readers_scheme(
    scheme: str, colours: dict[str, str], tmp_path: Path, tab: Browser
) -> None:
    shown = _shown(tab, tmp_path, page_of(), scheme=scheme)
    assert _style(shown, "body", "backgroundColor") == _rgb(colours["page"])
    assert _style(shown, "body", "color") == _rgb(colours["text"])
    assert _style(shown, "svg .page", "fill") == _rgb(colours["page"])


def test_keys_reach_every_link_and_follow_it(report: Browser) -> None:
    report.press("Tab")
    assert report.value("document.activeElement.innerText") == "Skip to the checks"
    assert report.value("document.activeElement.getBoundingClientRect().left") >= 0
    every = report.value("[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))")
    reached = list[str]()
    for _ in every:
        reached.append(report.value("document.activeElement.getAttribute('href')"))
        report.press("Tab")
    assert reached == every


def test_the_red_pill_in_the_picture_leads_to_its_failure(report: Browser) -> None:
    report.value("document.querySelector('.secret').parentNode.focus()")
    report.press("Enter")
    assert report.value("location.hash") == "#fix-1"
    assert report.value("document.querySelector(':target h3').innerText").startswith("✗ failed")


def test_a_narrow_window_needs_no_scrolling_to_the_side(report: Browser) -> None:
    size = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    report.call("Emulation.setDeviceMetricsOverride", **size)
    try:
        assert report.value("document.documentElement.scrollWidth") <= 360
    finally:
        report.call("Emulation.clearDeviceMetricsOverride")


def test_it_can_be_printed(tmp_path: Path, tab: Browser) -> None:
    shown = _shown(tab, tmp_path, page_of(), media="print")
    assert _style(shown, "body > a", "display") == "none"
    printed = base64.b64decode(shown.call("Page.printToPDF")["data"])
    assert printed.startswith(b"%PDF")
    assert shown.complaints == []
