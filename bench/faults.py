"""What faults of a mesh cost in requests: `python -m bench.faults`.

It has a lab of its own, of the clusters of stack dev, and prints the second table of docs/life.md:
each fault with one replica of istiod and of the gateways, and with two.
"""

import tempfile
from pathlib import Path

from lab import faults, life, toolchain
from lab.lab import Lab
from lab.live import LiveMesh
from lab.spec import parse
from lab.workspace import Workspace

_DEV = Path(__file__).parents[1] / "Pulumi.dev.yaml"
_CLUSTERS = _DEV.parent / "lab/dev.yaml"


def main() -> None:
    """Print each fault, when the mesh was whole again, and the requests."""
    tools = toolchain.ensure(print)
    with (
        tempfile.TemporaryDirectory(prefix="isthmus-bench-") as directory,
        Lab(Path(directory, "lab"), parse(_CLUSTERS.read_text())) as lab,
    ):
        mesh = LiveMesh(lab, Workspace(Path(directory, "stack"), tools.bin), tools.charts)
        given = mesh.placed(mesh.read(_DEV))
        print("| fault | replicas | whole again | requests | failed | longest gap |")
        print("| --- | --- | --- | --- | --- | --- |")
        for redundant in (False, True):
            given["mesh"]["redundant"] = redundant
            mesh.up(given)
            with life.load_on(mesh, given) as load:
                for fault in faults.faults(mesh, given):
                    cost = faults.take(mesh, load, fault)
                    report = cost.requests
                    print(
                        f"| {fault.name} | {1 + redundant} | {cost.whole:.0f} s "
                        f"| {report.requests} | {report.failed} {dict(report.failures) or ''} "
                        f"| {report.gap:.1f} s |",
                        flush=True,
                    )
        mesh.workspace.stack.destroy()


if __name__ == "__main__":
    main()
