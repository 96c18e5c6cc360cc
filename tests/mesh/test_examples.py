"""Claims about every example stack: traffic, endpoints, discovery, and nothing left behind."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from lab.live import LiveMesh
from spec import config
from spec.mesh import Cluster, MeshSpec
from tests.mesh import (
    absent,
    api_servers,
    by_hand,
    cluster_local,
    dashboards,
    dns,
    exposures,
    failover,
    primaries,
    sharing,
)
from tests.mesh.conftest import MakeMesh

Step = Callable[[LiveMesh, dict[str, Any]], None]
METHODS = ("rendered", "release")
BEFORE: Mapping[str, Callable[[LiveMesh, dict[str, Any]], dict[str, Any]]] = {
    "by-hand": api_servers.behind_a_load_balancer,
    "one-network": exposures.balanced_by_name,
    "two-primaries": failover.in_one_region,
}
"""What is done to a stack's clusters before its first update; gives what is to be configured."""
AFTER: Mapping[str, Sequence[Step]] = {
    "by-hand": (api_servers.is_dialled_where_told,),
    "one-network": (
        exposures.resolves_the_name,
        exposures.survives_an_address_that_does_not_answer,
    ),
    "one-network-internal": (exposures.changes_to_the_gateway, exposures.changes_back),
    "one-network-pod-ip": (exposures.pod_moves,),
    "replicated": sharing.STEPS,
    "two-networks-release": (
        dashboards.kiali_reads_the_other_cluster,
        api_servers.returns_at_another_address,
    ),
    "two-primaries": (
        failover.answers_from_its_own_cluster_first,
        failover.fails_over_and_comes_back,
        dns.finds_services_but_no_pods_of_another_network,
        absent.is_left_as_it_is,
        primaries.leaves_nothing_behind,
    ),
    "two-primaries-one-network": (cluster_local.answers_from_its_own_cluster,),
}
"""What is claimed of a stack beyond what is claimed of all, while it is up. Each step goes on where
the one before has left the mesh."""


def clusters_of(stack_file: Path) -> list[dict[str, str]]:
    """The clusters of a stack, as a lab has them."""
    clusters = LiveMesh.read(stack_file)["clusters"]
    return sorted(({k: c[k] for k in ("name", "network")} for c in clusters), key=str)


EXAMPLES = sorted(
    (Path(__file__).parents[2] / "examples").glob("Pulumi.*.yaml"),
    key=lambda file: (-len(clusters_of(file)), str(clusters_of(file)), file),
)
"""Stacks that want the same clusters one after another: they share a lab. The largest first, so
that no worker waits for it at the end."""


def _name(stack_file: Path) -> str:
    return stack_file.name.split(".")[1]


EVERY_EXAMPLE = pytest.mark.parametrize("example", EXAMPLES, ids=_name)


@EVERY_EXAMPLE
def test_example(make_mesh: MakeMesh, example: Path, subtests: pytest.Subtests) -> None:
    """One cycle a topology; the claims share the update, which is what takes the time."""
    mesh = make_mesh(clusters_of(example))
    before = mesh.snapshot()
    given = mesh.placed(LiveMesh.read(example))
    if prepare := BEFORE.get(_name(example)):
        given = prepare(mesh, given)
    spec = _up(mesh, given)
    _is_a_mesh(mesh, spec, subtests)
    for cluster in spec.clusters:
        with subtests.test(f"endpoints that {cluster.name} has"):
            assert mesh.endpoints(cluster.name) == _expected(mesh, spec, cluster)
        with subtests.test(f"gateway of {cluster.name}"):
            services = mesh.kubectl(cluster.name, "get", "services", "-A", "-o", "name")
            assert ("gateway" in services) == spec.has_gateway(cluster)
    unfinished = _first_that_fails(AFTER.get(_name(example), ()), mesh, given, subtests)
    mesh.workspace.stack.destroy()
    with subtests.test("nothing is left"):
        if unfinished:
            pytest.skip(f"{unfinished} failed, so its objects are left")
        assert mesh.snapshot() == before


# Three examples take releases and the others rendered charts, so `make test` has both methods.
@pytest.mark.whole_matrix
@EVERY_EXAMPLE
def test_example_by_the_other_method(
    make_mesh: MakeMesh, example: Path, subtests: pytest.Subtests
) -> None:
    """The same charts rendered where the stack installs releases, and the reverse."""
    mesh = make_mesh(clusters_of(example))
    before = mesh.snapshot()
    given = mesh.placed(LiveMesh.read(example))
    (other,) = set(METHODS) - {given["mesh"]["istio"].get("install", "rendered")}
    given["mesh"]["istio"]["install"] = other
    _is_a_mesh(mesh, _up(mesh, given), subtests)
    mesh.workspace.stack.destroy()
    with subtests.test("nothing is left"):
        assert mesh.snapshot() == before


def _up(mesh: LiveMesh, given: dict[str, Any]) -> MeshSpec:
    """Run `up`, and add what the user adds."""
    spec = config.parse(given)
    mesh.up(given)
    for version, cluster in _versions(spec).items():
        if cluster.injection == "manual":
            by_hand.inject(mesh, cluster.name, version)
    return spec


def _versions(spec: MeshSpec) -> Mapping[str, Cluster]:
    return {f"v{i}": c for i, c in enumerate(spec.clusters, 1)}


def _is_a_mesh(mesh: LiveMesh, spec: MeshSpec, subtests: pytest.Subtests) -> None:
    """Traffic from every cluster to every cluster, and nothing left to change."""
    for cluster in spec.clusters:
        with subtests.test(f"traffic from {cluster.name}"):
            assert set(mesh.ask(cluster.name)) == set(_versions(spec))
    for primary in spec.primaries:
        with subtests.test(f"discovery of {primary.name}"):
            watched = {c.name for c in spec.clusters if primary in spec.readers_of(c)}
            found = mesh.remote_clusters(primary.name, spec.mesh.istio.namespace)
            assert found == dict.fromkeys({primary.name, *watched}, "synced")
    with subtests.test("the checks have no false alarm"):
        assert "failed" not in mesh.checked()
    with subtests.test("nothing is left to change"):
        mesh.workspace.stack.preview(expect_no_changes=True)


def _first_that_fails(
    steps: Sequence[Step], mesh: LiveMesh, given: dict[str, Any], subtests: pytest.Subtests
) -> str:
    """Run the steps up to the first that fails, and return its name, or nothing."""
    for step in steps:
        failed = step.__name__
        with subtests.test(failed):
            step(mesh, given)
            failed = ""
        if failed:
            return failed
    return ""


def _expected(mesh: LiveMesh, spec: MeshSpec, here: Cluster) -> set[str]:
    """Pods where the network is the same, gateways where it is another."""
    outputs = mesh.workspace.stack.outputs()["clusters"].value
    return {
        f"{mesh.pod_address(c.name, 'helloworld')}:5000"
        if c.network == here.network
        else f"{outputs[c.name]['gateway']}:{spec.mesh.gateways.port}"
        for c in spec.clusters
    }
