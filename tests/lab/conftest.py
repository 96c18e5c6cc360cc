"""Where labs of tests are."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.lab import Lab


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A directory in which a test can create a lab and do with it what it likes."""
    yield tmp_path / "lab"
    Lab(tmp_path / "lab").down()
