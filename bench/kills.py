"""What is left of operations that are killed again and again: `python -m bench.kills`.

It has a lab of its own, of the clusters of stack dev, and takes about 20 minutes. Each command is
killed (SIGKILL, with its plugins and Helm) after a few changes, and started again until it ends by
itself.
"""

import re
from collections.abc import Callable
from typing import Any, Literal

from bench.figures import DEV, bare_mesh, dev_clusters, row
from lab import life
from lab.live import LiveMesh, until

_CHANGED = re.compile(r" (created|updated|deleted|replaced)( replacement| original)? \(")
_MOST = 60
"""Commands until an operation counts as stuck."""


def main() -> None:
    """Print each operation, how often it was killed, and what was seen afterwards."""
    with bare_mesh(dev_clusters()) as mesh:
        before = mesh.snapshot()
        given = mesh.placed(mesh.read(DEV))
        row("operation", "killed after", "kills", "changes", "afterwards")
        row(*["---"] * 5)
        _update(mesh, "build the mesh", given, every=4)
        for step in life.root_steps(given, "root", "next"):
            _update(mesh, step.name, step.configured, every=1)
            until(f"{step.name}: the mesh to follow", step.followed, seconds=420)
            given = step.configured
        step = life.token_step(mesh, given, given["clusters"][-1]["name"], 2)
        _update(mesh, step.name, step.configured, every=1)
        kills, changes = _until_done(mesh, "destroy", every=4)
        left = [x for n, found in mesh.snapshot().items() for x in found - before[n]]
        _print("destroy the mesh", 4, kills, changes, f"left: {left or 'nothing'}")


def _update(mesh: LiveMesh, what: str, configured: dict[str, Any], every: int) -> None:
    """Update, with kills, to a configuration. What it leaves must be whole.

    Raises:
        CommandError: a preview or a refresh shows a change.
        FailedCommandError: a check fails.
    """
    mesh.workspace.configure(configured)
    kills, changes = _until_done(mesh, "up", every)
    mesh.workspace.stack.preview(expect_no_changes=True)
    mesh.workspace.stack.refresh(expect_no_changes=True, suppress_progress=True)
    mesh.checked()
    _print(what, every, kills, changes, "preview and refresh show no change, all checks pass")


def _print(what: str, every: int, kills: int, changes: int, after: str) -> None:
    row(what, f"{every} change{'s' * (every > 1)}", f"{kills}", f"{changes}", after)


def _until_done(mesh: LiveMesh, command: Literal["up", "destroy"], every: int) -> tuple[int, int]:
    """Run a command until it is not killed any more; return kills and changes."""
    changes = 0

    def counted(limit: int) -> Callable[[str], bool]:
        seen = 0

        def now(line: str) -> bool:
            nonlocal seen, changes
            if _CHANGED.search(line):
                seen, changes = seen + 1, changes + 1
            return seen == limit

        return now

    for kills in range(_MOST):
        if not mesh.workspace.killed(command, counted(every)):
            return kills, changes
    raise AssertionError(f"{command} was killed {_MOST} times and has not ended")


if __name__ == "__main__":
    main()
