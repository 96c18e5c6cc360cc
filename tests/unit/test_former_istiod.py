"""Claims about the addresses of an istiod that is gone."""

import pytest

from kube import kubeconfig as kubeconfigs
from stacks import former_istiod
from tests.unit.clusters import Kubernetes

_ENDPOINTS = "/api/v1/namespaces/istio-system/endpoints/istiod"
_SLICES = "/apis/discovery.k8s.io/v1/namespaces/istio-system/endpointslices"


class _Rewriting(list[dict[str, dict[str, str]]]):
    """Slices that Kubernetes writes again as often as a test says, once they are deleted."""

    def __init__(self, again: int) -> None:
        super().__init__([{"metadata": {"name": "istiod-x"}}])
        self.again = again

    def __setitem__(self, index: object, value: object) -> None:
        self.clear()
        if self.again:
            self.again -= 1
            self.append({"metadata": {"name": "istiod-y"}})


def delete(up: Kubernetes, kubeconfig: str, monkeypatch: pytest.MonkeyPatch, again: int) -> None:
    monkeypatch.setattr(former_istiod, "_PAUSE_SECONDS", 0)
    up.answers[_SLICES] = {"items": _Rewriting(again)}
    connection = kubeconfigs.read(kubeconfig, "up")
    former_istiod.delete_endpoints(connection.kubeconfig, "istio-system")


def test_addresses_that_kubernetes_writes_once_more_are_deleted_too(
    up: Kubernetes, kubeconfig: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete(up, kubeconfig, monkeypatch, again=2)
    assert up.answers[_SLICES]["items"] == []


def test_an_update_fails_if_they_come_back_forever(
    up: Kubernetes, kubeconfig: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TimeoutError, match="remove the Service's selector"):
        delete(up, kubeconfig, monkeypatch, again=99)


def test_nothing_is_deleted_where_there_is_none(up: Kubernetes, kubeconfig: str) -> None:
    up.answers[_SLICES] = {"items": []}
    former_istiod.delete_endpoints(kubeconfigs.read(kubeconfig, "up").kubeconfig, "istio-system")
    assert {path for path, _ in up.asked} == {_SLICES, _ENDPOINTS}


_ISTIOD = "/apis/apps/v1/namespaces/istio-system/deployments/istiod"
_PODS = "/api/v1/namespaces/istio-system/pods"


@pytest.mark.parametrize(("owner", "goes"), [("pilot", True), ("of-a-user", False)])
def test_istiod_goes_before_the_remote_secrets_that_it_reads(
    up: Kubernetes, kubeconfig: str, owner: str, goes: bool
) -> None:
    up.answers[_ISTIOD] = {"metadata": {"name": "istiod", "labels": {"istio": owner}}}
    up.answers[_PODS] = {"items": []}
    connection = kubeconfigs.read(kubeconfig, "up")
    assert former_istiod.delete_istiod(connection.kubeconfig, "istio-system") == goes
    assert (_ISTIOD not in up.answers) == goes


def test_the_update_waits_for_the_pods_of_the_former_istiod(
    up: Kubernetes, kubeconfig: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(former_istiod, "_PAUSE_SECONDS", 0)
    up.answers[_ISTIOD] = {"metadata": {"name": "istiod", "labels": {"istio": "pilot"}}}
    up.answers[_PODS] = {"items": [{"metadata": {"name": "istiod-x"}}]}
    connection = kubeconfigs.read(kubeconfig, "up")
    with pytest.raises(TimeoutError, match="do not end"):
        former_istiod.delete_istiod(connection.kubeconfig, "istio-system")
