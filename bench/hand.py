"""The update against the documented procedure by hand: `python -m bench hand`.

Both run in turn on the same two clusters, so that both see the same machine. Takes eight minutes on
an idle one.
"""

import statistics
from collections.abc import Callable, Mapping

from bench import procedure
from bench.figures import DEV, bare_mesh, dev_clusters, row, seconds
from lab.live import LiveMesh

_ROUNDS = 3


def main() -> None:
    """Print every round, then the medians and their ratios."""
    with bare_mesh(dev_clusters()) as mesh:
        mesh.workspace.configure(mesh.placed(mesh.read(DEV)))
        steps = _steps(mesh)
        row(f"{_ROUNDS} rounds", *steps)
        row(*["---"] * (1 + len(steps)))
        rounds = [_round(i, steps) for i in range(1, _ROUNDS + 1)]
        by_hand, removed, up, destroy = (
            statistics.median(times) for times in zip(*rounds, strict=True)
        )
        row("median", *(f"{x:.1f} s" for x in (by_hand, removed, up, destroy)))
        row("ratio to by hand", "1", "1", f"{up / by_hand:.2f}", f"{destroy / removed:.2f}")


def _steps(mesh: LiveMesh) -> Mapping[str, Callable[[], object]]:
    stack = mesh.workspace.stack
    return {
        "by hand": lambda: procedure.install(mesh),
        "removed by hand": lambda: procedure.remove(mesh),
        "`pulumi up`": stack.up,
        "`pulumi destroy`": stack.destroy,
    }


def _round(number: int, steps: Mapping[str, Callable[[], object]]) -> list[float]:
    times = [seconds(step) for step in steps.values()]
    row(str(number), *(f"{x:.1f} s" for x in times))
    return times
