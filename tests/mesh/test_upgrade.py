"""Claims about a mesh whose Istio is upgraded in place, under a load."""

import re
from collections.abc import Iterator
from typing import Any

import pulumi.automation as automation
import pytest

from lab import former_istio, life
from lab.live import LiveMesh
from lab.toolchain import FORMER_ISTIO, ISTIO
from tests.mesh.conftest import MakeMesh
from tests.mesh.test_two_networks import DEV

# Nothing but these tests needs the programs of a second Istio.
pytestmark = pytest.mark.whole_matrix
_GATEWAYS = 2
"""Pods of a cluster's gateway."""


@pytest.fixture(scope="module")
def bare(make_mesh: MakeMesh) -> LiveMesh:
    clusters = LiveMesh.read(DEV)["clusters"]
    return make_mesh([{key: c[key] for key in ("name", "network")} for c in clusters])


@pytest.fixture(scope="module")
def given(bare: LiveMesh) -> Iterator[dict[str, Any]]:
    """Stack dev with the former Istio, and two replicas of istiod and of the gateways."""
    with former_istio.in_lab(bare.lab) as charts:
        yield former_istio.configured(bare.placed(LiveMesh.read(DEV)), charts)


@pytest.fixture(scope="module")
def mesh(bare: LiveMesh, given: dict[str, Any]) -> LiveMesh:
    bare.up(given)
    return bare


def test_another_istio_costs_no_request_but_those_in_a_gateway_that_ends(
    mesh: LiveMesh, given: dict[str, Any]
) -> None:
    """Proxies of workloads are of the version before, and reach those of the new one.

    A gateway passes TLS through, so it cannot ask for the end of a connection before its own end.
    """
    step = life.upgrade_step(mesh, given, ISTIO)
    mesh.workspace.configure(step.configured)
    shown = mesh.workspace.stack.preview().stdout
    assert f"Istio changes from {FORMER_ISTIO} to {ISTIO}." in shown
    own = {"east": "v1", "west": "v2"}
    for cluster in own:
        assert re.search(rf"{cluster} has \d+ pods with proxies of Istio {FORMER_ISTIO}", shown)
    with life.load_on(mesh, given) as load:
        cost = life.take(mesh, load, step)
    for stream, result in cost.requests.streams.items():
        kept_through = stream.connections == "kept" and stream.version != own[stream.caller]
        assert result.failures.total() <= (_GATEWAYS if kept_through else 0), cost.requests
    mesh.workspace.stack.preview(expect_no_changes=True)
    given["mesh"] = step.configured["mesh"]  # what follows keeps it


def test_the_checks_list_former_proxies_until_their_workloads_restart(mesh: LiveMesh) -> None:
    assert f"there are proxies of {FORMER_ISTIO}" in mesh.checked()
    for cluster, version in {"east": "v1", "west": "v2"}.items():
        mesh.kubectl(cluster, "-n", "sample", "rollout", "restart", "deployment")
        for name in (f"deployment/helloworld-{version}", "deployment/sleep"):
            mesh.kubectl(cluster, "-n", "sample", "rollout", "status", name, "--timeout=90s")
    shown = mesh.checked()
    assert "proxies of" not in shown, shown
    assert "failed" not in shown, shown
    for cluster in ("east", "west"):
        assert set(mesh.ask(cluster)) == {"v1", "v2"}


def test_the_former_istio_is_refused_now(mesh: LiveMesh, given: dict[str, Any]) -> None:
    mesh.workspace.configure(life.upgrade_step(mesh, given, FORMER_ISTIO).configured)
    with pytest.raises(automation.CommandError, match="istio-downgraded"):
        mesh.workspace.stack.preview()
    mesh.workspace.configure(given)


def test_destroy_removes_what_both_have_created(mesh: LiveMesh) -> None:
    mesh.workspace.stack.destroy()
    for cluster in ("east", "west"):
        left = mesh.kubectl(cluster, "get", "namespaces,clusterroles,crds", "-o", "name")
        assert "istio" not in left
