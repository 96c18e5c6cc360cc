"""Ways to break traffic between networks."""

from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import yaml

from checks.istiod import is_ready
from lab.live import until
from tests.checks.breakages.patient import (
    MESH_CONFIG,
    NETWORKING,
    SAMPLE,
    UNREACHED,
    UNREAD,
    Breakage,
    Patient,
)

_HOST = "helloworld.sample.svc.cluster.local"
_DEPLOYMENT = "/apis/apps/v1/namespaces/sample/deployments/helloworld-v2"


def _rule(patient: Patient, policy: Mapping[str, Any]) -> AbstractContextManager[None]:
    """In the rule that the sample has: of two for one host, the older one counts."""
    path = f"{NETWORKING}/sample/destinationrules/helloworld"
    return patient.east.changed(path, {"spec": {"trafficPolicy": policy}})


def rule_without_mtls(patient: Patient) -> AbstractContextManager[None]:
    """Gateways between networks read the SNI of mTLS, and plain text has none."""
    return _rule(patient, {"tls": {"mode": "DISABLE"}})


def near_by_service(patient: Patient) -> AbstractContextManager[None]:
    """A Service's own wish for near pods, which needs no rule."""
    distribution = {"spec": {"trafficDistribution": "PreferClose"}}
    return patient.east.changed(f"{SAMPLE}/services/helloworld", distribution)


def plain_text_allowed_only(patient: Patient) -> AbstractContextManager[None]:
    """Pods that take no mTLS are left out of what other networks know."""
    path = "/apis/security.istio.io/v1/namespaces/sample/peerauthentications/plain"
    policy = {
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": "plain", "namespace": "sample"},
        "spec": {
            "selector": {"matchLabels": {"app": "helloworld"}},
            "mtls": {"mode": "DISABLE"},
        },
    }
    return patient.east.with_object(path, policy)


@contextmanager
def gateway_for_other_hosts(patient: Patient) -> Generator[None]:
    path = f"{NETWORKING}/istio-system/gateways/cross-network-gateway"
    servers = patient.east.get(path)["spec"]["servers"]
    for server in servers:
        server["hosts"] = ["*.example"]
    with patient.east.changed(path, {"spec": {"servers": servers}}):
        yield


def nearest_preferred(patient: Patient) -> AbstractContextManager[None]:
    """Requests stay in their cluster as long as a pod answers there."""
    nearest = {"enabled": True, "failoverPriority": ["topology.istio.io/cluster"]}
    policy = {
        "outlierDetection": {"consecutive5xxErrors": 5},
        "loadBalancer": {"localityLbSetting": nearest},
    }
    return _rule(patient, policy)


@contextmanager
def service_of_each_cluster_alone(patient: Patient) -> Generator[None]:
    mesh = yaml.safe_load(patient.east.get(MESH_CONFIG)["data"]["mesh"])
    mesh["serviceSettings"] = [{"settings": {"clusterLocal": True}, "hosts": [_HOST]}]
    change = {"data": {"mesh": yaml.safe_dump(mesh)}}
    with patient.other_endpoints(), patient.east.changed(MESH_CONFIG, change):
        patient.until_endpoints("have one less", lambda now: len(now) == 1)
        yield


@contextmanager
def pods_in_two_zones(patient: Patient) -> Generator[None]:
    """One more pod, in a zone that istiod sorts after that of the first."""
    template = patient.west.get(_DEPLOYMENT)["spec"]["template"]
    path = f"{SAMPLE}/pods/far"
    labels = {**template["metadata"]["labels"], "istio-locality": "r1.z2"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "far", "labels": labels},
        "spec": {**template["spec"], "terminationGracePeriodSeconds": 1},
    }
    with patient.west.with_object(path, pod):
        until("the pod is ready", lambda: is_ready(patient.west.get(path)))
        yield


BREAKAGES = (
    Breakage(
        row=128,
        name="pods-in-two-zones",
        broken=pods_in_two_zones,
        check="endpoint-weights",
        cluster="east",
        says=("west has 2 of 3 pods, but gets 50% of the requests", "istio/istio#56355"),
    ),
    Breakage(
        row=25,
        name="gateway-for-other-hosts",
        broken=gateway_for_other_hosts,
        check="gateway-port",
        cluster="east",
        says=("cross-network-gateway",),
        also=UNREACHED,
    ),
    Breakage(
        row=25,
        name="rule-without-mtls",
        broken=rule_without_mtls,
        check="same-rules",
        cluster="east",
        says=("DestinationRule sample/helloworld", "DISABLE", "ISTIO_MUTUAL"),
        also=UNREACHED,
    ),
    Breakage(
        row=26,
        name="nearest-preferred",
        broken=nearest_preferred,
        check="same-rules",
        cluster="east",
        says=("DestinationRule sample/helloworld", "localityLbSetting"),
        also=frozenset({"traffic"}),
    ),
    Breakage(
        row=26,
        name="near-by-service",
        broken=near_by_service,
        check="same-rules",
        cluster="east",
        says=("Service sample/helloworld", "trafficDistribution"),
        also=frozenset({"traffic"}),
    ),
    Breakage(
        row=25,
        name="plain-text-only",
        broken=plain_text_allowed_only,
        check="same-rules",
        cluster="east",
        says=("PeerAuthentication sample/plain", "PERMISSIVE"),
        also=UNREACHED,
    ),
    Breakage(
        row=31,
        name="service-of-each-cluster-alone",
        broken=service_of_each_cluster_alone,
        check="same-rules",
        cluster="east",
        says=("sample/helloworld", "isthmus:mesh.clusterLocal"),
        also=UNREAD,
    ),
)
