"""Claims about which pods answer first."""

import json
from dataclasses import fields
from typing import Any

import pytest

from preflight import own_names
from spec import config
from spec.description import Description, spec_for_output
from tests.unit import meshes
from tests.unit.meshes import cluster, configuration, refused
from tests.unit.recorder import Recording

_OWN_FIRST = {"failoverPriority": ["topology.istio.io/cluster"]}
_SERVICE = {
    "namespace": "shop",
    "name": "cart",
    "ports": [{"name": "http", "port": 80}],
    "selector": {"app": "cart"},
}


def configured(
    setting: dict[str, Any] | None = None,
    *,
    of_service: dict[str, Any] | None = None,
    detection: dict[str, Any] | None = None,
    second: str = "north-net",
    **mesh: Any,
) -> dict[str, Any]:
    """Two primaries and a remote, with the policy of the mesh or of a Service, if any."""
    given = configuration(
        cluster("east", "east-net"),
        cluster("north", second),
        cluster("west", "west-net" if second == "north-net" else second, primary="east"),
    )
    settings: dict[str, Any] = {**given["mesh"], **mesh}
    given["mesh"] = settings
    given["namespaces"] = [{"name": "shop"}]
    service: dict[str, Any] = dict(_SERVICE)
    given["services"] = [service]
    more = {"outlierDetection": detection} if detection is not None else {}
    if setting is not None:
        settings["trafficPolicy"] = {"localityLbSetting": setting, **more}
    if of_service is not None:
        service["trafficPolicy"] = {"localityLbSetting": of_service}
    return given


def rules(mesh: Recording) -> dict[str, dict[str, Any]]:
    """Specs of the rules by name, without the sample's; the same in both primaries."""
    by_cluster = dict[str, dict[str, Any]]()
    for rule in mesh.of_type("DestinationRule"):
        metadata = rule.inputs["metadata"]
        if metadata["name"] != "helloworld":
            name = f"{metadata['namespace']}/{metadata['name']}"
            by_cluster.setdefault(rule.provider, {})[name] = rule.inputs["spec"]
    assert by_cluster.get("east") == by_cluster.get("north")
    assert "west" not in by_cluster, "a remote's istiod reads its primary"
    return by_cluster.get("east", {})


def test_without_the_setting_there_is_no_rule() -> None:
    assert rules(meshes.recorded(configured())) == {}


def test_every_primary_has_the_rule_for_all_services_of_the_mesh() -> None:
    mesh = meshes.recorded(configured(_OWN_FIRST))
    assert rules(mesh) == {
        "istio-system/mesh-locality": {
            "host": "*.svc.cluster.local",
            "trafficPolicy": {
                "loadBalancer": {"localityLbSetting": {"enabled": True, **_OWN_FIRST}},
                "outlierDetection": {
                    "consecutive5xxErrors": 5,
                    "consecutiveGatewayErrors": 0,
                    "interval": "10s",
                    "baseEjectionTime": "30s",
                    "maxEjectionPercent": 100,
                },
            },
        }
    }
    rule = mesh.one("DestinationRule", "east/istio-system/mesh-locality")
    assert mesh.waits_for(rule, mesh.one("isthmus:index:Webhooks", "east"))


def test_a_service_has_its_own_rule_beside_that_of_the_mesh() -> None:
    by_region = {"failover": [{"from": "eu", "to": "us"}]}
    found = rules(meshes.recorded(configured(_OWN_FIRST, of_service=by_region)))
    assert found.keys() == {"istio-system/mesh-locality", "shop/cart-locality"}
    own = found["shop/cart-locality"]
    assert own["host"] == "cart.shop.svc.cluster.local"
    setting = own["trafficPolicy"]["loadBalancer"]["localityLbSetting"]
    assert setting == {"enabled": True, **by_region}


def test_a_service_that_all_clusters_answer_has_no_outlier_detection() -> None:
    """It alone would make istiod prefer regions and zones."""
    found = rules(meshes.recorded(configured(_OWN_FIRST, of_service={"enabled": False})))
    assert found["shop/cart-locality"]["trafficPolicy"] == {
        "loadBalancer": {"localityLbSetting": {"enabled": False}}
    }


def test_the_sample_still_answers_from_every_cluster() -> None:
    """Its own rule is used instead, and has no outlier detection."""
    mesh = meshes.recorded(configured(_OWN_FIRST))
    rule = mesh.one("DestinationRule", "east-one-request-a-connection")
    assert rule.inputs["spec"]["trafficPolicy"].keys() == {"connectionPool"}


def test_the_sample_is_not_verified_again_for_a_policy() -> None:
    """Nor for a version of the program that knows the setting."""

    def job(given: dict[str, Any]) -> dict[str, Any]:
        return meshes.recorded(given).one("Job", "east-job").inputs["spec"]["template"]["metadata"]

    assert job(configured(_OWN_FIRST)) == job(configured())


def test_the_checks_read_the_policy_as_it_is_configured() -> None:
    spec = config.parse(configured({"failover": [{"from": "eu", "to": "us"}]}))
    written = json.loads(json.dumps(spec_for_output(spec)))
    assert Description.read(_output(spec=written)).spec.mesh == spec.mesh


def _output(**known: Any) -> dict[str, Any]:
    return {**{f.name: {} for f in fields(Description)}, "root": "", **known}


def test_a_rule_of_the_user_with_the_name_is_not_adopted() -> None:
    spec = config.parse(configured(_OWN_FIRST))
    for name, has in (("east", True), ("west", False)):
        (here,) = (c for c in spec.clusters if c.name == name)
        paths = own_names.of(spec, here)["istio-system"]
        assert any("destinationrules/mesh-locality" in path for path in paths) == has


_ENTRIES: dict[str, Any] = {"discovery": "entries"}
_ZONE = "topology.kubernetes.io/zone"


@pytest.mark.parametrize(
    "given",
    [
        configured({}),
        configured({"failoverPriority": ["topology.istio.io/cluster=west"]}),
        configured({"failoverPriority": ["topology.istio.io/network", _ZONE]}),
        configured({"failoverPriority": [_ZONE]}, second="east-net"),
        configured({**_OWN_FIRST, "failover": [{"from": "eu", "to": "us"}]}),
        configured(_OWN_FIRST, detection={"consecutiveGatewayErrors": 3}),
        configured(of_service=_OWN_FIRST),
    ],
)
def test_settings_with_an_effect_pass(given: dict[str, Any]) -> None:
    assert refused(given) == []


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (configured({"enabled": False}), "locality-disabled"),
        (configured(of_service={"enabled": False, **_OWN_FIRST}), "locality-disabled"),
        (
            configured(of_service=_OWN_FIRST, clusterLocal=["*.shop.svc.cluster.local"]),
            "locality-of-local-service",
        ),
        (
            configured({"failoverPriority": ["topology.istio.io/cluster=south"]}),
            "locality-cluster-unknown",
        ),
        (
            configured(
                {"failoverPriority": [f"topology.istio.io/cluster={c}" for c in ("east", "west")]}
            ),
            "locality-label-repeated",
        ),
        (configured({"failoverPriority": [_ZONE]}), "locality-label-without-effect"),
        (
            configured(
                {
                    "failoverPriority": ["topology.istio.io/network", _ZONE],
                    "failover": [{"from": "eu", "to": "us"}],
                }
            ),
            "locality-failover-contradicts",
        ),
        (configured({"failover": [{"from": "eu", "to": "eu"}]}), "locality-region-repeated"),
        (
            configured({"failover": [{"from": "eu", "to": "us"}, {"from": "eu", "to": "asia"}]}),
            "locality-region-repeated",
        ),
        (configured({}, detection={"consecutive5xxErrors": 0}), "outlier-detection-off"),
        (
            configured({}, detection={"consecutiveGatewayErrors": 5}),
            "outlier-detection-without-effect",
        ),
    ],
)
def test_settings_that_istio_ignores_are_refused(given: dict[str, Any], name: str) -> None:
    assert [p.name for p in refused(given)] == [name]


def test_a_rule_for_all_services_is_in_the_root_namespace() -> None:
    given = configured(_OWN_FIRST)
    given["mesh"]["istio"]["values"] = {"istiod": {"meshConfig": {"rootNamespace": "config"}}}
    assert [p.name for p in refused(given)] == ["locality-elsewhere"]


def test_entries_know_networks_and_no_clusters() -> None:
    given = configured(_OWN_FIRST, **_ENTRIES)
    del given["clusters"][2]["primary"]
    assert [p.name for p in refused(given)] == ["locality-label-without-effect"]
    by_network = {"failoverPriority": ["topology.istio.io/network"]}
    given["mesh"]["trafficPolicy"] = {"localityLbSetting": by_network}
    assert refused(given) == []
