"""Claims about the script that proves the mesh by traffic, run by a real shell."""

import os
import subprocess
from pathlib import Path

import pytest

from components import verification
from components.verification import VerificationArgs

ARGS: VerificationArgs = {
    "cluster": "east",
    "job": "verify-mesh",
    "control_plane": "east",
    "versions": {"v1": "east", "v2": "west"},
    "fingerprint": "f",
}


def run(folder: Path, *answers: str) -> subprocess.CompletedProcess[str]:
    """Run the script where curl gives these answers in turn, and again and again."""
    lines = " ".join(f"'Hello version: {a}, instance: helloworld-{a}-0'" for a in answers)
    curl = folder / "curl"
    curl.write_text(
        f"""#!/bin/sh
n=$(cat {folder}/asked 2>/dev/null || echo 0)
echo $((n + 1)) >{folder}/asked
set -- {lines}
shift $((n % {len(answers)}))
echo "$1"
"""
    )
    curl.chmod(0o755)
    return subprocess.run(
        ["sh", "-c", verification.script(ARGS)],
        env={"PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_it_ends_well_when_every_version_has_answered(tmp_path: Path) -> None:
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


def test_it_is_done_before_the_job_is_ended() -> None:
    margin = verification._DEADLINE_SECONDS - verification._PATIENCE_SECONDS  # pyright: ignore[reportPrivateUsage]
    assert margin >= 60, "the pod's start is a part of the Job's time"
