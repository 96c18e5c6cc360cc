"""The lab's command line, as a person types it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import toolchain
from lab.lab import Lab
from lab.spec import parse
from tests.lab.observe import supervisor, within

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces as root")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    # A blank in the name, for the sake of all commands that are put together.
    directory = tmp_path_factory.mktemp("lab") / "my lab"
    with Lab(directory, parse("clusters: [{name: a, network: n, nodes: false}]")) as lab:
        yield lab


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lab", "--dir", str(directory), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_up_of_a_running_lab_counts_its_steps(lab: Lab, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("clusters: [{name: a, network: n, nodes: false}]")
    done = run(lab.directory, "up", "--spec", str(spec))
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["[", "[", "[", "lab"]
    assert done.stdout.splitlines()[2].endswith(" s] a: controllers running")
    assert str(lab.kubeconfig) in done.stdout


def test_status_is_for_people_and_for_programs(lab: Lab) -> None:
    done = run(lab.directory, "status")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    (row,) = done.stdout.splitlines()[1:]
    assert row.split()[:3] == ["a", "n", f"{lab.plan.clusters[0].node}:6443"]
    (status,) = json.loads(run(lab.directory, "status", "--json").stdout)
    assert status["programs"]["kube-apiserver"] == "RUNNING"
    assert status["pods"] == str(lab.plan.clusters[0].pods)


def test_commands_run_on_the_node(lab: Lab) -> None:
    shown = run(lab.directory, "exec", "a", "ip", "-4", "-br", "address", "show", "eth0").stdout
    assert f" {lab.plan.clusters[0].node}/24" in shown
    config = run(lab.directory, "exec", "a", "sh", "-c", "cat $KUBECONFIG").stdout
    assert lab.clusters[0].server in config
    assert run(lab.directory, "exec", "a", "--", "sh", "-c", "exit 3").returncode == 3


def test_logs_are_shown_of_one_program_or_of_all(lab: Lab) -> None:
    one = run(lab.directory, "logs", "a", "etcd", "-n", "1").stdout
    assert len(one.splitlines()) == 1
    assert run(lab.directory, "logs", "a").stdout.count("==>") >= 5
    done = run(lab.directory, "logs", "a", "kubelet")
    assert done.returncode == 1
    assert done.stderr.startswith("error: a: no log of 'kubelet'; there are logs of: boot, etcd")


def test_env_makes_a_shell_talk_to_the_lab(lab: Lab) -> None:
    done = run(lab.directory, "env")
    script = f'{done.stdout}echo "$KUBECONFIG"; echo "$PULUMI_BACKEND_URL"; command -v pulumi'
    kubeconfig, backend, pulumi = subprocess.run(
        ["bash", "-euc", script], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert kubeconfig == run(lab.directory, "kubeconfig").stdout.strip() == str(lab.kubeconfig)
    assert backend == f"file://{lab.directory}/state?metadata=skip"
    assert Path(pulumi).parent == toolchain.ensure().bin
    assert "plugin kubernetes 4." in done.stderr
    assert run(lab.directory, "env").stdout == done.stdout


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["status"], "error: there is no lab in {}; create one with `python -m lab up`\n"),
        (["exec", "a", "true"], "error: there is no lab in {}; create one with"),
        (["env"], "error: there is no lab in {}; create one with"),
    ],
)
def test_a_missing_lab_is_reported_in_a_sentence(
    arguments: list[str], error: str, tmp_path: Path
) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith(error.format(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_cluster_is_answered_with_the_known_ones(lab: Lab) -> None:
    done = run(lab.directory, "exec", "b", "true")
    assert done.stderr == "error: there is no cluster 'b' in this lab; its clusters are: a\n"


def test_a_description_with_mistakes_is_refused_line_by_line(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("clusters: [{name: A, network: n}, {network: n}]")
    done = run(tmp_path / "lab", "up", "--spec", str(spec))
    assert done.returncode == 1
    assert [line.split(": ")[:3] for line in done.stderr.splitlines()] == [
        ["error", str(spec), "clusters[0].name"],
        ["error", str(spec), "clusters[1].name"],
    ]


def test_preflight_says_whether_the_machine_can_run_the_clusters(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("clusters: [{name: a, network: n, nodes: false}]")
    done = run(tmp_path / "lab", "preflight", "--spec", str(spec))
    assert (done.returncode, done.stdout) == (0, "preflight: this machine has what the lab needs\n")
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "letter.txt").touch()
    done = run(tmp_path / "lab", "preflight", "--spec", str(spec))
    assert done.returncode == 1
    assert "not a lab's directory" in done.stderr


def test_status_reports_a_cluster_that_was_killed(lab: Lab) -> None:
    supervisor(lab, "a").kill()
    within(10, lambda: not lab.cluster("a").running())
    done = run(lab.directory, "status")
    assert done.returncode == 1
    assert "no answer" in done.stdout
    assert run(lab.directory, "exec", "a", "true").stderr == (
        "error: a: is not running; start it with `python -m lab up`\n"
    )
