"""Claims about how results are reported."""

import io
import json

from rich.console import Console

from checks import report
from checks.model import Result, failed, ok, skipped, warning
from tests.checks.broken_mesh import results

_HINT = "do this"


_MIXED = results(
    ("cluster-answers", "east", ok("Kubernetes 1.34.4")),
    ("cluster-answers", "west", ok("Kubernetes 1.34.4")),
    ("istiod-ready", "east", warning("1 of 2 pods are ready", _HINT)),
    ("remote-secret", "east", ok("one is for west")),
    ("remote-secret", "east", failed("the one for north is not there", _HINT)),
    ("traffic", "east", skipped("no sample")),
)


def _printed(of: list[Result]) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(report.table(of, 1))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_warnings_leave_a_mesh_green_and_failures_do_not() -> None:
    assert report.is_green(_MIXED[:4])
    assert not report.is_green(_MIXED)


def test_a_check_counts_once_per_cluster_by_its_worst_result() -> None:
    text = report.summary(_MIXED, 1.25)
    assert text == "5 checks in 1.2 s: 2 ok, 1 skipped, 1 warning, 1 failed"


def test_clusters_without_failures_share_a_line() -> None:
    [line] = [x for x in _printed(_MIXED).splitlines() if "API server answers" in x]
    assert "east, west" in line
    assert line.count("Kubernetes 1.34.4") == 1


def test_a_failure_has_evidence_hint_and_page() -> None:
    printed = _printed(_MIXED)
    for text in ("the one for north is not there", f"→ {_HINT}", "docs/checks.md#remote-secret"):
        assert text in printed


def test_a_report_names_the_first_of_several_failures_to_fix() -> None:
    more = results(
        ("remote-secret", "east", failed("gone", _HINT)),
        ("traffic", "west", failed("nothing", _HINT)),
    )
    assert "Fix remote-secret in east first" in _printed(more)
    assert "Start with" not in _printed(_MIXED)


def test_short_has_a_line_for_each_failure_and_warning() -> None:
    lines = report.short(_MIXED, 1).splitlines()
    assert lines[:-1] == [
        "warning: istiod-ready in east: 1 of 2 pods are ready",
        "failed: remote-secret in east: the one for north is not there",
    ]


def test_json_has_everything() -> None:
    text = json.loads(report.as_json(_MIXED, 1))
    assert text["green"] is False
    assert text["counts"] == {"ok": 2, "warning": 1, "failed": 1, "skipped": 1}
    assert text["results"][4] == {
        "section": "remote secrets",
        "check": "remote-secret",
        "claim": "each watched cluster has a remote secret",
        "cluster": "east",
        "status": "failed",
        "seconds": 0.25,
        "evidence": "the one for north is not there",
        "hint": _HINT,
        "docs": "docs/checks.md#remote-secret",
        "code": "ISM1301",
        "ends": None,
    }
