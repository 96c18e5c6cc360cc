"""Figures of stack dev: `python -m bench mesh`. Takes three minutes on an idle machine."""

from bench.figures import DEV, bare_mesh, dev_clusters, row, state_size, timed


def main() -> None:
    """Print the seconds of each step, on two clusters that have been idle."""
    with bare_mesh(dev_clusters()) as mesh:
        mesh.workspace.configure(mesh.placed(mesh.read(DEV)))
        stack = mesh.workspace.stack
        row("step of stack dev", "")
        row("---", "---")
        timed("first preview", stack.preview)
        timed("`pulumi up`, with sample and verification", stack.up)
        timed("unchanged preview", lambda: stack.preview(expect_no_changes=True))
        timed("unchanged `pulumi up`", lambda: stack.up(expect_no_changes=True))
        timed("`python -m checks`", mesh.checked)
        timed("refresh", lambda: stack.refresh(expect_no_changes=True))
        row("state", f"{state_size(mesh):.1f} MB")
        timed("`pulumi destroy`", stack.destroy)
