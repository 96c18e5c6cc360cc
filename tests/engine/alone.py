"""A mesh of one cluster that has no nodes, so that its istiod is never ready."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab import toolchain
from lab.lab import Lab
from lab.live import LiveMesh
from lab.spec import parse
from lab.workspace import Workspace


def mesh_of(kubeconfig: Path, **istio: Any) -> dict[str, Any]:
    """The configuration of a mesh of the cluster `one` alone."""
    istio = {"version": "1.31.0", "charts": str(toolchain.ensure().charts), **istio}
    one = {"name": "one", "network": "net", "kubeconfig": str(kubeconfig), "context": "one"}
    return {"mesh": {"istio": istio}, "clusters": [one]}


@contextmanager
def alone(folder: Path) -> Generator[LiveMesh]:
    """The cluster, and a stack that nothing is configured for yet."""
    tools = toolchain.ensure()
    with Lab(folder / "lab", parse("clusters: [{name: one, network: net, nodes: false}]")) as lab:
        yield LiveMesh(lab, Workspace(folder / "stack", tools.bin), tools.charts)
