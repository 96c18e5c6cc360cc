"""Claims about the script that proves the mesh by traffic, run by a real shell."""

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from components import verification
from components.verification import VerificationArgs
from spec import config
from stacks.build import build_mesh
from stacks.identity import MeshIdentity
from tests.authorities import Authority
from tests.unit import meshes
from tests.unit.recorder import record

ARGS: VerificationArgs = {
    "cluster": "east",
    "job": "verify-mesh",
    "image": "curl",
    "pull_secrets": (),
    "control_plane": "east",
    "versions": {"v1": "east", "v2": "west"},
    "root": "",
    "fingerprint": "f",
}
ROOT, OTHER = "a1b2", "c3d4"
"""Serial numbers."""


def run(folder: Path, *answers: str, trusted: str = ROOT) -> subprocess.CompletedProcess[str]:
    """Run the script where curl gives these answers in turn, and again and again, and the proxy
    trusts one root."""
    lines = " ".join(f"'Hello version: {a}, instance: helloworld-{a}-0'" for a in answers)
    curl = folder / "curl"
    curl.write_text(
        f"""#!/bin/sh
case "$*" in *:15000/certs*) echo '  "serial_number": "00{trusted}",'; exit ;; esac
n=$(cat {folder}/asked 2>/dev/null || echo 0)
echo $((n + 1)) >{folder}/asked
set -- {lines}
shift $((n % {len(answers)}))
echo "$1"
"""
    )
    curl.chmod(0o755)
    return subprocess.run(
        ["sh", "-c", verification.script(ARGS, [ROOT])],
        env={"PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_it_succeeds_when_every_version_has_answered(tmp_path: Path) -> None:
    done = run(tmp_path, "v1", "v1", "v2")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "cluster east: v1 v2  answered within 3 requests\n"


def test_it_waits_no_longer_than_it_says_and_names_what_was_not_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "_PATIENCE_SECONDS", 1)
    done = run(tmp_path, "v1")
    assert (done.returncode, done.stderr) == (1, "")
    said = done.stdout.splitlines()
    assert said[0].endswith("times in 1 s, and these versions never answered:")
    assert said[1:3] == [
        "  v2, which runs in cluster west",
        "seen: v1  last answer: Hello version: v1, instance: helloworld-v1-0",
    ]
    assert "istioctl --context east remote-clusters" in said[3]


def test_a_proxy_that_trusts_another_root_fails_whatever_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "_PATIENCE_SECONDS", 1)
    done = run(tmp_path, "v1", "v2", trusted=OTHER)
    assert done.returncode == 1
    assert "proxies do not trust the mesh's root, serial number a1b2" in done.stdout


def test_envoy_lists_the_serial_numbers_of_certificates_in_this_form() -> None:
    pem = Authority("a").certificate + Authority("b").certificate
    serials = verification.serial_numbers(pem)
    assert len(serials) == 2
    assert all(re.fullmatch(r"[1-9a-f][0-9a-f]*", s) for s in serials)


def test_another_cluster_under_the_same_name_is_verified_anew() -> None:
    spec = config.parse(meshes.two_networks())

    def fingerprint(uid: str) -> str:
        facts = {n: replace(f, uid=uid) for n, f in meshes.facts(spec).items()}
        job = record(lambda: build_mesh(spec, facts, MeshIdentity.create())).one("Job", "east-job")
        return job.inputs["spec"]["template"]["metadata"]["annotations"]["isthmus/mesh"]

    assert fingerprint("a") == fingerprint("a")
    assert fingerprint("a") != fingerprint("b")


def test_the_end_of_an_old_jobs_pod_does_not_delay_the_next_job() -> None:
    metadata = meshes.recorded(meshes.two_networks()).one("Job", "east-job").inputs["metadata"]
    assert metadata["annotations"]["pulumi.com/deletionPropagationPolicy"] == "background"


def test_what_is_reported_was_observed() -> None:
    reported = list[str]()

    async def run() -> None:
        spec = config.parse(meshes.two_networks())
        outputs = await build_mesh(spec, meshes.facts(spec), MeshIdentity.create())
        reported.append(str(await outputs["verified"].future()))

    record(run)
    assert reported == [
        "helloworld v1, v2 answered from: east, west "
        "(called from east at a time not reported, from west at a time not reported)"
    ]


def test_it_is_done_before_the_job_is_ended() -> None:
    margin = verification._DEADLINE_SECONDS - verification._PATIENCE_SECONDS  # pyright: ignore[reportPrivateUsage]
    assert margin >= 60, "the pod's start is a part of the Job's time"
