"""Claims about the paths to a control plane."""

import json
import re
import socket
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from components.control_plane_service import INTERNAL, Cloud
from spec import config, rules
from spec.problems import MeshRefusedError, Problem
from tests.unit import meshes
from tests.unit.meshes import cluster, configuration


def one_network(**control_plane: Any) -> dict[str, Any]:
    return configuration(
        cluster("a", "net", controlPlane=control_plane), cluster("b", "net", primary="a")
    )


@pytest.mark.parametrize(
    ("cloud", "annotation"),
    [
        ("gke", "networking.gke.io/internal-load-balancer-allow-global-access"),
        ("aks", "service.beta.kubernetes.io/azure-load-balancer-internal"),
        ("eks", "service.beta.kubernetes.io/aws-load-balancer-scheme"),
    ],
)
def test_an_internal_load_balancer_has_its_clouds_annotations(cloud: str, annotation: str) -> None:
    mesh = meshes.recorded(one_network(exposure="internal-load-balancer", cloud=cloud))
    service = mesh.one("Service", "a-istiod-remotes")
    assert annotation in service.inputs["metadata"]["annotations"]
    assert [int(p["port"]) for p in service.inputs["spec"]["ports"]] == [15012, 15017]


@pytest.mark.parametrize("cloud", ["aks", "eks"])
def test_the_clouds_page_has_every_annotation_with_its_reason(cloud: Cloud) -> None:
    page = (Path(__file__).parents[2] / f"docs/{cloud}.md").read_text()
    row = re.compile(r"^\| `(\S+/\S+)` \| `(\S+)` \| \S", re.MULTILINE)
    assert dict(row.findall(page)) == INTERNAL[cloud]


def test_an_address_of_one_zone_leads_to_the_pods_of_all_zones() -> None:
    attributes = INTERNAL["eks"]["service.beta.kubernetes.io/aws-load-balancer-attributes"]
    assert "load_balancing.cross_zone.enabled=true" in attributes.split(",")


def test_a_control_plane_with_its_own_service_needs_no_gateway_on_one_network() -> None:
    mesh = meshes.recorded(one_network(exposure="load-balancer"))
    assert not mesh.of_type("isthmus:index:ClusterAwareGateway")
    service = mesh.one("Service", "a-istiod-remotes")
    assert service.inputs["metadata"]["annotations"].keys() == {
        "isthmus/written",
        "pulumi.com/waitFor",
    }
    chart = mesh.one("helm.sh/v4:Chart", "b-istiod")
    assert mesh.waits_for(chart, service)
    assert chart.inputs["values"]["global"]["remotePilotAddress"].startswith("192.0.2.")


def test_a_load_balancer_is_waited_for_as_it_is_after_the_update() -> None:
    """Services have no generation, so the provider can take the one before for the new one."""
    waits = set[str]()
    for given in (dev(), dev(statusPort=True), dev(annotations={"mine": "yes"})):
        annotations = (
            meshes.recorded(given).one("Service", "west-service").inputs["metadata"]["annotations"]
        )
        address, itself = json.loads(annotations["pulumi.com/waitFor"])
        assert address == "jsonpath={.status.loadBalancer.ingress}"
        digest = annotations["isthmus/written"]
        assert itself == f"jsonpath={{.metadata.annotations['isthmus/written']}}={digest}"
        waits.add(itself)
    assert len(waits) == 3, "an older form of the Service would do"


def test_the_pods_own_address_is_read_when_istiod_is_ready() -> None:
    mesh = meshes.recorded(one_network(exposure="pod-ip"))
    mark = mesh.one("ServicePatch", "a-istiod")
    assert mesh.waits_for(mark, mesh.one("MutatingWebhookConfigurationPatch", "a-injector"))
    values = mesh.one("helm.sh/v4:Chart", "b-istiod").inputs["values"]
    assert values["global"]["remotePilotAddress"] == "198.51.100.7"


def refusal(configured: dict[str, Any]) -> list[str]:
    with pytest.raises(MeshRefusedError) as refused:
        config.parse(configured)
    return [p.path for p in refused.value.problems]


def test_a_pods_address_is_of_no_use_to_another_network() -> None:
    configured = configuration(
        cluster("a", "n1", controlPlane={"exposure": "pod-ip"}), cluster("b", "n2", primary="a")
    )
    assert refusal(configured) == ["isthmus:clusters[0].controlPlane.exposure"]


def test_an_internal_load_balancer_without_a_cloud_would_be_public() -> None:
    assert refusal(one_network(exposure="internal-load-balancer")) == [
        "isthmus:clusters[0].controlPlane.cloud"
    ]


def test_annotations_without_a_load_balancer_are_refused() -> None:
    assert refusal(one_network(exposure="gateway", annotations={"a": "b"})) == [
        "isthmus:clusters[0].controlPlane.annotations"
    ]


def test_the_last_remote_can_go_without_another_change() -> None:
    configured = configuration(cluster("a", "net", controlPlane={"exposure": "gateway"}))
    spec = config.parse(configured)
    assert not spec.has_gateway(spec.clusters[0])


def resolver(*answers: str) -> Callable[..., list[Any]]:
    """A name service that knows of one name."""

    def look_up(host: str, *_: object, **__: object) -> list[Any]:
        if host != "lb.test":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        families = {4: socket.AF_INET, 6: socket.AF_INET6}
        return [
            (families[ip_address(a).version], socket.SOCK_STREAM, 6, "", (a, 0)) for a in answers
        ]

    return look_up


@pytest.mark.parametrize(
    ("answers", "taken", "further"),
    [
        (["203.0.113.20", "203.0.113.9"], "203.0.113.9", ["203.0.113.20"]),
        (["2001:db8::1", "203.0.113.20"], "203.0.113.20", []),
        (["2001:db8::2", "2001:db8::1"], "2001:db8::1", ["2001:db8::2"]),
    ],
)
def test_a_remote_knows_all_addresses_of_a_load_balancer_with_a_host_name(
    monkeypatch: pytest.MonkeyPatch, answers: list[str], taken: str, further: list[str]
) -> None:
    """The lowest is the one that stays: the chart takes one."""
    monkeypatch.setattr(socket, "getaddrinfo", resolver(*answers))
    given = one_network(exposure="load-balancer")
    mesh = meshes.recorded(given, a_istiod_remotes="lb.test")
    values = mesh.one("helm.sh/v4:Chart", "b-istiod").inputs["values"]
    assert values["global"]["remotePilotAddress"] == taken
    known = mesh.one("EndpointSlice", "b-istiod-addresses").inputs
    assert [e["addresses"] for e in known["endpoints"]] == [[a] for a in (taken, *further)]
    assert known["addressType"] == f"IPv{ip_address(taken).version}"
    assert [int(p["port"]) for p in known["ports"]] == [15012, 15017]
    assert known["metadata"]["labels"]["kubernetes.io/service-name"] == "istiod"


def test_entries_lead_to_addresses_where_gateways_have_host_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver("203.0.113.9"))
    given = configuration(cluster("a", "n1"), cluster("b", "n2"))
    given["mesh"]["discovery"] = "entries"
    mesh = meshes.recorded(given, b_service="lb.test")
    (entry,) = (r for r in mesh.of_type("ServiceEntry") if r.provider == "a")
    assert [e["address"] for e in entry.inputs["spec"]["endpoints"]] == ["203.0.113.9"]


def test_a_host_name_that_does_not_resolve_is_reported_with_its_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver())
    monkeypatch.setattr("components.load_balancer._TRIES", 1)
    with pytest.raises(ValueError, match="host name typo.test, which does not resolve") as error:
        meshes.recorded(one_network(exposure="load-balancer"), a_istiod_remotes="typo.test")
    assert "Service istiod-remotes in cluster a" in str(error.value)


def test_a_new_host_name_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()

    def look_up(host: str, *given: object, **more: object) -> list[Any]:
        asked.append(host)
        return resolver("203.0.113.9")("too.early" if len(asked) < 3 else host, *given, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr("components.load_balancer._PAUSE_SECONDS", 0)
    meshes.recorded(one_network(exposure="load-balancer"), a_istiod_remotes="lb.test")
    assert len(asked) == 3


def dev(**gateways: Any) -> dict[str, Any]:
    """Stack dev with settings of its gateways."""
    configured = meshes.two_networks()
    configured["mesh"]["gateways"] = gateways
    return configured


def warnings(configured: dict[str, Any]) -> list[Problem]:
    return [
        p for p in rules.check(config.parse_types(configured)) if p.name == "load-balancer-open"
    ]


def test_source_ranges_restrict_every_gateway() -> None:
    mesh = meshes.recorded(dev(sourceRanges=["10.0.0.0/8", "2001:db8::/32"]))
    for name in ("east-service", "west-service"):
        spec = mesh.one("Service", name).inputs["spec"]
        assert spec["loadBalancerSourceRanges"] == ["10.0.0.0/8", "2001:db8::/32"]


def test_source_ranges_restrict_a_control_planes_own_load_balancer() -> None:
    mesh = meshes.recorded(one_network(exposure="load-balancer", sourceRanges=["10.0.0.0/8"]))
    spec = mesh.one("Service", "a-istiod-remotes").inputs["spec"]
    assert spec["loadBalancerSourceRanges"] == ["10.0.0.0/8"]
    assert refusal(one_network(exposure="gateway", sourceRanges=["10.0.0.0/8"])) == [
        "isthmus:clusters[0].controlPlane.sourceRanges"
    ]


def test_a_cloud_makes_the_gateways_internal() -> None:
    configured = dev(cloud="aks", annotations={"mine": "kept"})
    configured["clusters"][1]["gateway"] = {"annotations": {"mine": "west's"}}
    mesh = meshes.recorded(configured)
    found = {n: mesh.one("Service", f"{n}-service").inputs["metadata"] for n in ("east", "west")}
    internal = "service.beta.kubernetes.io/azure-load-balancer-internal"
    assert {n: m["annotations"][internal] for n, m in found.items()} == {
        "east": "true",
        "west": "true",
    }
    assert {n: m["annotations"]["mine"] for n, m in found.items()} == {
        "east": "kept",
        "west": "west's",
    }


def test_a_load_balancer_that_might_be_public_causes_a_warning() -> None:
    (warning,) = warnings(dev())
    assert warning.path == "isthmus:mesh.gateways.sourceRanges"
    assert "east, west" in warning.rule
    assert not warning.refuses
    (warning,) = warnings(one_network(exposure="load-balancer"))
    assert warning.path == "isthmus:clusters[0].controlPlane.sourceRanges"


@pytest.mark.parametrize(
    "gateways",
    [
        {"sourceRanges": ["10.0.0.0/8"]},
        {"cloud": "eks"},
        {"annotations": {"networking.gke.io/load-balancer-type": "Internal"}},
    ],
)
def test_one_that_is_internal_or_restricted_is_not(gateways: dict[str, Any]) -> None:
    assert not warnings(dev(**gateways))


def test_an_annotation_that_says_no_is_not_enough() -> None:
    public = {"service.beta.kubernetes.io/azure-load-balancer-internal": "false"}
    assert warnings(dev(annotations=public))


def test_the_gateway_lets_only_istiods_clients_through_to_istiod() -> None:
    mesh = meshes.recorded(meshes.two_networks())
    own = ["istiod.istio-system.svc", "istiod.istio-system.svc.cluster.local"]
    gateway = mesh.one("Gateway", "east-expose-istiod").inputs["spec"]
    assert [s["hosts"] for s in gateway["servers"]] == [own, own]
    route = mesh.one("VirtualService", "east-route-istiod").inputs["spec"]
    assert route["hosts"] == own
    assert [m["sniHosts"] for r in route["tls"] for m in r["match"]] == [own, own]


def test_the_status_port_is_public_only_on_request() -> None:
    def ports(configured: dict[str, Any]) -> list[int]:
        spec = meshes.recorded(configured).one("Service", "west-service").inputs["spec"]
        return [int(p["port"]) for p in spec["ports"]]

    assert ports(dev()) == [15443]
    assert ports(dev(statusPort=True)) == [15021, 15443]


def test_an_advertised_address_is_the_one_that_others_dial() -> None:
    configured = dev(announcedBy="mesh-networks")
    configured["clusters"][0]["gateway"] = {"address": "203.0.113.7"}
    mesh = meshes.recorded(configured)
    values = mesh.one("helm.sh/v4:Chart", "east-istiod").inputs["values"]["global"]
    networks = {n: x["gateways"] for n, x in values["meshNetworks"].items()}
    assert networks["east-net"] == [{"address": "203.0.113.7", "port": 15443}]
    assert "registryServiceName" in networks["west-net"][0]
    west = mesh.one("helm.sh/v4:Chart", "west-istiod").inputs["values"]["global"]
    assert west["remotePilotAddress"] == "203.0.113.7"


def test_an_advertised_address_that_istiod_would_not_use_is_refused() -> None:
    configured = dev()
    configured["clusters"][0]["gateway"] = {"address": "203.0.113.7"}
    assert refusal(configured) == ["isthmus:clusters[0].gateway.address"]
    shared = configuration(
        cluster("a", "n", gateway={"address": "203.0.113.7"}), cluster("b", "n"), cluster("c", "m")
    )
    shared["mesh"]["gateways"] = {"announcedBy": "mesh-networks"}
    assert refusal(shared) == ["isthmus:clusters[0].gateway.address"]


@pytest.mark.parametrize(
    ("values", "key", "instead"),
    [
        (
            {"gateway": {"service": {"annotations": {"a": "b"}}}},
            "gateway.service.annotations",
            "isthmus:mesh.gateways.annotations",
        ),
        (
            {"gateway": {"service": {"loadBalancerSourceRanges": ["10.0.0.0/8"]}}},
            "gateway.service.loadBalancerSourceRanges",
            "isthmus:mesh.gateways.sourceRanges",
        ),
        (
            {"gateway": {"service": {"externalTrafficPolicy": "Local"}}},
            "gateway.service",
            "have no replacement",
        ),
        (
            {"gateway": {"networkGatewayPorts": []}},
            "gateway.networkGatewayPorts",
            "isthmus:mesh.gateways.port",
        ),
        (
            {"istiod": {"meshConfig": {"discoverySelectors": [{"matchLabels": {"a": "b"}}]}}},
            "istiod.meshConfig.discoverySelectors",
            "Sidecar",
        ),
    ],
)
def test_values_without_effect_are_refused_with_the_key_that_works(
    values: dict[str, Any], key: str, instead: str
) -> None:
    (problem,) = meshes.refused(meshes.two_networks(values=values))
    assert problem.path == f"isthmus:mesh.istio.values.{key}"
    assert instead in problem.fix


@pytest.mark.parametrize(
    "values",
    [
        {"istiodRemote": {"injectionURL": "https://a"}},
        {"global": {"caAddress": "a:443"}},
        {"global": {"operatorManageWebhooks": True}},
        {"env": {"PILOT_CERT_PROVIDER": "kubernetes"}},
    ],
)
def test_values_that_contradict_what_is_derived_are_refused(values: dict[str, Any]) -> None:
    (problem,) = meshes.refused(meshes.two_networks(values={"istiod": values}))
    assert problem.name == "values-derived"
