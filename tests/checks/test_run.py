"""Claims about the checks as a whole, and their command line."""

import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from checks.__main__ import main
from checks.model import Finding, Status, ok
from checks.picture import draw
from checks.run import CHECKS, run
from checks.view import Mesh, View
from spec.description import Description
from tests.checks import fake


@pytest.fixture
def nobody() -> Description:
    """A mesh at whose API servers nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = f"http://127.0.0.1:{free.getsockname()[1]}"
    kubeconfig = yaml.safe_dump(
        {
            "clusters": [{"name": "a", "cluster": {"server": server}}],
            "users": [{"name": "a", "user": {"token": "s3cret"}}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "current-context": "a",
        }
    )
    description = fake.mesh().description
    return replace(description, kubeconfigs={c.name: kubeconfig for c in description.spec.clusters})


def test_a_cluster_that_does_not_answer_fails_once(nobody: Description) -> None:
    """Everything else about it is skipped, and names the reason."""
    results = run(nobody)
    failed = [r for r in results if r.status is Status.FAILED]
    assert [(r.check.id, r.cluster) for r in failed] == [
        ("cluster-answers", "east"),
        ("cluster-answers", "west"),
    ]
    rest = [r for r in results if r not in failed]
    assert {r.status for r in rest} == {Status.SKIPPED}
    assert {r.finding.evidence for r in rest if r.cluster == "west"} == {
        "cluster-answers failed in west"
    }
    assert not any("s3cret" in r.finding.evidence for r in results)


def test_a_flaw_in_one_check_is_told_as_such_and_the_others_go_on(
    nobody: Description, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(_mesh: Mesh, _view: View) -> Iterator[Finding]:
        yield ok("so far")
        raise KeyError("spec")

    [first, *rest] = CHECKS
    monkeypatch.setattr("checks.run.CHECKS", (replace(first, look=look), *rest))
    results = [r for r in run(nobody) if r.check.id == first.id and r.cluster == "east"]
    assert [r.status for r in results] == [Status.OK, Status.FAILED]
    assert re.fullmatch(r"KeyError in test_run.py:\d+: 'spec'", results[1].finding.evidence)


def test_what_failed_is_red_in_the_picture(nobody: Description) -> None:
    drawn = {kind: draw(nobody, run(nobody), kind) for kind in (".svg", ".mmd")}
    assert all("failed: cluster west" in text or "cluster west" in text for text in drawn.values())
    assert drawn[".svg"] != draw(nobody, [], ".svg")
    assert drawn[".svg"].startswith("<svg")
    assert drawn[".mmd"].startswith("flowchart")


def test_a_stack_that_cannot_be_read_is_status_2(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = CliRunner().invoke(main, ["--stack", "dev"])
    assert result.exit_code == 2
    assert "pulumi is not on the PATH" in result.output


@pytest.mark.parametrize(
    ("writes", "told"),
    [
        ("echo 'error: no stack named dev' >&2; exit 255", "no stack named dev; is it the right"),
        ('echo \'{"spec": {"kubeconfig": "s3cret"}}\'', "written by another version"),
    ],
)
def test_a_stack_without_a_description_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, writes: str, told: str
) -> None:
    pulumi = tmp_path / "pulumi"
    pulumi.write_text(f"#!/bin/sh\n{writes}\n")
    pulumi.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = CliRunner().invoke(main, ["--stack", "dev"])
    assert result.exit_code == 2
    assert told in result.output
    assert "s3cret" not in result.output


def test_a_picture_of_another_kind_is_refused_before_anything_is_asked() -> None:
    result = CliRunner().invoke(main, ["--picture", "mesh.png"])
    assert result.exit_code == 2
    assert "must end in .svg or .mmd" in result.output
