"""Requests stay in their cluster while its pods answer, and go to another one when they do not.

Istio's failover page (tasks/traffic-management/locality-load-balancing/failover on istio.io) drains
one proxy. Here all pods of a cluster go, and others refuse connections.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab import sample
from lab.live import LiveMesh
from lab.load import ANY, Load, Report

_CLUSTERS = ("east", "west")
_OWN_CLUSTER_FIRST = {"localityLbSetting": {"failoverPriority": ["topology.istio.io/cluster"]}}
_SHOP = "shop"
_REGION, _ZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"


def in_one_region(mesh: LiveMesh, given: dict[str, Any]) -> dict[str, Any]:
    """Each cluster is a zone. istiod reads the labels of a node when it meets a pod there."""
    for cluster in _CLUSTERS:
        _label_nodes(mesh, cluster, f"{_REGION}=r1", f"{_ZONE}=r1-{cluster}")
    return given


def answers_from_its_own_cluster_first(mesh: LiveMesh, given: dict[str, Any]) -> None:
    """One update has the rules for all Services, for one by zone, and for one without any."""
    ports = [{"name": "http", "port": 80, "targetPort": 5000}]
    service = {"namespace": _SHOP, "ports": ports, "selector": {"app": "cart"}}
    by_zone, alike = {"localityLbSetting": {}}, {"localityLbSetting": {"enabled": False}}
    mesh.up(
        {
            **given,
            "mesh": {**given["mesh"], "trafficPolicy": _OWN_CLUSTER_FIRST},
            "namespaces": [{"name": _SHOP}],
            "services": [
                {**service, "name": "nearest"},
                {**service, "name": "by-zone", "trafficPolicy": by_zone},
                {**service, "name": "alike", "trafficPolicy": alike},
            ],
        }
    )
    mesh.workspace.stack.preview(expect_no_changes=True)
    for cluster in _CLUSTERS:
        mesh.apply(cluster, _pods(cluster))
    for cluster in _CLUSTERS:
        mesh.kubectl(cluster, "-n", _SHOP, "rollout", "status", "deploy/cart", "--timeout=90s")
    for cluster in _CLUSTERS:
        assert set(mesh.ask(cluster, url=_url("nearest"))) == {cluster}
        assert set(mesh.ask(cluster, url=_url("by-zone"))) == {cluster}
        assert set(mesh.ask(cluster, url=_url("alike"))) == {"east", "west"}
        assert set(mesh.ask(cluster)) == {"v1", "v2"}, "the sample verifies every path"
        (other,) = set(_CLUSTERS) - {cluster}
        assert _priorities(mesh, cluster, "by-zone") == {f"r1-{cluster}": 0, f"r1-{other}": 1}
    checked = mesh.checked()
    assert not [x for x in ("failed", "same-rules") if x in checked], checked
    for cluster in _CLUSTERS:
        mesh.kubectl(cluster, "-n", _SHOP, "delete", "deploy", "cart", "--cascade=foreground")


def fails_over_and_comes_back(mesh: LiveMesh, given: dict[str, Any]) -> None:
    """Where the pods are gone, or refuse connections, the other cluster answers instead."""
    with Load(mesh.lab.clusters, [ANY], _CLUSTERS) as load:
        healthy, *events = _events(mesh, load)
    for event in (healthy, *events):
        print(f"{event.name}\n{event.during}\nafter it\n{event.after}\n")
    assert healthy.during.failed == 0
    for event in (healthy, *events):
        assert _answers(event.after, "east") == {"v1" if event.own_answers else "v2"}, event.name
        assert _answers(event.during, "west") == {"v2"}, event.name
        assert _failed(event.during, "west") == 0, event.name
        assert _failed(event.during, "east") < event.during.requests / 20, event.name
    for cluster in _CLUSTERS:
        _label_nodes(mesh, cluster, f"{_REGION}-", f"{_ZONE}-")


@dataclass(frozen=True)
class _Event:
    """What happened to the pods of east, and to the requests."""

    name: str
    own_answers: bool
    """Whether east answers its callers in the end; west otherwise."""
    during: Report
    """Requests from its begin on."""
    after: Report
    """Requests when it was over."""


def _events(mesh: LiveMesh, load: Load) -> Iterator[_Event]:
    """Take the pods of east away, let others refuse connections, and bring the first ones back."""
    scale = ("scale", "deployment/helloworld-v1")
    ready = ("rollout", "status", "--timeout=90s")

    def kubectl(*arguments: str) -> None:
        mesh.kubectl("east", "-n", "sample", *arguments)

    def gone() -> None:
        kubectl(*scale, "--replicas=0")

    def refuse() -> None:
        mesh.apply("east", _refusing_pods())
        kubectl(*ready, "deployment/refusing")

    def back() -> None:
        kubectl("delete", "deployment", "refusing")
        kubectl(*scale, "--replicas=1")
        kubectl(*ready, "deployment/helloworld-v1")

    def event(name: str, happen: Callable[[], None], seconds: float, *, own: bool) -> _Event:
        load.mark()
        happen()
        time.sleep(seconds)
        during = load.report()
        load.mark()
        time.sleep(4)
        return _Event(name, own, during, load.report())

    yield event("all pods answer", lambda: None, 5, own=True)
    yield event("the pods of east are gone", gone, 10, own=False)
    # Longer than an ejection: the pods come back once, and fail again.
    yield event("other pods of east refuse connections", refuse, 40, own=False)
    yield event("the pods of east are back", back, 10, own=True)


def _refusing_pods() -> Mapping[str, Any]:
    """Pods of the Service without a server: ready, but their port is closed."""
    labels = {"app": "helloworld", "version": "refusing"}
    return sample.workload("refusing", labels, sample.client("sleep"))


def _answers(report: Report, caller: str) -> set[str]:
    return {v for s, r in report.streams.items() if s.caller == caller for v in r.answers}


def _failed(report: Report, caller: str) -> int:
    return sum(r.failures.total() for s, r in report.streams.items() if s.caller == caller)


def _url(service: str) -> str:
    return f"http://{service}.{_SHOP}/hello"


def _pods(version: str) -> Mapping[str, Any]:
    labels = {"app": "cart", "version": version}
    return sample.workload("cart", labels, sample.server("cart", version), namespace=_SHOP)


def _priorities(mesh: LiveMesh, cluster: str, service: str) -> Mapping[str, int]:
    """By zone, the priority that endpoints have for the cluster's `sleep`; 0 comes first."""
    text = mesh.istioctl(
        cluster,
        *("-n", "sample", "proxy-config", "endpoints", "deploy/sleep", "-o", "json"),
        *("--cluster", f"outbound|80||{service}.{_SHOP}.svc.cluster.local"),
    )
    return {
        host["locality"]["zone"]: host.get("priority", 0)
        for status in json.loads(text)
        for host in status["hostStatuses"]
    }


def _label_nodes(mesh: LiveMesh, cluster: str, *labels: str) -> None:
    mesh.kubectl(cluster, "label", "nodes", "--all", "--overwrite", *labels)
