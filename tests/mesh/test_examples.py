"""Claims about every example stack: traffic, endpoints, discovery, and nothing left behind."""

from pathlib import Path

import pytest

from stacks import config
from stacks.spec import Cluster, MeshSpec
from tests.mesh import by_hand
from tests.mesh.conftest import MakeMesh
from tests.mesh.live import LiveMesh

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("Pulumi.*.yaml"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.name.split(".")[1])
def test_example(make_mesh: MakeMesh, example: Path) -> None:
    """One cycle a topology; the steps share the update, which is what takes the time."""
    spec = config.parse(LiveMesh.read(example))
    mesh = make_mesh([{"name": c.name, "network": c.network} for c in spec.clusters])
    before = mesh.snapshot()
    mesh.up(mesh.placed(LiveMesh.read(example)))
    versions = {f"v{i}": c for i, c in enumerate(spec.clusters, 1)}
    for version, cluster in versions.items():
        if cluster.injection == "manual":
            by_hand.inject(mesh, spec, cluster, version)
    for cluster in spec.clusters:
        assert set(mesh.ask(cluster.name)) == set(versions), f"asked from {cluster.name}"
        assert mesh.endpoints(cluster.name) == _expected(mesh, spec, cluster)
    for primary in spec.primaries:
        watched = {c.name for c in spec.clusters if primary in spec.readers_of(c)}
        found = mesh.remote_clusters(primary.name, spec.mesh.istio.namespace)
        assert found == dict.fromkeys({primary.name, *watched}, "synced")
    for cluster in spec.clusters:
        services = mesh.kubectl(cluster.name, "get", "services", "-A", "-o", "name")
        assert ("gateway" in services) == spec.has_gateway(cluster)
    mesh.workspace.stack.preview(expect_no_changes=True)
    mesh.workspace.stack.destroy()
    assert mesh.snapshot() == before


def _expected(mesh: LiveMesh, spec: MeshSpec, here: Cluster) -> set[str]:
    """Pods where the network is the same, gateways where it is another."""
    outputs = mesh.workspace.stack.outputs()["clusters"].value
    return {
        f"{mesh.pod_address(c.name, 'helloworld')}:5000"
        if c.network == here.network
        else f"{outputs[c.name]['gateway']}:{spec.mesh.gateways.port}"
        for c in spec.clusters
    }
