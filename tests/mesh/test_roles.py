"""Claims about a remote that becomes a primary, and a remote again, under a load."""

from typing import Any, Literal

import pulumi.automation as automation
import pytest

from lab import life
from lab.live import LiveMesh
from tests.mesh.conftest import MakeMesh
from tests.mesh.test_two_networks import DEV

_SLICES = (
    *("-n", "istio-system", "get", "endpointslices", "-l", "kubernetes.io/service-name=istiod"),
    *("-o", "jsonpath={.items[*].endpoints[*].addresses[*]}"),
)


@pytest.fixture(scope="module")
def bare(make_mesh: MakeMesh) -> LiveMesh:
    """One stack, whose install method changes between two meshes."""
    clusters = LiveMesh.read(DEV)["clusters"]
    return make_mesh([{key: c[key] for key in ("name", "network")} for c in clusters])


@pytest.fixture(
    scope="module", params=["rendered", pytest.param("release", marks=pytest.mark.whole_matrix)]
)
def given(request: pytest.FixtureRequest) -> dict[str, Any]:
    method: Literal["rendered", "release"] = request.param
    configured = LiveMesh.read(DEV)
    configured["mesh"]["istio"]["install"] = method
    return configured


@pytest.fixture(scope="module")
def mesh(bare: LiveMesh, given: dict[str, Any]) -> LiveMesh:
    bare.up(bare.placed(given))
    return bare


def test_a_cluster_changes_its_role_and_traffic_goes_on(
    mesh: LiveMesh, given: dict[str, Any]
) -> None:
    east, west = given["clusters"]
    alone = {key: value for key, value in west.items() if key != "primary"}
    # Both have the load's own routes: the change is refused while objects would be left behind.
    with life.load_on(mesh, {**given, "clusters": [east, alone]}) as load:
        for clusters in ([east, alone], [east, west]):
            load.mark()
            mesh.up({**given, "clusters": clusters})
            assert "failed" not in mesh.checked()
            report = load.report()
            assert report.failed == 0, f"{clusters}: {report}"
            for cluster in ("east", "west"):
                assert set(mesh.ask(cluster)) == {"v1", "v2"}
            mesh.workspace.stack.preview(expect_no_changes=True)


def test_a_remote_has_no_address_of_its_former_istiod(mesh: LiveMesh) -> None:
    control_plane = mesh.workspace.stack.outputs()["clusters"].value["west"]["controlPlane"]
    assert set(mesh.kubectl("west", *_SLICES).split()) == {control_plane}
    mesh.kubectl("west", "-n", "sample", "rollout", "restart", "deployment/sleep")
    mesh.kubectl("west", "-n", "sample", "rollout", "status", "deployment/sleep")
    assert set(mesh.ask("west")) == {"v1", "v2"}


def test_another_install_method_is_refused_while_the_mesh_is_there(
    mesh: LiveMesh, given: dict[str, Any]
) -> None:
    istio = {**given["mesh"]["istio"], "install": "release"}
    if istio == given["mesh"]["istio"]:
        istio["install"] = "rendered"
    mesh.workspace.configure({**given, "mesh": {**given["mesh"], "istio": istio}})
    with pytest.raises(automation.CommandError, match="install-method-changed") as refused:
        mesh.workspace.stack.preview()
    assert "`pulumi destroy`" in str(refused.value), "the next test, and the next mesh, do this"
    mesh.workspace.configure(given)


def test_destroy_removes_what_both_roles_created(mesh: LiveMesh, given: dict[str, Any]) -> None:
    mesh.workspace.stack.destroy()
    mesh.kubectl("west", "get", "namespace", "default")
    for cluster in ("east", "west"):
        names = mesh.kubectl(cluster, "get", "namespaces,clusterroles", "-o", "name")
        assert "istio" not in names
