"""Sidecars that the user adds, as docs/injection.md says."""

import json

from lab import sample
from lab.live import LiveMesh
from tests.documents import documented
from tests.mesh import shell


def inject(mesh: LiveMesh, cluster: str, version: str) -> None:
    """Put the sample's pods into a cluster that has no injection webhook."""
    (mesh.workspace.folder / "app.yaml").write_text(json.dumps(sample.workloads(version)))
    shell.run(mesh, documented("docs/injection.md", "kube-inject"))
    for name in (f"helloworld-{version}", "sleep"):
        done = ("rollout", "status", f"deploy/{name}", "--timeout=90s")
        mesh.kubectl(cluster, "-n", "sample", *done)
