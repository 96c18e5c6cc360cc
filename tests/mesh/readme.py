"""The commands of the README, run on a mesh that is up."""

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests import documents
from tests.mesh.live import LiveMesh

_LEFT_OUT = {
    "make test": "it is what runs this",
    "make down": "the lab serves other tests",
}


def script() -> str:
    """All commands of the section that says how to try Isthmus, with `set -x` as the log."""
    lines = [
        line.strip()
        for block in documents.indented(documents.ROOT / "README.md")
        for line in block.splitlines()
    ]
    kept = [line for line in lines if not line.startswith(tuple(_LEFT_OUT))]
    return "\n".join(["set -euxo pipefail", *kept])


def run(mesh: LiveMesh) -> None:
    """Run them as a user does in a checkout whose lab and stack are those of the mesh.

    `make up` then finds both as they must be; `make destroy` is the last command.
    """
    with _checkout(mesh) as folder:
        done = subprocess.run(
            ["bash", "-c", script()],
            cwd=folder,
            env={**os.environ, "STACK": mesh.workspace.name},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert (folder / "mesh.svg").read_text().startswith("<svg")


@contextmanager
def _checkout(mesh: LiveMesh) -> Generator[Path]:
    """The folder of the stack, with everything else that a checkout and a lab's folder have."""
    folder = mesh.workspace.folder
    for path in documents.ROOT.iterdir():
        if not (path.name in (".git", ".lab") or (folder / path.name).exists()):
            (folder / path.name).symlink_to(path)
    (folder / ".lab").symlink_to(mesh.lab.directory)
    links = {
        mesh.lab.directory / "pulumi": mesh.workspace.home,
        mesh.lab.directory / "state": folder / "state",
    }
    for link, target in links.items():
        link.symlink_to(target)
    try:
        yield folder
    finally:
        for link in links:
            link.unlink()
