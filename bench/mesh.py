"""Figures of the program: `python -m bench.mesh`. Takes three minutes, and a lab of its own."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lab import toolchain
from lab.lab import Lab
from lab.spec import parse
from tests.mesh.live import LiveMesh
from tests.mesh.workspace import Workspace

_DEV = Path(__file__).parents[1] / "Pulumi.dev.yaml"
_CLUSTERS = _DEV.parent / "lab/dev.yaml"


def main() -> None:
    """Print the seconds of each step of stack dev, on two clusters that have been idle."""
    tools = toolchain.ensure(print)
    with (
        tempfile.TemporaryDirectory(prefix="isthmus-bench-") as directory,
        Lab(Path(directory, "lab"), parse(_CLUSTERS.read_text())) as lab,
    ):
        workspace = Workspace(Path(directory, "stack"), tools.bin)
        mesh = LiveMesh(lab, workspace, tools.charts)
        workspace.configure(mesh.placed(mesh.read(_DEV)))
        stack = workspace.stack
        _tell("first preview", stack.preview)
        _tell("up, sample and verification included", stack.up)
        _tell("unchanged preview", lambda: stack.preview(expect_no_changes=True))
        _tell("unchanged up", lambda: stack.up(expect_no_changes=True))
        _tell("refresh", lambda: stack.refresh(expect_no_changes=True))
        size = sum(f.stat().st_size for f in Path(directory).glob("stack/state/**/test.json"))
        print(f"{'state file':<42}{size / 1024:8.0f} KiB")
        _tell("destroy", stack.destroy)


def _tell(what: str, step: Callable[[], object]) -> None:
    started = time.monotonic()
    step()
    print(f"{what:<42}{time.monotonic() - started:8.1f} s", flush=True)


if __name__ == "__main__":
    main()
