"""Claims about the stacks staging and prod, and everything else created on Google Cloud."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.stand_ins import diff, gcp
from lab.stand_ins.sdk_types import SdkTypes
from spec import config
from tests.unit import meshes
from tests.unit.recorder import Recorded, Recording

_PROJECT = Path(__file__).parents[2]
_GOOGLE = ("35.191.0.0/16", "130.211.0.0/22")
_LABELS = {
    "networking.gke.io/load-balancer-type": "Internal",
    "networking.gke.io/internal-load-balancer-allow-global-access": "true",
}


def configured(stack: str) -> dict[str, Any]:
    written = yaml.safe_load((_PROJECT / f"Pulumi.{stack}.yaml").read_text())["config"]
    return {key.removeprefix("isthmus:"): value for key, value in written.items()}


@pytest.fixture(scope="module")
def staging() -> Recording:
    return meshes.recorded(configured("staging"))


@pytest.fixture(scope="module")
def prod() -> Recording:
    return meshes.recorded(configured("prod"))


@pytest.fixture(scope="module")
def given() -> Recording:
    """A cluster in a given subnet, and one that has a kubeconfig."""
    return meshes.recorded(
        {
            "mesh": {"istio": {"version": "1.31.0", "charts": "charts", "install": "release"}},
            "gcp": {
                "project": "example-test",
                "ranges": "10.64.0.0/12",
                "otherRanges": ["192.168.0.0/16"],
                "vpcs": [
                    {
                        "name": "shared",
                        "nat": False,
                        "subnets": [
                            {
                                "name": "there",
                                "region": "europe-west1",
                                "nodes": "10.0.0.0/22",
                                "pods": {"name": "p", "range": "10.1.0.0/16"},
                                "services": {"name": "s", "range": "10.2.0.0/20"},
                            }
                        ],
                    }
                ],
            },
            "clusters": [
                {"name": "made", "network": "shared", "gke": {"region": "europe-west1"}},
                meshes.cluster("own", "cellar", primary="made"),
            ],
        }
    )


def clusters(mesh: Recording) -> dict[str, Recorded]:
    return {r.inputs["name"]: r for r in mesh.of_type("gcp:container/cluster:Cluster")}


def openings(mesh: Recording, cluster: str) -> dict[str, tuple[list[str], list[str] | None]]:
    """Sources and ports of a cluster's firewall rules, by their name less the cluster's."""
    rules = dict[str, tuple[list[str], list[str] | None]]()
    for rule in mesh.of_type("gcp:compute/firewall:Firewall"):
        if rule.inputs["targetTags"] == [f"isthmus-{cluster}"]:
            assert rule.inputs["direction"] == "INGRESS"
            (allowed,) = rule.inputs["allows"]
            assert allowed["protocol"] == "tcp"
            name = rule.name.removeprefix(f"{cluster}-")
            rules[name] = rule.inputs["sourceRanges"], allowed.get("ports")
    return rules


def kubeconfig(mesh: Recording, reader: str, cluster: str) -> dict[str, Any]:
    secret = mesh.one("Secret", f"{reader}/reads/{cluster}-secret")
    return yaml.safe_load(secret.inputs["stringData"][cluster])


def test_every_input_is_one_of_the_installed_package(
    staging: Recording, prod: Recording, given: Recording
) -> None:
    types = SdkTypes("pulumi_gcp")
    seen = set[str]()
    for mesh in (staging, prod, given):
        for resource in mesh:
            if resource.type.startswith("gcp:"):
                seen.add(resource.type.rpartition(":")[2])
                inputs = json.loads(json.dumps(resource.inputs), parse_float=_whole)
                assert types.problems(resource.type, inputs) == [], resource.key
    assert {"Cluster", "NodePool", "Network", "NetworkPeering", "Subnetwork", "RouterNat"} <= seen


def _whole(text: str) -> float | int:
    return int(float(text)) if float(text).is_integer() else float(text)


def test_everything_on_google_cloud_is_of_the_one_provider_with_the_project(
    prod: Recording,
) -> None:
    provider = prod.one("pulumi:providers:gcp", "gcp")
    assert provider.inputs["project"] == "example-prod"
    for resource in prod:
        if resource.type.startswith("gcp:"):
            assert resource.provider == "gcp", resource.key


def test_each_cluster_has_a_provider_that_waits_for_it(prod: Recording) -> None:
    providers = {p.name: p for p in prod.of_type("pulumi:providers:kubernetes")}
    assert set(providers) == set(clusters(prod)) == {"eu", "us-east", "us-west"}
    for name, provider in providers.items():
        assert provider.inputs["clusterIdentifier"] == name
        assert "kubeconfig" in provider.secret_paths
        assert prod.waits_for(provider, clusters(prod)[name])


def test_people_and_this_program_log_in_by_the_plugin_and_istiods_by_a_token(
    prod: Recording,
) -> None:
    for provider in prod.of_type("pulumi:providers:kubernetes"):
        access = json.loads(provider.inputs["kubeconfig"])
        assert access["users"][0]["user"]["exec"]["command"] == "gke-gcloud-auth-plugin"
        assert access["clusters"][0]["cluster"] == {"server": f"https://{provider.name}.gke.test"}
    secrets = [s for s in prod.of_type("Secret") if "/reads/" in s.name]
    assert len(secrets) == 4
    for secret in secrets:
        (text,) = secret.inputs["stringData"].values()
        assert yaml.safe_load(text)["users"][0]["user"] == {"token": "token"}
        assert "exec" not in text


def test_istiod_reaches_api_servers_of_its_vpc_privately_and_others_by_name(
    prod: Recording,
) -> None:
    near = kubeconfig(prod, "us-east", "us-west")["clusters"][0]["cluster"]
    assert near == {
        "server": "https://private.us-west.test",
        "certificate-authority-data": "Y2E=",
    }
    far = kubeconfig(prod, "eu", "us-west")["clusters"][0]["cluster"]
    assert far == {"server": "https://us-west.gke.test"}, "a public CA has signed for the name"


def test_an_api_server_lets_in_those_that_read_it_and_no_others(
    staging: Recording, prod: Recording
) -> None:
    def doors(cluster: Recorded) -> tuple[list[str], bool]:
        networks = cluster.inputs["masterAuthorizedNetworksConfig"]
        assert networks["privateEndpointEnforcementEnabled"] is True
        assert networks["gcpPublicCidrsAccessEnabled"] is False
        named = cluster.inputs["controlPlaneEndpointsConfig"]["dnsEndpointConfig"]
        readers = [b["displayName"] for b in networks.get("cidrBlocks") or []]
        return readers, named["enableK8sTokensViaDns"]

    assert {n: doors(c) for n, c in clusters(staging).items()} == {
        "eu": ([], False),
        "us": (["eu"], False),
    }
    assert {n: doors(c) for n, c in clusters(prod).items()} == {
        "eu": ([], True),
        "us-east": ([], True),
        "us-west": (["us-east"], True),
    }


def test_clusters_are_private_and_vpc_native(staging: Recording, prod: Recording) -> None:
    for mesh in (staging, prod):
        for name, cluster in clusters(mesh).items():
            private = cluster.inputs["privateClusterConfig"]
            assert private["enablePrivateNodes"] is True
            assert private["enablePrivateEndpoint"] is True
            assert private["masterGlobalAccessConfig"] == {"enabled": True}
            assert cluster.inputs["ipAllocationPolicy"] == {
                "clusterSecondaryRangeName": "pods",
                "servicesSecondaryRangeName": "services",
            }
            subnet = mesh.one("gcp:compute/subnetwork:Subnetwork", f"{name}-subnet")
            assert cluster.inputs["subnetwork"] == f"{name}-subnet-id"
            assert subnet.inputs["privateIpGoogleAccess"] is True
            assert subnet.inputs["region"] == cluster.inputs["location"]


def test_ranges_are_those_of_the_plan(staging: Recording) -> None:
    found = {
        r.name: (
            r.inputs["ipCidrRange"],
            *(s["ipCidrRange"] for s in r.inputs["secondaryIpRanges"]),
        )
        for r in staging.of_type("gcp:compute/subnetwork:Subnetwork")
    }
    assert found == {
        "eu-subnet": ("10.65.16.0/22", "10.64.0.0/16", "10.65.0.0/20"),
        "us-subnet": ("10.65.24.0/22", "10.66.0.0/16", "10.65.32.0/20"),
    }


def test_standard_and_autopilot_have_what_a_mesh_needs(prod: Recording) -> None:
    standard, autopilot = clusters(prod)["eu"].inputs, clusters(prod)["us-east"].inputs
    assert standard["workloadIdentityConfig"] == {"workloadPool": "example-prod.svc.id.goog"}
    assert standard["enableL4IlbSubsetting"] is True
    assert standard["removeDefaultNodePool"] is True
    assert "enableAutopilot" not in standard
    assert autopilot["enableAutopilot"] is True
    assert autopilot["allowNetAdmin"] is True, "the sidecar's init container sets iptables"
    assert autopilot["nodePoolAutoConfig"] == {"networkTags": {"tags": ["isthmus-us-east"]}}
    assert not {"nodeConfig", "initialNodeCount", "removeDefaultNodePool"} & set(autopilot)
    assert {c["channel"] for c in (standard["releaseChannel"], autopilot["releaseChannel"])} == {
        "STABLE"
    }


def test_only_standard_clusters_have_their_own_node_pools(prod: Recording) -> None:
    pools = {r.name: r.inputs for r in prod.of_type("gcp:container/nodePool:NodePool")}
    assert set(pools) == {"eu-mesh", "eu-apps"}
    assert pools["eu-apps"]["autoscaling"] == {"minNodeCount": 2, "maxNodeCount": 40}
    node = pools["eu-apps"]["nodeConfig"]
    assert node["machineType"] == "n2-standard-8"
    assert node["tags"] == ["isthmus-eu"], "firewall rules are for nodes with the tag"
    assert node["workloadMetadataConfig"] == {"mode": "GKE_METADATA"}
    assert "name" not in pools["eu-apps"], "a new one can stand before the old one goes"


def test_the_firewall_lets_in_what_crosses_on_one_network(staging: Recording) -> None:
    us_pods, us_nodes, us_api = "10.66.0.0/16", "10.65.24.0/22", "10.65.20.16/28"
    assert openings(staging, "eu") == {
        "webhooks": (["10.65.20.0/28"], ["15017"]),
        "pods": ([us_pods], None),
        "discovery": ([us_pods], ["15012"]),
        "remotes": ([us_api, us_nodes, us_pods], ["15017"]),
        "health": ([*_GOOGLE], ["15021", "10256"]),
    }
    assert openings(staging, "us") == {
        "webhooks": ([us_api], ["15017"]),
        "pods": (["10.64.0.0/16"], None),
    }


def test_the_firewall_lets_in_what_crosses_networks(prod: Recording) -> None:
    eu_pods = "10.128.0.0/15"
    found = {name: openings(prod, name) for name in clusters(prod)}
    assert found["eu"]["gateway"] == (["10.131.0.0/16", "10.132.0.0/16"], ["15443"])
    assert "pods" not in found["eu"]
    assert "discovery" not in found["eu"]
    assert found["us-east"]["gateway"] == ([eu_pods], ["15443"])
    assert found["us-east"]["pods"] == (["10.132.0.0/16"], None)
    assert found["us-west"]["gateway"] == ([eu_pods], ["15443"])
    assert "discovery" not in found["us-west"]
    for rules in found.values():
        assert rules["health"] == ([*_GOOGLE], ["15021", "10256"])
        assert not [s for sources, _ in rules.values() for s in sources if s.endswith("/0")]


def test_load_balancers_are_internal_reached_from_all_regions_and_by_the_mesh_alone(
    staging: Recording, prod: Recording
) -> None:
    balancers = [
        (mesh, service)
        for mesh in (staging, prod)
        for service in mesh.of_type("Service")
        if service.inputs["spec"].get("type") == "LoadBalancer"
    ]
    names = {s.name for _, s in balancers}
    assert names == {"eu-istiod-remotes", "eu-service", "us-east-service", "us-west-service"}
    for mesh, service in balancers:
        assert service.inputs["metadata"]["annotations"].items() >= _LABELS.items()
        rules = openings(mesh, service.provider)
        crossing = {"gateway", "discovery", "remotes"}
        let_in = {s for name in crossing & set(rules) for s in rules[name][0]}
        assert set(service.inputs["spec"]["loadBalancerSourceRanges"]) == let_in
        assert let_in


def test_vpcs_of_one_mesh_are_peered_from_both_sides(staging: Recording, prod: Recording) -> None:
    assert not staging.of_type("gcp:compute/networkPeering:NetworkPeering")
    peerings = prod.of_type("gcp:compute/networkPeering:NetworkPeering")
    assert {(p.inputs["network"], p.inputs["peerNetwork"]) for p in peerings} == {
        ("networks-prod-eu-id", "networks-prod-us-id"),
        ("networks-prod-us-id", "networks-prod-eu-id"),
    }
    first, second = sorted(peerings, key=lambda p: len(p.dependencies))
    assert prod.waits_for(second, first), "Google Cloud changes them one at a time"
    connected = configured("prod")
    connected["gcp"]["peering"] = False
    mesh = meshes.recorded(connected)
    assert not mesh.of_type("gcp:compute/networkPeering:NetworkPeering")


def test_destroy_removes_load_balancers_before_what_carries_them(
    staging: Recording, prod: Recording
) -> None:
    """What is created later is deleted earlier."""
    for mesh, vpc, cluster, service in (
        (staging, "networks-staging", "eu", "eu-istiod-remotes"),
        (prod, "networks-prod-us", "us-east", "us-east-service"),
        (prod, "networks-prod-eu", "eu", "eu-service"),
    ):
        steps = [
            mesh.one("gcp:compute/network:Network", vpc),
            mesh.one("gcp:compute/subnetwork:Subnetwork", f"{cluster}-subnet"),
            mesh.one("gcp:compute/routerNat:RouterNat", f"{cluster}-nat"),
            clusters(mesh)[cluster],
            mesh.one("pulumi:providers:kubernetes", cluster),
            mesh.one("Service", service),
        ]
        for earlier, later in pairwise(steps):
            assert mesh.waits_for(later, earlier), f"{later.key} does not wait for {earlier.key}"
        for kind in ("firewall:Firewall", "networkPeering:NetworkPeering"):
            for way in mesh.of_type(f"gcp:compute/{kind}"):
                if way.name.startswith((f"{cluster}-", "prod-")):
                    assert mesh.waits_for(steps[-1], way), way.key
        for pool in mesh.of_type("gcp:container/nodePool:NodePool"):
            if pool.name.startswith(f"{cluster}-"):
                assert mesh.waits_for(steps[-1], pool)


def test_everything_in_a_cluster_is_gone_before_the_cluster(prod: Recording) -> None:
    for resource in prod:
        if resource.type.startswith("kubernetes:"):
            assert prod.waits_for(resource, clusters(prod)[resource.provider]), resource.key


def test_prod_is_protected_from_deletion_and_staging_is_not(
    staging: Recording, prod: Recording
) -> None:
    assert {c.inputs["deletionProtection"] for c in clusters(prod).values()} == {True}
    assert {c.inputs["deletionProtection"] for c in clusters(staging).values()} == {False}


def test_prod_has_strict_mtls_in_every_primary(prod: Recording) -> None:
    policies = prod.of_type("security.istio.io/v1:PeerAuthentication")
    assert {p.provider: p.inputs["spec"] for p in policies} == {
        "eu": {"mtls": {"mode": "STRICT"}},
        "us-east": {"mtls": {"mode": "STRICT"}},
    }


def replaced(before: Recording, after: Recording) -> set[str]:
    """What a change of the configuration replaces, according to the stand-in for the plugin."""
    old = {r.key: r for r in before}
    found = set[str]()
    for new in after:
        if new.key in old and new.type in gcp.REPLACES:
            changed = [
                path
                for path in diff.changes(dict(old[new.key].inputs), dict(new.inputs))
                if str(path[0]) not in new.ignore_changes
            ]
            if any(diff.within(path, gcp.REPLACES[new.type]) for path in changed):
                found.add(new.name)
    return found


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({"version": "1.34"}, set[str]()),
        ({"releaseChannel": "rapid"}, set[str]()),
        ({"deletionProtection": True}, set[str]()),
        ({"nodePools": [{"name": "mesh", "machineType": "n2-standard-8"}]}, set[str]()),
        ({"nodePools": [{"name": "mesh", "minNodes": 3, "maxNodes": 9}]}, set[str]()),
        ({"nodePools": [{"name": "mesh"}, {"name": "more"}]}, set[str]()),
        ({"nodePools": [{"name": "other"}]}, set[str]()),
        ({"nodePools": [{"name": "mesh", "spot": True}]}, {"us-mesh"}),
        ({"region": "us-east4"}, {"us-cluster", "us-mesh"}),
    ],
)
def test_a_change_of_version_or_node_pool_replaces_no_cluster(
    staging: Recording, changes: dict[str, Any], gone: set[str]
) -> None:
    changed = configured("staging")
    changed["clusters"][1]["gke"] |= changes
    assert replaced(staging, meshes.recorded(changed)) == gone


def test_one_more_cluster_leaves_the_others_as_they_are(prod: Recording) -> None:
    more = configured("prod")
    more["clusters"].append(
        {"name": "asia", "network": "prod-asia", "gke": {"region": "asia-southeast1"}}
    )
    after = meshes.recorded(more)
    for subnet in prod.of_type("gcp:compute/subnetwork:Subnetwork"):
        assert after.one("gcp:compute/subnetwork:Subnetwork", subnet.name).inputs == subnet.inputs
    assert replaced(prod, after) == set()


def test_a_given_subnet_is_used_and_not_created(given: Recording) -> None:
    for kind in ("network:Network", "subnetwork:Subnetwork", "router:Router"):
        assert not given.of_type(f"gcp:compute/{kind}")
    made = clusters(given)["made"].inputs
    assert made["network"] == "projects/example-test/global/networks/shared"
    assert made["subnetwork"].endswith("/regions/europe-west1/subnetworks/there")
    assert made["ipAllocationPolicy"] == {
        "clusterSecondaryRangeName": "p",
        "servicesSecondaryRangeName": "s",
    }


def test_clusters_with_a_kubeconfig_call_from_the_configured_ranges(given: Recording) -> None:
    other = ["192.168.0.0/16"]
    assert openings(given, "made")["gateway"] == (other, ["15443"])
    assert openings(given, "made")["discovery"] == (other, ["15012"])
    service = given.one("Service", "made-service")
    assert service.inputs["spec"]["loadBalancerSourceRanges"] == other
    own = given.one("Service", "own-service").inputs
    assert "networking.gke.io/load-balancer-type" not in own["metadata"]["annotations"]
    assert not own["spec"].get("loadBalancerSourceRanges")


def test_no_stack_names_a_real_project() -> None:
    for stack in ("staging", "prod"):
        assert configured(stack)["gcp"]["project"] == f"example-{stack}"
        assert config.parse(configured(stack)).clusters
