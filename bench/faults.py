"""What faults of a mesh cost in requests: `python -m bench.faults`.

It has a lab of its own, of the clusters of stack dev, and prints a table: each fault with one
replica of istiod and of the gateways, and with two.
"""

from bench.figures import DEV, bare_mesh, dev_clusters, row
from lab import faults, life


def main() -> None:
    """Print each fault, when the mesh was whole again, and the requests."""
    with bare_mesh(dev_clusters()) as mesh:
        given = mesh.placed(mesh.read(DEV))
        row("fault", "replicas", "whole again", "requests", "failed", "longest gap")
        row(*["---"] * 6)
        for redundant in (False, True):
            given["mesh"]["redundant"] = redundant
            mesh.up(given)
            with life.load_on(mesh, given) as load:
                for fault in faults.faults(mesh, given):
                    cost = faults.take(mesh, load, fault)
                    report = cost.requests
                    row(
                        fault.name,
                        f"{1 + redundant}",
                        f"{cost.whole:.0f} s",
                        f"{report.requests}",
                        f"{report.failed} {dict(report.failures) or ''}",
                        f"{report.gap:.1f} s",
                    )
        mesh.workspace.stack.destroy()


if __name__ == "__main__":
    main()
