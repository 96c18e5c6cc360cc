"""Claims about a mesh in two stacks: `fleet` has the primary, `fleet-west` has the remote.

The remote is in stack `fleet` first, moves into its own stack, and back.
"""

from dataclasses import replace
from pathlib import Path

import pulumi.automation as automation
import pytest

from lab.live import LiveMesh, Snapshots
from tests.documents import documented
from tests.mesh import shell
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
def whole(bare: LiveMesh, before: Snapshots) -> LiveMesh:
    """The mesh's stack, up with both clusters."""
    assert before
    made = stack_of(bare, "fleet")
    configured = made.placed(made.read(EXAMPLE / "Pulumi.fleet.yaml"))
    del configured["clusters"][1]["stack"]
    made.up(configured)
    return made


def refusal(fleet: LiveMesh, **changed: str) -> str:
    """What the mesh's stack says when west alone has another stack, or none."""
    file = fleet.workspace.folder / "Pulumi.fleet.yaml"
    before, configured = file.read_text(), fleet.read(file)
    (west,) = (c for c in configured["clusters"] if c["name"] == "west")
    west.pop("stack", None)
    west |= changed
    fleet.workspace.configure(configured)
    with pytest.raises(automation.CommandError, match="cluster-stack-changed") as refused:
        fleet.workspace.stack.preview()
    file.write_text(before)
    return str(refused.value)


@pytest.fixture(scope="module")
def fleet(whole: LiveMesh) -> LiveMesh:
    """The mesh's stack, without the remote."""
    shell.run(whole, documented("docs/state.md", "cp Pulumi.fleet.yaml"))
    return whole


@pytest.fixture(scope="module")
def primary_alone(fleet: LiveMesh) -> Snapshots:
    """What the mesh's stack has without the other."""
    return fleet.snapshot()


@pytest.fixture(scope="module")
def west(fleet: LiveMesh, primary_alone: Snapshots) -> LiveMesh:
    """The cluster's stack, up."""
    assert primary_alone
    shell.run(fleet, documented("docs/state.md", "stack init fleet-west"))
    return stack_of(fleet, "fleet-west")


def test_a_remote_of_the_meshs_stack_is_not_given_a_stack(whole: LiveMesh) -> None:
    assert set(whole.ask("west")) == {"v1", "v2"}
    assert "remove this key" in refusal(whole, stack="fleet-west")


def test_the_move_writes_the_configuration_of_the_example(fleet: LiveMesh, west: LiveMesh) -> None:
    for stack in (fleet, west):
        name = f"Pulumi.{stack.workspace.name}.yaml"
        example = stack.read(EXAMPLE / name)
        written = stack.read(stack.workspace.folder / name)
        assert written == (stack.placed(example) if stack is fleet else example)


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


def test_the_meshs_stack_does_not_take_a_cluster_of_another_stack(
    fleet: LiveMesh, west: LiveMesh
) -> None:
    assert "`pulumi destroy --stack fleet-west`" in refusal(fleet)
    assert set(west.ask("west")) == {"v1", "v2"}


def test_destroying_the_clusters_stack_leaves_the_others_as_before(
    west: LiveMesh, primary_alone: Snapshots
) -> None:
    west.workspace.stack.destroy()
    assert west.snapshot() == primary_alone
    assert set(west.ask("east")) == {"v1"}


def test_the_meshs_stack_takes_the_cluster_back(fleet: LiveMesh, west: LiveMesh) -> None:
    shell.run(fleet, documented("docs/state.md", "destroy --stack fleet-west"))
    for cluster in ("east", "west"):
        assert set(fleet.ask(cluster)) == {"v1", "v2"}
    with pytest.raises(automation.CommandError) as refused:
        west.workspace.stack.preview()
    assert "isthmus:meshStack: must name a mesh with a cluster whose `stack` is fleet-west" in str(
        refused.value
    )


def test_then_the_mesh_can_be_destroyed(fleet: LiveMesh, before: Snapshots) -> None:
    fleet.workspace.stack.destroy()
    assert fleet.snapshot() == before
