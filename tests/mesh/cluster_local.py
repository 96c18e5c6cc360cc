"""Services that are answered from the caller's own cluster only."""

from typing import Any

from lab.live import LiveMesh


def answers_from_its_own_cluster(mesh: LiveMesh, given: dict[str, Any]) -> None:
    """With a local sample, each cluster gets its own version; without, both again."""
    local = {**given["mesh"], "clusterLocal": ["*.sample.svc.cluster.local"]}
    mesh.up({**given, "mesh": local})
    assert set(mesh.ask("east")) == {"v1"}
    assert set(mesh.ask("west")) == {"v2"}
    mesh.workspace.stack.preview(expect_no_changes=True)
