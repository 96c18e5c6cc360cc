"""What each further cluster costs: `python -m bench curve`.

A primary and up to seven remotes, each on its own network, then twenty clusters without nodes, of
which there is a preview only. Takes twelve minutes on an idle machine, and 12 GiB of memory.
"""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import psutil

from bench.figures import DEV, bare_mesh, row, seconds, state_size
from lab.live import LiveMesh

_LARGEST = 8
_AT_ONCE = 4
_WITHOUT_NODES = 20


def main() -> None:
    """Print a row for each number of clusters, then what is measured with all of them."""
    with bare_mesh(_clusters(_LARGEST)) as mesh:
        row("clusters", "the last one added", "unchanged preview", "state", "memory of the preview")
        row(*["---"] * 5)
        one = [_grow(mesh, number) for number in range(1, _LARGEST + 1)]
        row(f"with {_LARGEST} clusters", "")
        row("---", "---")
        row("`python -m checks`", f"{seconds(mesh.checked):.1f} s")
        mesh.up(_configuration(mesh, _LARGEST - _AT_ONCE))
        four = seconds(lambda: mesh.up(_configuration(mesh, _LARGEST)))
        row(f"{_AT_ONCE} remotes added at once", f"{four:.1f} s")
        row(f"{_AT_ONCE} at once / the last one", f"{four / one[-1]:.2f}")
        removed = seconds(mesh.workspace.stack.destroy)
        row("`pulumi destroy`", f"{removed:.1f} s")
    _preview_without_nodes()


def _preview_without_nodes() -> None:
    """Clusters without nodes have no pods, so an update would wait for istiod."""
    clusters = [{**c, "nodes": False} for c in _clusters(_WITHOUT_NODES)]
    with ExitStack() as running:
        meshes = [
            running.enter_context(bare_mesh(clusters[i : i + _LARGEST]))
            for i in range(0, _WITHOUT_NODES, _LARGEST)  # no lab has more
        ]
        first = meshes[0]
        configuration = _configuration(first, _WITHOUT_NODES)
        for i, cluster in enumerate(configuration["clusters"]):
            cluster["kubeconfig"] = str(meshes[i // _LARGEST].lab.kubeconfig)
        first.workspace.configure(configuration)
        took, memory = _with_memory(first.workspace.stack.preview)
        row(f"first preview of {_WITHOUT_NODES} clusters without nodes", f"{took:.1f} s")
        row("its memory", f"{memory:.0f} MiB")


def _grow(mesh: LiveMesh, number: int) -> float:
    added = seconds(lambda: mesh.up(_configuration(mesh, number)))
    stack = mesh.workspace.stack
    took, memory = _with_memory(lambda: stack.preview(expect_no_changes=True))
    row(
        str(number),
        f"{added:.1f} s",
        f"{took:.1f} s",
        f"{state_size(mesh):.2f} MB",
        f"{memory:.0f} MiB",
    )
    return added


def _clusters(number: int) -> list[dict[str, Any]]:
    return [{"name": f"c{i}", "network": f"net{i}"} for i in range(1, number + 1)]


def _configuration(mesh: LiveMesh, number: int) -> dict[str, Any]:
    """Stack dev's mesh with this many clusters."""
    configuration = mesh.read(DEV)
    configuration["clusters"] = [
        {**c, "context": c["name"], **({"primary": "c1"} if i else {})}
        for i, c in enumerate(_clusters(number))
    ]
    return mesh.placed(configuration)


def _with_memory(step: Callable[[], object]) -> tuple[float, float]:
    """Seconds of a step, and the most memory in MiB that Pulumi, the program and its plugins have
    in it. Pages that they share count once."""
    ended, most = threading.Event(), [0]

    def watch() -> None:
        while not ended.wait(0.2):
            most[0] = max(most[0], _memory_of_pulumi())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        return seconds(step), most[0] / 1024**2
    finally:
        ended.set()
        watcher.join()


def _memory_of_pulumi() -> int:
    total = 0
    for child in psutil.Process().children():
        try:
            if child.name() == "pulumi":
                family = (child, *child.children(recursive=True))
                total += sum(p.memory_full_info().pss for p in family)
        except psutil.Error:
            continue  # it has just ended
    return total
