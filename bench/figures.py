"""How a benchmark measures, prints and cleans up."""

import os
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from lab import toolchain
from lab.lab import Lab
from lab.live import LiveMesh
from lab.spec import parse
from lab.workspace import Workspace

DEV = Path(__file__).parents[1] / "Pulumi.dev.yaml"


def row(*cells: str) -> None:
    """Print a row of a Markdown table, as the README has it."""
    print(f"| {' | '.join(cells)} |", flush=True)


def seconds(step: Callable[[], object]) -> float:
    """How long a step takes."""
    started = time.monotonic()
    step()
    return time.monotonic() - started


def timed(what: str, step: Callable[[], object]) -> None:
    """Measure a step and print it as a row."""
    row(what, f"{seconds(step):.1f} s")


@contextmanager
def bare_mesh(clusters: Sequence[dict[str, Any]]) -> Generator[LiveMesh]:
    """A lab of these clusters, and a stack that nothing is configured for yet.

    Everything is in the lab's directory, which is deleted with the lab, also after a kill.
    """
    tools = toolchain.ensure(print)
    directory = Path(tempfile.gettempdir(), f"isthmus-bench-{os.getpid()}-{clusters[0]['name']}")
    with Lab(directory, parse(yaml.safe_dump({"clusters": list(clusters)}))) as lab:
        yield LiveMesh(lab, Workspace(lab.directory / "stack", tools.bin), tools.charts)


def dev_clusters() -> list[dict[str, Any]]:
    """The clusters of stack dev, as a lab has them."""
    return yaml.safe_load((DEV.parent / "lab/dev.yaml").read_text())["clusters"]


def state_size(mesh: LiveMesh) -> float:
    """Size of the stack's state in MB."""
    (file,) = (mesh.workspace.folder / "state").glob(".pulumi/stacks/**/test.json")
    return file.stat().st_size / 1e6
