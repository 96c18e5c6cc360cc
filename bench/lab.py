"""Figures of the lab: `python -m bench.lab`. Takes about a minute, and labs of its own."""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from lab import imagestore, toolchain
from lab.lab import Lab
from lab.spec import parse

_TWO = "clusters: [{name: east, network: one}, {name: west, network: two}]"
_CONTROL_PLANE = "clusters: [{name: a, network: one, nodes: false}]"
_REST = 10.0  # seconds until an empty cluster is idle


def main() -> None:
    """Print each figure beside its goal."""
    with tempfile.TemporaryDirectory(prefix="isthmus-bench-") as directory:
        images = partial(
            imagestore.prepare, toolchain.ensure(print).images, Path(directory, "images")
        )
        _print("images unpacked, the first time only", _seconds(images), "s", "")
        _control_plane(Lab(Path(directory, "control-plane"), parse(_CONTROL_PLANE)))
        _two_clusters(Lab(Path(directory, "two"), parse(_TWO)))


def _control_plane(lab: Lab) -> None:
    try:
        _print("a control-plane-only cluster, until ready", _seconds(lab.up), "s", "6")
        _print("  its memory", _memory(lab), "MiB", "")
    finally:
        _print("  its end", _seconds(lab.down), "s", "")


def _two_clusters(lab: Lab) -> None:
    try:
        _print("two clusters, until ready", _seconds(partial(lab.up, print)), "s", "25")
        _print("  up again, nothing to do", _seconds(lab.up), "s", "")
        time.sleep(_REST)
        _print("an empty cluster's memory", _memory(lab), "MiB", "700")
    finally:
        _print("two clusters, until nothing is left", _seconds(lab.down), "s", "10")


def _memory(lab: Lab) -> float:
    """The largest of the lab's clusters, in MiB."""
    return max(s.memory for s in lab.status()) / 1024**2


def _seconds(what: Callable[[], object]) -> float:
    started = time.monotonic()
    what()
    return time.monotonic() - started


def _print(what: str, figure: float, unit: str, at_most: str) -> None:
    asked = f"(at most {at_most} {unit})" if at_most else ""
    print(f"{what:45} {figure:8.1f} {unit:4}{asked}", flush=True)


if __name__ == "__main__":
    main()
