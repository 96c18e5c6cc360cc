"""Claims about the ways to reach a control plane."""

import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest

from spec import config
from spec.problems import MeshRefusedError
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


def test_a_control_plane_with_a_service_of_its_own_needs_no_gateway_on_one_network() -> None:
    mesh = meshes.recorded(one_network(exposure="load-balancer"))
    assert not mesh.of_type("isthmus:index:ClusterAwareGateway")
    service = mesh.one("Service", "a-istiod-remotes")
    assert set(service.inputs["metadata"]["annotations"]) == {"pulumi.com/waitFor"}
    chart = mesh.one("helm.sh/v4:Chart", "b-istiod")
    assert mesh.waits_for(chart, service)
    assert chart.inputs["values"]["global"]["remotePilotAddress"].startswith("192.0.2.")


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
    ("answers", "taken"),
    [
        (["203.0.113.20", "203.0.113.9"], "203.0.113.9"),
        (["2001:db8::1", "203.0.113.20"], "203.0.113.20"),
        (["2001:db8::2", "2001:db8::1"], "2001:db8::1"),
    ],
)
def test_a_load_balancers_host_name_is_resolved_to_the_lowest_address(
    monkeypatch: pytest.MonkeyPatch, answers: list[str], taken: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver(*answers))
    given = one_network(exposure="load-balancer")
    mesh = meshes.recorded(given, a_istiod_remotes="lb.test")
    values = mesh.one("helm.sh/v4:Chart", "b-istiod").inputs["values"]
    assert values["global"]["remotePilotAddress"] == taken


def test_entries_lead_to_addresses_where_gateways_have_host_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver("203.0.113.9"))
    given = configuration(cluster("a", "n1"), cluster("b", "n2"))
    given["mesh"]["discovery"] = "entries"
    mesh = meshes.recorded(given, b_service="lb.test")
    (entry,) = (r for r in mesh.of_type("ServiceEntry") if r.provider == "a")
    assert [e["address"] for e in entry.inputs["spec"]["endpoints"]] == ["203.0.113.9"]


def test_a_host_name_that_does_not_resolve_is_told_with_its_service(
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
