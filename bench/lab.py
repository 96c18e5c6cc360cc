"""Figures of the lab: `python -m bench lab`. Takes about a minute."""

import tempfile
import time
from functools import partial
from pathlib import Path

from bench.figures import row, seconds, timed
from lab import imagestore, toolchain
from lab.lab import Lab
from lab.spec import parse

_TWO = "clusters: [{name: east, network: one}, {name: west, network: two}]"
_CONTROL_PLANE = "clusters: [{name: a, network: one, nodes: false}]"
_REST = 10.0  # seconds until an empty cluster is idle


def main() -> None:
    """Print what clusters cost before there is a mesh."""
    row("the lab", "")
    row("---", "---")
    with tempfile.TemporaryDirectory(prefix="isthmus-bench-") as directory:
        images = partial(
            imagestore.prepare, toolchain.ensure(print).images, Path(directory, "images")
        )
        timed("images unpacked, the first time only", images)
        for what, spec in (("a cluster without nodes", _CONTROL_PLANE), ("two clusters", _TWO)):
            _measure(what, Path(directory, "lab"), spec)


def _measure(what: str, directory: Path, spec: str) -> None:
    started = time.monotonic()
    with Lab(directory, parse(spec)) as lab:
        row(f"{what} until ready", f"{time.monotonic() - started:.1f} s")
        timed(f"{what}, up again", lab.up)
        time.sleep(_REST)
        largest = max(s.memory for s in lab.status())
        row(f"{what}: memory of one", f"{largest / 1024**2:.0f} MiB")
        # The end of the context finds nothing to do.
        row(f"{what} removed", f"{seconds(lab.down):.1f} s")
