"""Claims about clusters on Google Cloud that are refused."""

from typing import Any

import pytest

from spec import config
from spec.problems import MeshRefusedError, Problem

EU: dict[str, Any] = {"name": "eu", "network": "n", "gke": {"region": "europe-west1"}}
US: dict[str, Any] = {
    "name": "us",
    "network": "n",
    "primary": "eu",
    "gke": {"region": "us-central1"},
}
GCP: dict[str, Any] = {"project": "example-test", "ranges": "10.64.0.0/12"}
SUBNET: dict[str, Any] = {
    "name": "there",
    "region": "europe-west1",
    "nodes": "10.0.0.0/22",
    "pods": {"name": "p", "range": "10.1.0.0/16"},
    "services": {"name": "s", "range": "10.2.0.0/20"},
}


def configuration(
    *clusters: dict[str, Any], gcp: dict[str, Any] | None = GCP, **istio: str
) -> dict[str, Any]:
    charts = {"version": "1.31.0", "charts": "charts", "install": "release", **istio}
    made: dict[str, Any] = {"mesh": {"istio": charts}, "clusters": list(clusters)}
    return made if gcp is None else {**made, "gcp": gcp}


def made(cluster: dict[str, Any] = EU, **gke: Any) -> dict[str, Any]:
    return {**cluster, "gke": {**cluster["gke"], **gke}}


def refused(configured: dict[str, Any]) -> list[Problem]:
    """Problems, each of which says why and what to do."""
    with pytest.raises(MeshRefusedError) as refusal:
        config.parse(configured)
    for problem in refusal.value.problems:
        assert problem.reason
        assert problem.fix
    return list(refusal.value.problems)


def one(configured: dict[str, Any]) -> Problem:
    (problem,) = refused(configured)
    return problem


def test_what_is_right_is_not_refused() -> None:
    assert config.parse(configuration(EU, US)).clusters[1].gke
    assert config.parse(
        configuration(made(mode="autopilot", version="1.33"), made(US, zones=["us-central1-a"]))
    )


def test_a_cluster_has_a_kubeconfig_or_is_created() -> None:
    neither = one(
        configuration({"name": "a", "network": "n"}, EU, gcp=GCP | {"otherRanges": ["10.0.0.0/16"]})
    )
    assert (neither.path, neither.rule) == ("isthmus:clusters[0].kubeconfig", "is required, or gke")
    both = one(configuration({**EU, "kubeconfig": "kubeconfig"}))
    assert both.path == "isthmus:clusters[0].kubeconfig"
    assert "cannot be set where gke is" in both.rule
    assert one(configuration({**EU, "context": "eu"})).path == "isthmus:clusters[0].context"


def test_google_cloud_is_configured_where_clusters_are_created_and_nowhere_else() -> None:
    assert one(configuration(EU, gcp=None)).path == "isthmus:gcp"
    given = {"name": "a", "network": "n", "kubeconfig": "kubeconfig"}
    assert "no cluster has gke" in one(configuration(given)).rule


def test_charts_are_not_rendered_for_clusters_that_do_not_exist_yet() -> None:
    problem = one(configuration(EU, install="rendered"))
    assert (problem.path, problem.fix) == ("isthmus:mesh.istio.install", "set it to release")


def test_a_created_cluster_is_built_by_the_stack_that_creates_it() -> None:
    problem = one(configuration(EU, {**US, "stack": "us"}))
    assert problem.path == "isthmus:clusters[1].stack"


@pytest.mark.parametrize("name", ["a" * 25, "1st"])
def test_a_name_becomes_names_on_google_cloud(name: str) -> None:
    assert one(configuration({**EU, "name": name})).path == "isthmus:clusters[0].name"


def test_node_pools_have_distinct_short_names() -> None:
    twice = one(configuration(made(nodePools=[{"name": "a"}, {"name": "a"}])))
    assert twice.path == "isthmus:clusters[0].gke.nodePools[1].name"
    assert "unique" in twice.rule
    assert "31" in one(configuration(made(nodePools=[{"name": "a" * 29}]))).rule
    longer = {**EU, "name": f"{EU['name']}-west"}
    both = made(nodePools=[{"name": "west-a"}]), made(longer, nodePools=[{"name": "a"}])
    joined = one(configuration(*both))
    assert joined.path == "isthmus:clusters[1].gke.nodePools[0].name"
    assert f"a pool of cluster {EU['name']}" in joined.rule


@pytest.mark.parametrize(
    ("key", "value"), [("nodePools", [{"name": "a"}]), ("zones", ["europe-west1-b"])]
)
def test_autopilot_creates_its_own_nodes(key: str, value: Any) -> None:
    problem = one(configuration(made(EU, mode="autopilot", **{key: value})))
    assert problem.path == f"isthmus:clusters[0].gke.{key}"
    assert "Autopilot" in problem.rule


def test_zones_are_of_the_region() -> None:
    problem = one(configuration(made(zones=["europe-west1-b", "us-east4-a"])))
    assert problem.path == "isthmus:clusters[0].gke.zones[1]"


def test_a_pool_grows_and_does_not_shrink() -> None:
    problem = one(configuration(made(nodePools=[{"name": "a", "minNodes": 4, "maxNodes": 3}])))
    assert problem.path == "isthmus:clusters[0].gke.nodePools[0].maxNodes"


def test_clusters_of_one_network_are_in_one_vpc() -> None:
    problem = one(configuration(EU, made(US, vpc="elsewhere")))
    assert problem.path == "isthmus:clusters[1].gke.vpc"
    assert "routes end at the VPC" in problem.reason


def test_load_balancers_are_google_clouds() -> None:
    exposed = {"exposure": "internal-load-balancer", "cloud": "eks"}
    problem = one(configuration({**EU, "controlPlane": exposed}, US))
    assert problem.path == "isthmus:clusters[0].controlPlane.cloud"


def test_ranges_of_clusters_with_a_kubeconfig_are_configured() -> None:
    given = {"name": "own", "network": "m", "kubeconfig": "kubeconfig"}
    assert one(configuration(EU, given)).path == "isthmus:gcp.otherRanges"
    assert config.parse(configuration(EU, given, gcp=GCP | {"otherRanges": ["10.0.0.0/16"]}))


@pytest.mark.parametrize(
    ("ranges", "rule"),
    [
        ("10.64.0.1/12", "has host bits set"),
        ("10.64.0.0/33", "must be an IPv4 range"),
        ("10.264.0.0/12", "must be an IPv4 range"),
        ("34.0.0.0/12", "must be inside one of"),
        ("172.16.0.0/12", "outside 172.17.0.0/16"),
    ],
)
def test_the_range_of_all_is_private_and_a_range(ranges: str, rule: str) -> None:
    problem = one(configuration(EU, gcp=GCP | {"ranges": ranges}))
    assert problem.path == "isthmus:gcp.ranges"
    assert rule in problem.rule


def test_a_range_that_is_not_like_one_is_refused_by_its_type() -> None:
    assert one(configuration(EU, gcp=GCP | {"ranges": "ten"})).path == "isthmus:gcp.ranges"
    assert one(configuration(made(ranges={"pods": "16"}))).path == (
        "isthmus:clusters[0].gke.ranges.pods"
    )


@pytest.mark.parametrize(
    ("key", "size", "wanted"),
    [
        ("nodes", "/30", "/8 to /29"),
        ("services", "/28", "/16 to /27"),
        ("services", "/15", "/16 to /27"),
        ("controlPlane", "/27", "must be /28"),
        ("pods", "/25", "/8 to /24"),
    ],
)
def test_sizes_are_those_that_google_cloud_takes(key: str, size: str, wanted: str) -> None:
    problem = one(configuration(made(mode="autopilot", ranges={key: size})))
    assert problem.path == f"isthmus:clusters[0].gke.ranges.{key}"
    assert wanted in problem.rule


def test_the_nodes_that_pools_grow_to_have_room() -> None:
    pools = [{"name": "a", "maxNodes": 40}, {"name": "b", "maxNodes": 10}]
    problem = one(configuration(made(nodePools=pools, ranges={"pods": "/17"})))
    assert problem.path == "isthmus:clusters[0].gke.ranges.pods"
    assert problem.rule == "must have room for 151 nodes, and has room for 128"
    assert "at least /16" in problem.fix
    problem = one(configuration(made(nodePools=pools, ranges={"nodes": "/25"})))
    assert problem.path == "isthmus:clusters[0].gke.ranges.nodes"
    assert "at least /24" in problem.fix


def test_fewer_zones_need_less_room() -> None:
    pools = [{"name": "a", "maxNodes": 100}]
    zones = ["europe-west1-b"]
    assert config.parse(configuration(made(nodePools=pools, zones=zones, ranges={"pods": "/17"})))


def test_all_ranges_have_room_in_the_range_of_all() -> None:
    problem = refused(configuration(EU, US, gcp=GCP | {"ranges": "10.64.0.0/16"}))[0]
    assert problem.path == "isthmus:gcp.ranges"
    assert "isthmus:clusters[0].gke.ranges" in problem.rule


def test_ranges_that_overlap_are_refused_at_the_later_one() -> None:
    problem = one(
        configuration(
            made(ranges={"pods": "10.66.0.0/15"}), made(US, ranges={"services": "10.67.16.0/20"})
        )
    )
    assert problem.path == "isthmus:clusters[1].gke.ranges.services"
    assert problem.rule == "overlaps pods of eu, 10.66.0.0/15"
    outside = one(configuration(EU, gcp=GCP | {"otherRanges": ["10.64.128.0/17"]}))
    assert outside.path == "isthmus:gcp.otherRanges[0]"


def test_given_vpcs_and_subnets_are_those_of_clusters() -> None:
    unused = one(configuration(EU, gcp=GCP | {"vpcs": [{"name": "m"}]}))
    assert unused.path == "isthmus:gcp.vpcs[0].name"
    assert "name one of: n" in unused.fix
    assert config.parse(configuration(EU, gcp=GCP | {"vpcs": [{"name": "n"}]}))
    nowhere = one(configuration(made(subnet="there")))
    assert nowhere.path == "isthmus:clusters[0].gke.subnet"


def test_a_region_without_a_subnet_is_refused() -> None:
    gcp = GCP | {"vpcs": [{"name": "n", "subnets": [SUBNET]}]}
    assert config.parse(configuration(EU, gcp=gcp))
    problem = one(configuration(EU, US, gcp=gcp))
    assert problem.path == "isthmus:clusters[1].gke.region"
    assert "there in europe-west1" in problem.rule
    assert "list a subnet in us-central1" in problem.fix


def test_one_subnet_is_one_clusters() -> None:
    both = {**US, "gke": {"region": "europe-west1"}}
    gcp = GCP | {"vpcs": [{"name": "n", "subnets": [SUBNET]}]}
    assert "the subnet of eu" in one(configuration(EU, both, gcp=gcp)).rule
    other = SUBNET | {
        "name": "here",
        "nodes": "10.3.0.0/22",
        "pods": {"name": "p", "range": "10.4.0.0/16"},
        "services": {"name": "s", "range": "10.5.0.0/20"},
    }
    gcp = GCP | {"vpcs": [{"name": "n", "subnets": [SUBNET, other]}]}
    for problem in refused(configuration(EU, both, gcp=gcp)):
        assert problem.path.endswith("gke.subnet")
        assert "there, here" in problem.fix
    chosen = {**both, "gke": {**both["gke"], "subnet": "here"}}
    assert config.parse(configuration(made(subnet="there"), chosen, gcp=gcp))


def test_ranges_of_a_given_subnet_are_checked_too() -> None:
    small = SUBNET | {"pods": {"name": "p", "range": "10.1.0.0/22"}}
    gcp = GCP | {"vpcs": [{"name": "n", "subnets": [small]}]}
    problem = one(configuration(EU, gcp=gcp))
    assert "subnet there, pods" in problem.path
    assert "must have room for 10 nodes" in problem.rule
