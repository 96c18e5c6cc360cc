"""Claims about the program under the real engine, with API servers and nothing to run pods."""

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi.automation as automation
import pytest

from lab import toolchain
from lab.lab import Lab
from lab.live import LiveMesh
from lab.spec import parse
from lab.workspace import Workspace

DEV = Path(__file__).parents[2] / "Pulumi.dev.yaml"
_CLUSTERS = "[{name: east, network: one, nodes: false}, {name: west, network: two, nodes: false}]"


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveMesh]:
    folder = tmp_path_factory.mktemp("program")
    tools = toolchain.ensure()
    with Lab(folder / "lab", parse(f"clusters: {_CLUSTERS}")) as lab:
        yield LiveMesh(lab, Workspace(folder / "stack", tools.bin), tools.charts)


@pytest.fixture
def dev(mesh: LiveMesh) -> dict[str, Any]:
    return mesh.placed(mesh.read(DEV))


def test_a_preview_shows_the_whole_mesh_and_changes_nothing(
    mesh: LiveMesh, dev: dict[str, Any]
) -> None:
    before = mesh.snapshot()
    mesh.workspace.configure(dev)
    shown = mesh.workspace.stack.preview()
    for component in ("SharedCA", "PrimaryCluster", "RemoteCluster", "ClusterAwareGateway"):
        assert f"isthmus:index:{component}" in shown.stdout
    assert "Mesh mesh1: 2 clusters on 2 networks, Istio 1.31.0." in shown.stdout
    assert "west is a remote of east, whose istiod it reaches by the east-west gateway." in (
        shown.stdout
    )
    assert "This stack creates the root CA." in shown.stdout
    assert "istio-system/istiod" in shown.stdout, "objects of charts are shown one by one"
    assert "PRIVATE KEY" not in shown.stdout
    assert mesh.snapshot() == before


def refusal(mesh: LiveMesh, configuration: dict[str, Any]) -> str:
    """What a preview of the configuration prints when it refuses."""
    mesh.workspace.configure(configuration)
    with pytest.raises(automation.CommandError) as error:
        mesh.workspace.stack.preview()
    said = str(error.value)
    assert "Traceback" not in said
    return said


def test_a_missing_kubeconfig_is_one_error(mesh: LiveMesh, dev: dict[str, Any]) -> None:
    dev["clusters"][1]["kubeconfig"] = "nowhere"
    said = refusal(mesh, dev)
    assert "isthmus:clusters[1].kubeconfig: must name a file" in said
    assert "fix:" in said


def test_an_unknown_context_is_one_error(mesh: LiveMesh, dev: dict[str, Any]) -> None:
    dev["clusters"][1]["context"] = "nowhere"
    said = refusal(mesh, dev)
    assert "isthmus:clusters[1].context" in said
    assert "east, west" in said


def test_an_unreachable_cluster_is_one_error(
    mesh: LiveMesh, dev: dict[str, Any], tmp_path: Path
) -> None:
    moved = tmp_path / "kubeconfig"
    moved.write_text(mesh.lab.kubeconfig.read_text().replace(":6443", ":1"))
    dev["clusters"][0]["kubeconfig"] = str(moved)
    assert "of cluster east must answer" in refusal(mesh, dev)


def test_two_clusters_of_one_name_are_one_error(mesh: LiveMesh, dev: dict[str, Any]) -> None:
    dev["clusters"][1] |= {"name": "east"}
    dev["clusters"][1].pop("primary")
    assert "isthmus:clusters[1].name: must be unique" in refusal(mesh, dev)


def test_an_unknown_primary_is_one_error(mesh: LiveMesh, dev: dict[str, Any]) -> None:
    dev["clusters"][1]["primary"] = "north"
    assert "isthmus:clusters[1].primary: must name a cluster of this mesh" in refusal(mesh, dev)


def test_a_chart_version_that_is_not_there_is_one_error(
    mesh: LiveMesh, dev: dict[str, Any]
) -> None:
    dev["mesh"]["istio"]["version"] = "1.99.0"
    assert "isthmus:mesh.istio.version: must be the version of the charts" in refusal(mesh, dev)


@pytest.fixture
def repository() -> Iterator[str]:
    """Istio's charts as a Helm repository on loopback."""
    serve = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=toolchain.ensure().chart_archives
    )
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("method", ["rendered", "release"])
def test_charts_come_from_a_repository_too(
    mesh: LiveMesh, dev: dict[str, Any], repository: str, method: str
) -> None:
    dev["mesh"]["istio"] |= {"charts": repository, "install": method}
    mesh.workspace.configure(dev)
    shown = mesh.workspace.stack.preview().stdout
    assert ("istio-system/istiod" in shown) == (method == "rendered")
    assert ("helm.sh/v3:Release east-istiod" in shown) == (method == "release")


def test_a_version_missing_from_a_repository_is_one_error(
    mesh: LiveMesh, dev: dict[str, Any], repository: str
) -> None:
    dev["mesh"]["istio"] |= {"charts": repository, "version": "1.99.0"}
    said = refusal(mesh, dev)
    assert "isthmus:mesh.istio.version: must be a version of the chart base" in said
    assert "1.31.0" in said


def test_nothing_was_changed_by_any_of_it(mesh: LiveMesh) -> None:
    for objects in mesh.snapshot().values():
        assert "istio-system" not in {name for _, _, name in objects}
