"""Claims about the Services of gateways between networks."""

from dataclasses import replace
from typing import Any

import pytest

from checks.model import Status
from checks.view import Mesh, View
from kube.pods import Ran
from tests.checks import fake

_NETWORK = "topology.istio.io/network"
_GATEWAY = f"{fake.SYSTEM}/services/istio-eastwestgateway"


def service(*ingress: dict[str, str], network: str | None = "west-net") -> dict[str, Any]:
    return {
        "metadata": {
            "name": "istio-eastwestgateway",
            "namespace": "istio-system",
            "labels": {} if network is None else {_NETWORK: network},
        },
        "status": {"loadBalancer": {"ingress": list(ingress)}},
    }


def west(gateway: dict[str, Any], recorded: str = "192.0.2.2") -> Mesh:
    """A mesh whose stack has recorded this address of the gateway in `west`."""
    mesh = fake.mesh(west={_GATEWAY: gateway})
    return replace(mesh, description=replace(mesh.description, gateways={"west": recorded}))


def test_a_gateway_without_an_image_blames_the_label_that_keeps_the_injector_away() -> None:
    """Deleting the pod, as was advised, created the same pod again."""
    pod = {
        "metadata": {"name": "g", "labels": {"app": "istio-eastwestgateway"}},
        "spec": {"containers": [{"image": "auto"}]},
        "status": {"phase": "Pending"},
    }
    labelled = {"metadata": {"name": "istio-system", "labels": {"istio-injection": "disabled"}}}
    pods = {f"{fake.SYSTEM}/pods/g": pod}
    [plain] = fake.found("gateway-ready", "west", fake.mesh(west=pods))
    assert "before the injector answered" in plain.hint
    both = fake.mesh(west={**pods, fake.SYSTEM: labelled})
    [finding] = fake.found("gateway-ready", "west", both)
    assert "label namespace istio-system istio-injection-" in finding.hint


@pytest.mark.parametrize(
    ("gateway", "recorded"),
    [
        (service({"ip": "192.0.2.2"}), "192.0.2.2"),
        # The stack records one of the addresses to which a name resolves.
        (service({"hostname": "localhost"}), "127.0.0.1"),
    ],
)
def test_a_gateway_at_the_recorded_address_passes(gateway: dict[str, Any], recorded: str) -> None:
    [finding] = fake.found("gateway-service", "west", west(gateway, recorded))
    assert finding.status is Status.OK


@pytest.mark.parametrize(
    ("gateway", "evidence"),
    [
        (service(), "has no address"),
        (service({"ip": "192.0.2.9"}), "is 192.0.2.9, but was 192.0.2.2"),
        (service({"hostname": "nowhere.invalid"}), "is nowhere.invalid, but was"),
        (service({"ip": "192.0.2.2"}, network=None), "is None, not 'west-net'"),
        (service({"ip": "192.0.2.2"}, network="east-net"), "is 'east-net', not 'west-net'"),
    ],
)
def test_a_gateway_that_others_cannot_find_is_reported(
    gateway: dict[str, Any], evidence: str
) -> None:
    failed = [
        f for f in fake.found("gateway-service", "west", west(gateway)) if f.status is Status.FAILED
    ]
    assert len(failed) == 1
    assert evidence in failed[0].evidence
    assert failed[0].part is not None
    assert str(failed[0].part) == "east-west gateway of west"


_KUBERNETES_GATEWAYS = "/apis/gateway.networking.k8s.io/v1/gateways"


@pytest.mark.parametrize(
    ("labels", "addresses", "status"),
    [
        ({_NETWORK: "west-net"}, [{"type": "IPAddress", "value": "192.0.2.8"}], Status.FAILED),
        ({_NETWORK: "west-net"}, [], Status.OK),
        ({}, [{"type": "IPAddress", "value": "192.0.2.8"}], Status.OK),
    ],
)
def test_a_kubernetes_gateway_that_istiod_takes_for_a_network_is_reported(
    labels: dict[str, str], addresses: list[Any], status: Status
) -> None:
    gateway = {
        "metadata": {"name": "remote", "namespace": "shop", "labels": labels},
        "spec": {"addresses": addresses},
    }
    mesh = fake.mesh(west={_KUBERNETES_GATEWAYS: {"items": [gateway]}})
    [finding] = fake.found("gateway-label", "west", mesh)
    assert finding.status is status
    assert ("shop/remote" in finding.evidence) == (status is Status.FAILED)


def test_a_cluster_without_kubernetes_gateways_passes() -> None:
    [finding] = fake.found("gateway-label", "west", fake.mesh())
    assert finding.status is Status.OK


def test_a_terminating_pod_of_a_gateway_is_not_counted() -> None:
    def pod(name: str, ready: str, **metadata: str) -> dict[str, Any]:
        return {
            "metadata": {"name": name, "labels": {"app": "istio-eastwestgateway"}, **metadata},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        }

    stays, leaves = pod("a", "True"), pod("b", "False", deletionTimestamp="2026-11-21T10:00:00Z")
    mesh = fake.mesh(west={f"{fake.SYSTEM}/pods/a": stays, f"{fake.SYSTEM}/pods/b": leaves})
    [finding] = fake.found("gateway-ready", "west", mesh)
    assert (finding.status, finding.evidence) == (Status.OK, "istio-eastwestgateway: 1 pod")


@pytest.mark.parametrize(
    ("address", "dialed"),
    [("192.0.2.2", "http://192.0.2.2:15021/"), ("2001:db8::7", "http://[2001:db8::7]:15021/")],
)
def test_the_health_port_is_dialed_at_addresses_of_both_families(
    monkeypatch: pytest.MonkeyPatch, address: str, dialed: str
) -> None:
    asked = list[str]()

    def run(view: View, *command: str) -> Ran:
        asked.append(command[-1])
        return Ran("200", "", 0)

    monkeypatch.setattr(View, "probe_run", run)
    mesh = west(service({"ip": address}), address)
    [finding] = fake.found("gateway-health", "east", mesh)
    assert finding.status is Status.OK
    assert asked == [f"{dialed}healthz/ready"]
