"""Claims about meshes that cannot work, and are refused without a look at a cluster.

Each has one configuration that passes and one that is refused.
"""

from typing import Any

import pytest

from spec import config, rules
from spec.problems import MeshRefusedError, Problem
from tests.unit.meshes import cluster, configuration, refused, two_networks


def found(configured: dict[str, Any]) -> list[Problem]:
    """What all rules say, warnings too."""
    return rules.check(config.parse_types(configured))


def only(configured: dict[str, Any]) -> Problem:
    (problem,) = found(configured)
    return problem


def values(**istiod: Any) -> dict[str, Any]:
    return two_networks(values={"istiod": istiod})


def one_network(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    return configuration(cluster("a", "n", ranges=first), cluster("b", "n", ranges=second))


def test_ordinary_meshes_pass() -> None:
    assert not found(two_networks())
    assert not found(configuration(cluster("a", "n"), cluster("b", "n"), cluster("c", "m")))


@pytest.mark.parametrize("name", ["Kubernetes", "east_1", "-east", "e" * 64, "eu.east", ""])
def test_a_clusters_name_is_a_dns_label(name: str) -> None:
    with pytest.raises(MeshRefusedError) as refusal:
        config.parse_types(configuration(cluster(name, "n")))
    (problem,) = refusal.value.problems
    assert (problem.path, problem.value) == ("isthmus:clusters[0].name", name)


def test_the_longest_name_fits_wherever_it_is_written() -> None:
    assert not found(configuration(cluster("e" * 63, "n" * 63)))
    assert len(f"istio-remote-secret-{'e' * 63}") < 253


def test_primaries_in_a_circle_are_refused() -> None:
    circle = configuration(cluster("a", "n", primary="b"), cluster("b", "n", primary="a"))
    assert [p.path for p in found(circle)] == [
        "isthmus:clusters",
        "isthmus:clusters[0].primary",
        "isthmus:clusters[1].primary",
    ]


@pytest.mark.parametrize(
    ("first", "second", "rule"),
    [
        (
            {"pods": ["10.0.0.0/14"]},
            {"pods": ["10.8.0.0/16", "10.2.0.0/16"]},
            "pods of a have 10.0.0.0/14 and pods of b 10.2.0.0/16",
        ),
        (
            {"services": ["10.96.0.0/12"]},
            {"pods": ["10.100.0.0/16"]},
            "pods of b have 10.100.0.0/16 and Services of a 10.96.0.0/12",
        ),
        ({"pods": ["fd00::/48"]}, {"pods": ["fd00:0:0:1::/64"]}, "fd00::/48"),
    ],
)
def test_clusters_of_one_network_have_separate_addresses(
    first: dict[str, Any], second: dict[str, Any], rule: str
) -> None:
    problem = only(one_network(first, second))
    assert problem.path == "isthmus:clusters[1].network"
    assert rule in problem.rule
    apart = configuration(cluster("a", "n", ranges=first), cluster("b", "m", ranges=second))
    assert not found(apart), "between networks there are gateways"


def test_ranges_that_do_not_meet_pass_and_those_of_services_may_be_the_same() -> None:
    services = {"services": ["10.96.0.0/12"]}
    assert not found(
        one_network(
            {"pods": ["10.0.0.0/16", "fd00::/48"], **services},
            {"pods": ["10.1.0.0/16"], **services},
        )
    )


def test_a_range_with_host_bits_is_refused_with_its_place() -> None:
    with pytest.raises(MeshRefusedError) as refusal:
        config.parse_types(one_network({"pods": ["10.0.0.1/16"]}, {}))
    (problem,) = refusal.value.problems
    assert problem.path == "isthmus:clusters[0].ranges.pods[0]"


@pytest.mark.parametrize(
    "server",
    ["https://127.0.0.1:6443", "https://localhost:6443", "https://0.0.0.0", "https://[::1]"],
)
def test_an_api_server_that_others_watch_has_an_address_for_others(server: str) -> None:
    mesh = two_networks()
    mesh["clusters"][1]["apiServer"] = {"server": "https://10.0.0.1:6443"}
    assert not found(mesh)
    mesh["clusters"][1]["apiServer"] = {"server": server}
    problem = only(mesh)
    assert problem.path == "isthmus:clusters[1].apiServer.server"
    assert "istiod of east watches west" in problem.rule


def test_an_istio_without_remotes_in_its_charts_is_refused() -> None:
    old = found(two_networks(version="1.23.4"))
    assert [p.name for p in old] == ["istio-too-old", "istio-unsupported"]
    assert [p.name for p in found(two_networks(version="1.24.0"))] == ["istio-unsupported"]


def test_a_setting_with_which_istiod_crashes_is_refused() -> None:
    name = "PILOT_ENABLE_REMOTE_CREDENTIALS_CONTROLLER"
    for value in (False, "false"):
        (problem,) = refused(two_networks(values={"istiod": {"env": {name: value}}}))
        assert problem.path == f"isthmus:mesh.istio.values.istiod.env.{name}"
    assert not refused(two_networks(values={"istiod": {"env": {name: "true"}}}))


def test_an_istio_that_forgets_endpoints_causes_a_warning() -> None:
    problem = only(two_networks(version="1.30.3"))
    assert "1.30.4 or later" in problem.fix
    assert not problem.refuses
    assert not found(two_networks(version="1.30.4"))
    assert not found(configuration(cluster("alone", "n"), version="1.30.3"))


def test_images_of_another_version_cause_a_warning() -> None:
    assert not only(values(**{"global": {"tag": "1.30.0"}})).refuses
    assert not found(values(**{"global": {"tag": "1.31.0-distroless"}}))


@pytest.mark.parametrize("hub", ["gcr.io/istio-release", "registry.istio.io/release"])
def test_images_where_istio_publishes_none_cause_a_warning(hub: str) -> None:
    problem = only(values(**{"global": {"hub": hub}}))
    assert (problem.name, problem.refuses) == ("images-retired", False)
    assert "docker.io/istio" in problem.fix
    assert not found(values(**{"global": {"hub": "docker.io/istio"}}))


def test_a_cluster_domain_that_gateways_do_not_let_through_is_refused() -> None:
    problem = only(values(**{"global": {"proxy": {"clusterDomain": "corp.example"}}}))
    assert problem.path.endswith("values.istiod.global.proxy.clusterDomain")
    assert not found(values(**{"global": {"proxy": {"clusterDomain": "cluster.local"}}}))


def test_a_trust_domain_is_a_domain() -> None:
    assert "spiffe://" in only(values(meshConfig={"trustDomain": "spiffe://a.example"})).rule
    assert not found(values(meshConfig={"trustDomain": "a.example"}))


@pytest.mark.parametrize(
    "istiod",
    [
        {"env": {"CLUSTER_ID": "east"}},
        {"env": {"EXTERNAL_ISTIOD": "false"}},
        {"meshConfig": {"defaultConfig": {"meshId": "other"}}},
        {"meshConfig": {"defaultConfig": {"discoveryAddress": "istiod:15012"}}},
    ],
)
def test_an_identity_is_not_written_twice(istiod: dict[str, Any]) -> None:
    assert "is derived from the clusters" in only(values(**istiod)).rule


@pytest.mark.parametrize(("mtls", "refuses"), [("strict", True), ("permissive", False)])
def test_strict_mtls_is_refused_where_it_would_hold_in_one_namespace(
    mtls: str, refuses: bool
) -> None:
    configured = two_networks(values={"istiod": {"meshConfig": {"rootNamespace": "istio-config"}}})
    configured["mesh"]["mtls"] = mtls
    assert [p.name for p in refused(configured)] == ["strict-mtls-elsewhere"] * refuses


@pytest.mark.parametrize("value", [True, "true", "1", "True"])
@pytest.mark.parametrize("pilot", [False, True])
def test_networks_for_ambient_are_refused_where_pods_have_sidecars(
    value: object, pilot: bool
) -> None:
    env = {"env": {"AMBIENT_ENABLE_MULTI_NETWORK": value}}
    problem = only(values(**({"pilot": env} if pilot else env)))
    assert problem.name == "ambient-with-sidecars"
    assert problem.refuses
    assert "istio/istio#57878" in problem.reason


def test_networks_for_ambient_that_are_off_are_no_problem() -> None:
    assert not found(values(env={"AMBIENT_ENABLE_MULTI_NETWORK": "false"}))
