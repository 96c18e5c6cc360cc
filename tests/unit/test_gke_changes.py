"""Claims about changes of a mesh on Google Cloud that would replace its clusters or VPCs."""

import copy
from collections.abc import Callable
from typing import Any, cast

import pytest

from components.gke_networks import GkeNetworks
from preflight.identity import check_changes
from preflight.last_update import LastUpdate
from spec import config
from spec.description import spec_for_output
from spec.gke_network import NetworkPlan
from spec.problems import Problem
from stacks.build import build_mesh
from stacks.gke import GkeClusters
from stacks.identity import MeshIdentity
from tests.unit import meshes
from tests.unit.recorder import record
from tests.unit.test_gke import configured, replaced

Change = Callable[[dict[str, Any]], object]
_ALL = [f"clusters[{i}].gke.ranges" for i in range(3)]
"""A later cluster gets what an earlier one leaves."""


def outputs(configuration: dict[str, Any]) -> dict[str, Any]:
    """What an update of the configuration leaves."""
    spec = config.parse(configuration)
    assert spec.gcp
    created = GkeClusters(NetworkPlan(spec, spec.gcp), cast("GkeNetworks", None), {})
    return {
        "mesh": {"spec": spec_for_output(spec), "kubeconfigs": {}},
        "clusters": {c.name: created.describe(c) for c in spec.clusters if c.gke},
    }


def refused(change: Change, before: dict[str, Any] | None = None) -> list[Problem]:
    """What prod is refused for, after a change of its configuration."""
    before = before or configured("prod")
    after = copy.deepcopy(before)
    change(after)
    return list(check_changes(config.parse_types(after), LastUpdate.read(outputs(before))))


def cluster(**settings: Any) -> Change:
    """A change of the first cluster."""
    return lambda c: c["clusters"][0].update(settings)


def gke(**settings: Any) -> Change:
    return lambda c: c["clusters"][0]["gke"].update(settings)


def ranges(**wanted: str) -> Change:
    return lambda c: c["clusters"][0]["gke"]["ranges"].update(wanted)


def gcp(**settings: Any) -> Change:
    return lambda c: c["gcp"].update(settings)


def reverse(c: dict[str, Any]) -> None:
    c["clusters"].reverse()


def remove_first(c: dict[str, Any]) -> None:
    del c["clusters"][0]


def test_an_unchanged_mesh_is_not_refused() -> None:
    assert refused(lambda c: None) == []


@pytest.mark.parametrize(
    ("change", "name", "paths"),
    [
        (cluster(network="other"), "cluster-gke-changed", ["clusters[0].gke.vpc"]),
        (gke(vpc="other"), "cluster-gke-changed", ["clusters[0].gke.vpc"]),
        (gke(region="europe-west4"), "cluster-gke-changed", ["clusters[0].gke.region"]),
        (ranges(pods="/16"), "gke-ranges-changed", _ALL),
        (ranges(nodes="/20"), "gke-ranges-changed", _ALL),
        (ranges(controlPlane="10.250.0.0/28"), "gke-ranges-changed", _ALL),
        (gcp(ranges="10.64.0.0/10"), "gke-ranges-changed", _ALL),
        (reverse, "gke-ranges-changed", _ALL),
        (remove_first, "gke-ranges-changed", _ALL[:2]),
        (gcp(project="another-prod"), "gke-project-changed", ["gcp.project"]),
    ],
)
def test_a_change_that_would_replace_a_cluster_or_its_vpc_is_refused(
    change: Change, name: str, paths: list[str]
) -> None:
    found = refused(change)
    assert {p.name for p in found} == {name}
    assert [p.path.removeprefix("isthmus:") for p in found] == paths


@pytest.fixture
def shared() -> dict[str, Any]:
    """A cluster in an existing VPC, with an existing subnet of the two there."""
    subnets = [
        {
            "name": name,
            "region": region,
            "nodes": f"10.{i}.0.0/22",
            "pods": {"name": "p", "range": f"10.{i}.64.0/18"},
            "services": {"name": "s", "range": f"10.{i}.128.0/20"},
        }
        for i, (name, region) in enumerate([("here", "europe-west1"), ("more", "us-west1")])
    ]
    return {
        **meshes.configuration(
            {"name": "made", "network": "shared", "gke": {"region": "europe-west1"}},
            install="release",
        ),
        "gcp": {
            "project": "example-test",
            "ranges": "10.64.0.0/12",
            "vpcs": [{"name": "shared", "subnets": subnets}],
        },
    }


def vpcs(change: Callable[[list[Any]], object]) -> Change:
    return lambda c: change(c["gcp"]["vpcs"])


_EDITS: list[tuple[Callable[[list[Any]], object], str]] = [
    (list.clear, "must list VPC shared of cluster made"),
    (lambda v: v[0]["subnets"].clear(), "must give cluster made subnet here"),
    (lambda v: v[0]["subnets"][0].update(name="x"), "must give cluster made subnet here"),
    (lambda v: v[0]["subnets"][0]["pods"].update(name="x"), "(pods p, services s)"),
]


@pytest.mark.parametrize(("change", "rule"), _EDITS)
def test_another_account_of_the_vpc_of_a_cluster_is_refused(
    shared: dict[str, Any], change: Callable[[list[Any]], object], rule: str
) -> None:
    (problem,) = (p for p in refused(vpcs(change), shared) if p.name == "gke-vpcs-changed")
    assert rule in problem.rule


def test_a_vpc_of_the_stack_is_not_listed_as_one_that_exists() -> None:
    before = configured("prod")
    (problem,) = refused(gcp(vpcs=[{"name": "prod-eu"}]), before)
    assert (problem.name, problem.path) == ("gke-vpcs-changed", "isthmus:gcp.vpcs")
    assert "which this stack created" in problem.rule
    assert refused(gcp(vpcs=[{"name": "of-no-cluster"}]), before) == []


def test_what_replaces_no_cluster_of_a_shared_vpc_is_accepted(shared: dict[str, Any]) -> None:
    assert refused(vpcs(lambda v: v[0].update(nat=False)), shared) == []
    assert refused(vpcs(lambda v: v[0]["subnets"].pop()), shared) == []


def test_a_pinned_range_stays_whatever_comes_before_it() -> None:
    """The message of the refusal has the text to write."""
    (first, *_) = refused(reverse)
    before = outputs(configured("prod"))["clusters"]
    assert all(f"{kind}: {text}" in first.fix for kind, text in before["us-west"]["ranges"].items())

    def pin(c: dict[str, Any]) -> None:
        for cluster in c["clusters"]:
            cluster["gke"]["ranges"] = before[cluster["name"]]["ranges"]
        c["clusters"].reverse()

    assert refused(pin) == []


def test_a_subnet_that_gets_larger_in_place_is_accepted() -> None:
    before = configured("prod")
    before["clusters"][0]["gke"]["ranges"] |= {"nodes": "10.250.8.0/21"}
    larger = ranges(nodes="10.250.0.0/20")
    assert refused(larger, before) == []
    assert refused(ranges(nodes="10.250.8.0/22"), before)


def test_a_cluster_at_the_end_and_another_network_in_the_same_vpc_are_accepted() -> None:
    more = {"name": "asia", "network": "prod-asia", "gke": {"region": "asia-southeast1"}}
    assert refused(lambda c: c["clusters"].append(more)) == []

    def pin(c: dict[str, Any]) -> None:
        c["clusters"][0]["network"] = "other"
        c["clusters"][0]["gke"]["vpc"] = "prod-eu"

    assert refused(pin) == []


def test_another_mesh_id_replaces_nothing_on_google_cloud() -> None:
    before, after = configured("prod"), configured("prod")
    after["mesh"]["id"] = "shop"
    old, new = meshes.recorded(before), meshes.recorded(after)
    assert replaced(old, new) == set()
    assert {r.key for r in old if "gcp:" in r.type} == {r.key for r in new if "gcp:" in r.type}
    assert refused(lambda c: c["mesh"].update(id="shop")) == []


def test_vpcs_that_were_named_after_the_mesh_are_kept() -> None:
    """Also if the ID changes with the version of the program that renames them."""
    after = configured("prod")
    after["mesh"]["id"] = "shop"
    spec, left = config.parse(after), outputs(configured("prod"))
    mesh = record(lambda: build_mesh(spec, meshes.facts(spec), MeshIdentity.create(), left))
    assert mesh.one("GkeNetworks", "networks").aliases == {"prod", "shop"}
