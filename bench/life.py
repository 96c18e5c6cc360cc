"""What changes in the life of a mesh cost in requests: `python -m bench.life`.

It has a lab of its own, of the clusters of stack dev, and prints the figures of docs/life.md.
"""

from typing import Any

import yaml

from bench.figures import DEV, bare_mesh, dev_clusters
from lab import former_istio, life, toolchain
from lab.live import LiveMesh
from lab.load import Load


def main() -> None:
    """Print each operation: the edit, what the preview says, and the requests."""
    with bare_mesh(dev_clusters()) as mesh:
        given = mesh.placed(mesh.read(DEV))
        _upgrade(mesh, given)
        mesh.up(given)
        run(mesh, given, "root", "next")
        mesh.workspace.stack.destroy()


def _upgrade(mesh: LiveMesh, given: dict[str, Any]) -> None:
    """Upgrade a mesh that begins with the former Istio, and ends after it."""
    with former_istio.in_lab(mesh.lab) as charts:
        former = former_istio.configured(given, charts)
        mesh.up(former)
        with life.load_on(mesh, former) as load:
            _take(mesh, load, life.upgrade_step(mesh, former, toolchain.ISTIO))
        mesh.workspace.stack.destroy()


def run(mesh: LiveMesh, given: dict[str, Any], former: str, new: str) -> None:
    """Run every operation on a mesh that is up, where `former` is the root's name."""
    with life.load_on(mesh, given) as load:
        changed = given
        for step in life.root_steps(given, former, new):
            changed = _take(mesh, load, step)
        cluster = given["clusters"][-1]
        _take(mesh, load, life.token_step(mesh, changed, cluster["name"], 2))


def _take(mesh: LiveMesh, load: Load, step: life.Step) -> dict[str, Any]:
    mesh.workspace.configure(step.configured)
    changes = mesh.workspace.stack.preview().change_summary
    cost = life.take(mesh, load, step)
    report = cost.requests
    print(
        f"## {step.name}\n",
        yaml.safe_dump(dict(step.edit), sort_keys=False),
        f"preview: {', '.join(f'{n} {kind}' for kind, n in sorted(changes.items()))}",
        f"up: {cost.update:.0f} s; the mesh had followed after {cost.followed:.0f} s",
        f"{report.requests} requests, failed: {report.failed} {dict(report.failures)}, "
        f"longest gap: {report.gap:.1f} s\n",
        f"{report}\n",
        sep="\n",
        flush=True,
    )
    return step.configured


if __name__ == "__main__":
    main()
