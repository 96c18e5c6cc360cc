"""The workflows and scripts of .github, which run elsewhere, as far as they can be checked here."""

import datetime as dt
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import toolchain
from lab.stand_ins.install import VERSIONS
from lab.toolchain.tools import PULUMI

_ROOT = Path(__file__).parents[2]
_GITHUB = _ROOT / ".github"
_SCRIPTS = [*sorted(_GITHUB.rglob("*.sh")), _ROOT / "lab" / "policy-pack"]
_WORKFLOWS = sorted((_GITHUB / "workflows").glob("*.yaml"))
_RELEASES = {"build": {"attestations"}, "publish": {"contents"}}
_USES = re.compile(r"^\s*(?:- )?uses: (\S+)(?: # (v\S+))?$", re.MULTILINE)


def check(*command: str | Path) -> None:
    """Run a linter of the toolchain or of this Python's environment; it must have no complaint."""
    path = [str(toolchain.ensure().bin), str(Path(sys.executable).parent), os.environ["PATH"]]
    done = subprocess.run(
        command,
        cwd=_ROOT,
        env={**os.environ, "PATH": ":".join(path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def read(workflow: Path) -> dict[str, Any]:
    return yaml.safe_load(workflow.read_text())


def test_actionlint_finds_nothing() -> None:
    check("actionlint", "-no-color", *_WORKFLOWS)


def test_a_wrong_workflow_is_found(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n"
        "      - run: echo $UNQUOTED ${{ github.even.name }}\n"
    )
    with pytest.raises(AssertionError) as complaint:
        check("actionlint", "-no-color", wrong)
    assert 'property "even" is not defined' in str(complaint.value)
    assert "SC2086" in str(complaint.value), "shellcheck reads what the workflows run"


def test_zizmor_finds_nothing() -> None:
    check("zizmor", "--offline", "--no-progress", "--color=never", _GITHUB)


def test_shellcheck_finds_nothing() -> None:
    check("shellcheck", *_SCRIPTS)


@pytest.mark.parametrize("file", sorted(_GITHUB.rglob("*.yaml")), ids=lambda f: f.name)
def test_actions_are_pinned_to_a_commit_and_say_its_version(file: Path) -> None:
    for action, version in _USES.findall(file.read_text()):
        if not action.startswith("./"):
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), action
            assert version, action


def test_one_commit_per_action() -> None:
    found = dict[str, set[str]]()
    for file in _GITHUB.rglob("*.yaml"):
        for action, version in _USES.findall(file.read_text()):
            name, _, commit = action.partition("@")
            found.setdefault(name, set()).add(f"{commit} {version}")
    assert all(len(pins) == 1 for pins in found.values()), found


@pytest.mark.parametrize("workflow", _WORKFLOWS, ids=lambda f: f.name)
def test_jobs_have_the_permissions_that_they_name_and_no_other(workflow: Path) -> None:
    assert read(workflow)["permissions"] == {}
    for name, job in read(workflow)["jobs"].items():
        assert "permissions" in job, name
        writes = {k for k, v in job["permissions"].items() if v == "write"}
        assert writes <= {"id-token", "issues", "pull-requests", *_RELEASES.get(name, ())}, name


def test_what_writes_to_the_repository_runs_none_of_its_code() -> None:
    publish = read(_GITHUB / "workflows" / "release.yaml")["jobs"]["publish"]
    assert [step.get("uses", step.get("run", "")).split()[0] for step in publish["steps"]] == [
        "actions/download-artifact@37930b1c2abaa49bbe596cd826c3c89aef350131",
        "gh",
    ]


def test_the_version_of_the_package_has_its_section_in_the_changelog() -> None:
    version = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]["version"]
    newest = re.search(
        r"^## \[(.+?)\]( - .+)?$", (_ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert newest
    assert newest[1] == version


def test_the_notes_of_a_release_are_its_section_of_the_changelog(tmp_path: Path) -> None:
    """The step of release.yaml, with a wheel and a changelog of the test's."""
    (script,) = (
        step["run"]
        for step in read(_GITHUB / "workflows" / "release.yaml")["jobs"]["build"]["steps"]
        if "CHANGELOG" in step.get("run", "")
    )
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "isthmus-1.2.0-py3-none-any.whl").touch()
    released = (
        "# Changelog\n\n## [1.2.0] - 2026-12-01\n\n- new\n\n## [1.1.0] - 2026-11-01\n\n- old\n"
    )
    unreleased = released.replace("2026-12-01", "Unreleased")

    def run(changelog: str) -> int:
        (tmp_path / "CHANGELOG.md").write_text(changelog)
        tag = {**os.environ, "GITHUB_REF_NAME": "v1.2.0"}
        command = ["bash", "-e", "-c", script]
        return subprocess.run(command, cwd=tmp_path, env=tag, timeout=30, check=False).returncode

    assert run(released) == 0
    assert (tmp_path / "dist" / "notes.md").read_text().strip() == "- new"
    assert run(unreleased) != 0


def test_what_ends_within_sixty_days_becomes_an_issue_and_nothing_else_does(
    tmp_path: Path,
) -> None:
    """The step of ends.yaml, with an output and a `gh` of the test's."""
    (script,) = (
        step["run"]
        for step in read(_GITHUB / "workflows" / "ends.yaml")["jobs"]["ends"]["steps"]
        if "run" in step
    )

    def day(days: int) -> str:
        return (dt.datetime.now(dt.UTC) + dt.timedelta(days=days)).date().isoformat()

    def run(*ends: int, is_open: bool = False) -> str:
        listed = json.dumps([{"on": day(d), "what": f"CA {d}"} for d in ends])
        answer = "7" if is_open else ""
        for name, said in (
            ("pulumi", f"echo '{listed}'"),
            ("gh", f'[ "$2" = list ] && echo "{answer}" && exit; echo "$@" >> said'),
        ):
            (tmp_path / name).write_text(f"#!/bin/bash\n{said}\n")
            (tmp_path / name).chmod(0o755)
        (tmp_path / "said").write_text("")
        environment = {
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "STACK": "prod",
            "TITLE": "Ends soon in stack prod",
        }
        command = ["bash", "-e", "-c", script]
        subprocess.run(command, cwd=tmp_path, env=environment, timeout=30, check=True)
        return (tmp_path / "said").read_text()

    assert run(61, 400) == ""
    opened = run(-1, 59, 61)
    assert opened.startswith("issue create --title Ends soon in stack prod")
    assert f"- {day(-1)}: CA -1\n- {day(59)}: CA 59\n" in opened
    assert "CA 61" not in opened
    assert run(59, is_open=True).startswith("issue edit 7 --body - ")


@pytest.mark.parametrize("name", ["preview.yaml", "drift.yaml", "ends.yaml"])
def test_every_stack_of_the_matrix_has_a_file_and_levels(name: str) -> None:
    (job,) = read(_GITHUB / "workflows" / name)["jobs"].values()
    stacks = job["strategy"]["matrix"]["stack"]
    assert stacks == ["staging", "prod"]
    for stack in stacks:
        assert (_ROOT / f"Pulumi.{stack}.yaml").is_file()
        assert (_ROOT / "policy" / "levels" / f"{stack}.json").is_file()


def test_previews_run_in_an_environment_and_are_judged_by_the_base_branch() -> None:
    """A pull request's own code could decrypt prod's state, and relax the policies."""
    job = read(_GITHUB / "workflows" / "preview.yaml")["jobs"]["preview"]
    assert job["environment"] == "preview-${{ matrix.stack }}"
    own, base, prepare, preview, report = job["steps"]
    assert "ref" not in own["with"]
    assert base["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"
    assert base["with"]["path"] == "base"
    assert prepare["uses"] == "./base/.github/actions/stack"
    assert prepare["with"]["policy"] == preview["with"]["policyPacks"] == "base/policy"
    assert preview["with"]["policyPackConfigs"].startswith("base/policy/levels/")
    assert report["uses"] == "./base/.github/actions/report"


@pytest.mark.parametrize(("status", "attached"), [(0, True), (1, True), (2, False)])
def test_a_report_is_attached_whenever_the_checks_could_run(
    status: int, attached: bool, tmp_path: Path
) -> None:
    """A broken mesh (status 1) is no reason to fail a job that compares programs."""
    checks, upload = read(_GITHUB / "actions" / "report" / "action.yaml")["runs"]["steps"]
    assert upload["with"]["path"] == "mesh.html"
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$@"\nexit {status}\n')
    python.chmod(0o755)
    command = ["bash", "-e", "-o", "pipefail", "-c", checks["run"]]
    environment = {**os.environ, "STACK": "prod"}
    subprocess.run(command, cwd=tmp_path, env=environment, timeout=30, check=True)
    assert (tmp_path / "mesh.html").exists() == attached


def test_prod_comes_after_staging() -> None:
    jobs = read(_GITHUB / "workflows" / "up.yaml")["jobs"]
    assert jobs["prod"]["needs"] == "staging"
    assert [job["with"]["stack"] for job in jobs.values()] == ["staging", "prod"]


def test_versions_are_those_of_the_lock() -> None:
    cli = f"pulumi-version: {PULUMI.removeprefix('v')}"
    for workflow in _WORKFLOWS:
        text = workflow.read_text()
        assert text.count("pulumi-version:") == text.count(cli), workflow.name
    script = (_GITHUB / "kind" / "test.sh").read_text()
    for plugin, version in VERSIONS.items():
        assert f"{plugin.upper()}_PLUGIN={version}" in script
