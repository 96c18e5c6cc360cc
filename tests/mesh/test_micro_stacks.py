"""Claims about a mesh in two stacks: `fleet` has the primary, `fleet-west` has the remote."""

from dataclasses import replace
from pathlib import Path

import pulumi.automation as automation
import pytest

from lab.live import LiveMesh, Snapshots
from tests.mesh.conftest import MakeMesh

EXAMPLE = Path(__file__).parents[2] / "examples/micro-stacks"


def stack_of(bare: LiveMesh, name: str) -> LiveMesh:
    """Another stack on the same lab, in the same backend."""
    return replace(bare, workspace=replace(bare.workspace, name=name))


@pytest.fixture(scope="module")
def bare(make_mesh: MakeMesh) -> LiveMesh:
    clusters = LiveMesh.read(EXAMPLE / "Pulumi.fleet.yaml")["clusters"]
    return make_mesh([{key: c[key] for key in ("name", "network")} for c in clusters])


@pytest.fixture(scope="module")
def before(bare: LiveMesh) -> Snapshots:
    return bare.snapshot()


@pytest.fixture(scope="module")
def fleet(bare: LiveMesh, before: Snapshots) -> LiveMesh:
    """The mesh's stack, up."""
    assert before
    made = stack_of(bare, "fleet")
    made.up(made.placed(made.read(EXAMPLE / "Pulumi.fleet.yaml")))
    return made


@pytest.fixture(scope="module")
def primary_alone(fleet: LiveMesh) -> Snapshots:
    """What the mesh's stack has created without the other."""
    return fleet.snapshot()


@pytest.fixture(scope="module")
def west(fleet: LiveMesh, primary_alone: Snapshots) -> LiveMesh:
    """The cluster's stack, up."""
    assert primary_alone
    made = stack_of(fleet, "fleet-west")
    made.up(made.read(EXAMPLE / "Pulumi.fleet-west.yaml"))
    return made


def test_the_meshs_stack_creates_nothing_in_the_other_cluster(
    primary_alone: Snapshots, before: Snapshots
) -> None:
    assert primary_alone["west"] == before["west"]


@pytest.mark.parametrize("cluster", ["east", "west"])
def test_both_versions_answer_to_each_cluster(west: LiveMesh, cluster: str) -> None:
    assert set(west.ask(cluster)) == {"v1", "v2"}


def test_the_primary_watches_both_clusters(west: LiveMesh) -> None:
    assert west.remote_clusters("east") == {"east": "synced", "west": "synced"}


def test_both_stacks_say_the_same_about_the_control_plane(fleet: LiveMesh, west: LiveMesh) -> None:
    east = fleet.workspace.stack.outputs()["clusters"].value["east"]
    assert west.workspace.stack.outputs()["cluster"].value["controlPlane"] == east["gateway"]


def test_a_second_preview_finds_nothing_to_do_in_either(fleet: LiveMesh, west: LiveMesh) -> None:
    fleet.workspace.stack.preview(expect_no_changes=True)
    west.workspace.stack.preview(expect_no_changes=True)


def test_what_goes_from_stack_to_stack_is_nowhere_in_plain_text(west: LiveMesh) -> None:
    state = "".join(p.read_text() for p in (west.workspace.folder / "state").rglob("*.json"))
    assert "StackReference" in state
    for clear in ("PRIVATE KEY", "client-key-data", "token:", "eyJhbGciOi"):
        assert clear not in state


def test_the_meshs_stack_is_not_destroyed_before_the_clusters(
    fleet: LiveMesh, west: LiveMesh
) -> None:
    with pytest.raises(automation.CommandError, match="protected"):
        fleet.workspace.stack.preview_destroy()
    assert set(west.ask("west")) == {"v1", "v2"}


def test_destroying_the_clusters_stack_leaves_the_others_as_before(
    west: LiveMesh, primary_alone: Snapshots
) -> None:
    west.workspace.stack.destroy()
    assert west.snapshot() == primary_alone
    assert set(west.ask("east")) == {"v1"}


def test_a_cluster_that_left_the_mesh_is_refused(fleet: LiveMesh, west: LiveMesh) -> None:
    left = fleet.placed(fleet.read(EXAMPLE / "Pulumi.fleet.yaml"))
    left["clusters"].pop()
    fleet.up(left)
    with pytest.raises(automation.CommandError) as refused:
        west.workspace.stack.preview()
    assert "isthmus:meshStack: must name a mesh with a cluster whose `stack` is fleet-west" in str(
        refused.value
    )


def test_then_the_mesh_can_be_destroyed(fleet: LiveMesh, before: Snapshots) -> None:
    fleet.workspace.stack.destroy()
    assert fleet.snapshot() == before
