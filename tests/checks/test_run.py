"""Claims about the checks as a whole, and their command line."""

import http.server
import json
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from checks.__main__ import main
from checks.model import Finding, Status, ok
from checks.picture import draw
from checks.run import CHECKS, run
from checks.view import Mesh, View
from spec.description import Description, spec_for_output
from tests.checks import fake


@pytest.fixture
def nobody() -> Description:
    """A mesh whose API servers do not listen."""
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


def test_a_flaw_in_one_check_is_reported_as_such_and_the_others_continue(
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
    ("writes", "expected"),
    [
        ("echo 'error: no stack named dev' >&2; exit 255", "no stack named dev; is it the right"),
        ('echo \'{"spec": {"kubeconfig": "s3cret"}}\'', "written by another version"),
    ],
)
def test_a_stack_without_a_description_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, writes: str, expected: str
) -> None:
    pulumi = tmp_path / "pulumi"
    pulumi.write_text(f"#!/bin/sh\n{writes}\n")
    pulumi.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = CliRunner().invoke(main, ["--stack", "dev"])
    assert result.exit_code == 2
    assert expected in result.output
    assert "s3cret" not in result.output


def test_a_picture_of_another_kind_is_refused_before_any_cluster_is_queried() -> None:
    result = CliRunner().invoke(main, ["--picture", "mesh.png"])
    assert result.exit_code == 2
    assert "must end in .svg or .mmd" in result.output


_READABLE = ("/version", "/api/v1/namespaces/istio-system")


class _OnlyVersion(http.server.BaseHTTPRequestHandler):
    """Knows the caller, and lets it read next to nothing."""

    def do_GET(self) -> None:  # the name of the base class
        self._answer(200 if self.path in _READABLE else 403)

    def do_POST(self) -> None:  # the name of the base class
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(403)

    do_DELETE = do_POST

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b'{"gitVersion": "v1.34.4", "message": "forbidden"}')

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def readers(tmp_path: Path) -> Iterator[Path]:
    """A kubeconfig with a context for each cluster, for an account that may do nothing."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _OnlyVersion)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    file = tmp_path / "readers"
    clusters = ("east", "west")
    file.write_text(
        yaml.safe_dump(
            {
                "clusters": [{"name": c, "cluster": {"server": url}} for c in clusters],
                "users": [{"name": "reader", "user": {"token": "abc"}}],
                "contexts": [
                    {"name": c, "context": {"cluster": c, "user": "reader"}} for c in clusters
                ],
                "current-context": "east",
            }
        )
    )
    yield file
    server.shutdown()
    server.server_close()


@pytest.fixture
def described(tmp_path: Path) -> Path:
    """A file of the output `checks`."""
    described = fake.mesh().description
    output = {f.name: getattr(described, f.name) for f in fields(Description)}
    del output["kubeconfigs"]
    file = tmp_path / "mesh.json"
    file.write_text(json.dumps({**output, "spec": spec_for_output(described.spec)}))
    return file


def test_an_account_of_the_user_skips_what_it_cannot_read_and_reads_no_stack(
    readers: Path, described: Path
) -> None:
    arguments = ["--kubeconfig", str(readers), "--description", str(described), "--output", "json"]
    done = CliRunner().invoke(main, arguments, env={"PATH": ""})
    results = {r["check"]: r for r in json.loads(done.stdout)["results"]}
    assert results["cluster-answers"]["status"] == "ok"
    assert results["remote-secret"]["status"] == "skipped"
    assert "this account lacks a permission" in results["remote-secret"]["evidence"]
    # The one finding is of something that was read: the namespace here has no label.
    assert {c for c, r in results.items() if r["status"] == "failed"} == {"same-network"}


def test_the_page_is_all_that_is_written_to_the_output(readers: Path, described: Path) -> None:
    arguments = ["--kubeconfig", str(readers), "--description", str(described), "--output", "html"]
    done = CliRunner().invoke(main, arguments, env={"PATH": ""})
    assert done.exit_code == 1, "a check failed"
    assert done.stdout.startswith("<!doctype html>")
    assert done.stdout.endswith("</html>\n")


@pytest.mark.parametrize(("option", "status"), [(["--skip-forbidden"], "skipped"), ([], "failed")])
def test_the_stacks_account_fails_for_what_it_cannot_read_unless_that_is_skipped(
    option: list[str],
    status: str,
    readers: Path,
    described: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kubeconfig = readers.read_text()
    mesh = {
        **json.loads(described.read_text()),
        "kubeconfigs": {c.name: kubeconfig for c in fake.mesh().spec.clusters},
    }
    (tmp_path / "outputs.json").write_text(json.dumps(mesh))
    pulumi = tmp_path / "pulumi"
    pulumi.write_text(f"#!/bin/sh\nexec /bin/cat {tmp_path}/outputs.json\n")
    pulumi.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    done = CliRunner().invoke(main, [*option, "--output", "json"])
    results = {(r["check"], r["cluster"]): r for r in json.loads(done.stdout)["results"]}
    assert results["remote-secret", "east"]["status"] == status


def test_the_readers_account_reads_no_secret_and_changes_nothing() -> None:
    role, _ = yaml.safe_load_all(Path("docs/checks-reader.yaml").read_text())
    assert {v for rule in role["rules"] for v in rule["verbs"]} == {"get", "list"}
    assert not {"secrets", "*"} & {r for rule in role["rules"][:-1] for r in rule["resources"]}
