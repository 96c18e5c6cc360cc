"""The documents' commands as a user types them, in the folder of a mesh's stack."""

import subprocess

from lab.live import LiveMesh
from tests.documents import ROOT


def run(mesh: LiveMesh, script: str) -> str:
    """Run a script until a command fails, and return what it prints.

    Where a user would look at a preview and confirm it, the script goes on without one.
    """
    documents = mesh.workspace.folder / "docs"
    if not documents.exists():
        documents.symlink_to(ROOT / "docs")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=mesh.workspace.folder,
        env={
            **mesh.environment,
            "PULUMI_OPTION_SKIP_PREVIEW": "true",
            "PYTHONPATH": str(ROOT),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
