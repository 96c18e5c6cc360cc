"""Labs of tests go with the test, or, where the test run was killed, with the next run."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lab.lab import Lab
from lab.machine import running_labs


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """Where a test may make a lab and do with it what it likes."""
    yield tmp_path / "lab"
    Lab(tmp_path / "lab").down()


@pytest.fixture(scope="session", autouse=True)
def abandoned_labs() -> None:
    """Take down the labs of test runs that were killed."""
    if os.geteuid() == 0:
        for lab in running_labs():
            run = re.match(r"(.*/pytest-of-\w+/pytest-\d+)/", str(lab))
            if run and not _runs(Path(run[1])):
                Lab(lab).down()


def _runs(directory: Path) -> bool:
    """Whether the test run with this base directory is still going on."""
    with contextlib.suppress(FileNotFoundError):
        return psutil.pid_exists(int((directory / ".lock").read_text()))
    return False
