"""Claims about the endpoints that a proxy has for shared Services."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from checks.model import Status
from kube.pods import Ran
from tests.checks import fake

_HOST = "outbound|5000||helloworld.sample.svc.cluster.local"
_SLICES = "/apis/discovery.k8s.io/v1/namespaces/sample/endpointslices"
_POD = {
    "metadata": {"name": "sleep-1", "labels": {"app": "sleep"}},
    "spec": {"containers": [{"name": "istio-proxy"}]},
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}
_LOCAL, _GATEWAY = ("10.0.0.1", 5000), ("192.0.2.2", 15443)


def _host(address: tuple[str, int], weight: int, priority: int = 0) -> Mapping[str, Any]:
    """As Envoy's `/clusters?format=json` has it: without what is zero."""
    return {
        "address": {"socket_address": {"address": address[0], "port_value": address[1]}},
        "health_status": {"eds_health_status": "HEALTHY"},
        "weight": weight,
        **({"priority": priority} if priority else {}),
    }


def _pods(name: str, *addresses: str) -> Mapping[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": "helloworld"}},
        "endpoints": [{"addresses": [a]} for a in addresses],
        "ports": [{"port": 5000}],
    }


def _found(monkeypatch: pytest.MonkeyPatch, *hosts: Mapping[str, Any]) -> list[tuple[Status, str]]:
    """What is said of `east`, which has one pod, and `west`, which has three."""
    status = {"cluster_statuses": [{"name": _HOST, "host_statuses": hosts}]}

    def run(*_: object) -> Ran:
        return Ran(json.dumps(status), "", 0)

    monkeypatch.setattr(fake.FakeApi, "run", run)
    east = {
        "/api/v1/namespaces/sample/pods/sleep-1": _POD,
        f"{_SLICES}/a": _pods("a", _LOCAL[0]),
    }
    west = {f"{_SLICES}/b": _pods("b", "10.1.0.1", "10.1.0.2", "10.1.0.3")}
    found = fake.found("endpoint-weights", "east", fake.mesh(east=east, west=west))
    return [(f.status, f.evidence) for f in found]


def test_a_gateway_with_the_weight_of_its_pods_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """istiod multiplies all weights where a network has several gateways."""
    [(status, _)] = _found(monkeypatch, _host(_LOCAL, 2), _host(_GATEWAY, 6))
    assert status is Status.OK


def test_a_gateway_with_too_little_weight_causes_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    [(status, evidence)] = _found(monkeypatch, _host(_LOCAL, 1), _host(_GATEWAY, 1))
    assert status is Status.WARNING
    assert evidence.endswith("west has 3 of 4 pods, but gets 50% of the requests")


def test_clusters_of_other_priorities_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that is used only if no pod here answers gets none of the requests."""
    [(status, _)] = _found(monkeypatch, _host(_LOCAL, 1), _host(_GATEWAY, 1, priority=1))
    assert status is Status.OK


def test_a_cluster_that_the_proxy_does_not_know_is_left_to_the_other_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [(status, _)] = _found(monkeypatch, _host(_LOCAL, 1))
    assert status is Status.OK
