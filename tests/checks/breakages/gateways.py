"""Ways to break networks and gateways."""

import subprocess
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from lab.live import until
from tests.checks.breakages.patient import (
    DEPLOYMENTS,
    GATEWAY,
    NETWORK,
    SYSTEM,
    UNREACHED,
    UNREAD,
    UP,
    Breakage,
    Patient,
)
from tests.checks.edits import Edits


def namespace_without_network(patient: Patient) -> AbstractContextManager[None]:
    """Injected pods carry their own label, so only others lose their network at once."""
    return patient.west.changed(SYSTEM, labelled({NETWORK: None}))


def network_of_another_cluster(patient: Patient) -> AbstractContextManager[None]:
    return patient.west.changed(SYSTEM, labelled({NETWORK: "east-net"}))


def labelled(labels: Mapping[str, str | None]) -> dict[str, Any]:
    return {"metadata": {"labels": labels}}


@contextmanager
def gateway_without_network(patient: Patient) -> Generator[None]:
    with patient.other_endpoints(), patient.west.changed(GATEWAY, labelled({NETWORK: None})):
        _until_pod_of_west(patient)
        yield


def _until_pod_of_west(patient: Patient) -> None:
    """istiod sends the pods' own addresses of a network that has no gateway."""
    pod = f"{patient.live.pod_address('west', 'helloworld')}:5000"
    patient.until_endpoints(f"have {pod}", lambda now: pod in now)


@contextmanager
def network_on_another_service(patient: Patient) -> Generator[None]:
    """The ordinary ingress gateway carries the label too, and half of the requests go there."""
    name = "istio-ingressgateway"
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": {NETWORK: "west-net"}},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": name},
            "ports": [{"name": "tls", "port": 15443}],
        },
    }
    path = f"{SYSTEM}/services/{name}"
    with patient.other_endpoints(), patient.west.with_object(path, service):
        patient.until_endpoints("have one more", lambda now: len(now) == 3)
        yield


@contextmanager
def gateway_without_address(patient: Patient) -> Generator[None]:
    """istiod continues to send the former address."""
    with _load_balancer_of_nobody(patient):
        yield


@contextmanager
def gateway_with_host_name(patient: Patient) -> Generator[None]:
    named = {"status": {"loadBalancer": {"ingress": [{"hostname": "gateway.example"}]}}}
    with gateway_without_address(patient):
        patient.west.patch(f"{GATEWAY}/status", named)
        yield


@contextmanager
def _load_balancer_of_nobody(patient: Patient) -> Generator[None]:
    """A class can only be set or removed while the type changes."""
    address = patient.west.get(GATEWAY)["status"]["loadBalancer"]

    def become(balancer: str | None) -> None:
        patient.west.patch(GATEWAY, {"spec": {"type": "ClusterIP", "loadBalancerClass": None}})
        spec = {"type": "LoadBalancer", "loadBalancerClass": balancer}
        patient.west.patch(GATEWAY, {"spec": spec})

    become("example.com/no-controller")
    try:
        yield
    finally:
        become(None)
        until(
            "the gateway's address",
            lambda: patient.west.get(GATEWAY)["status"]["loadBalancer"] == address,
        )


@contextmanager
def gateway_without_pods(patient: Patient) -> Generator[None]:
    path = f"{DEPLOYMENTS}/istio-eastwestgateway"
    with patient.west.changed(path, {"spec": {"replicas": 0}}):
        # They are deleted at once, and no one waits for them to drain.
        _until_no_pods(patient.west, "istio-eastwestgateway", grace=0)
        yield
    until_ready(patient.west, path)


@contextmanager
def istiod_without_pods(patient: Patient) -> Generator[None]:
    with served_again(patient), istiod_stopped(patient):
        yield


@contextmanager
def served_again(patient: Patient) -> Generator[None]:
    """Wait until istiod serves all that it has served before."""
    roots = patient.roots()
    yield
    patient.until_registry(east="synced", west="synced")
    patient.until_connected()
    # Written when the lease of the istiod that was killed has ended, half a minute after.
    until("the common root in all namespaces", lambda: patient.roots() == roots)
    patient.until_trusted()


@contextmanager
def istiod_stopped(patient: Patient) -> Generator[None]:
    path, pods = f"{DEPLOYMENTS}/istiod", f"{SYSTEM}/pods?labelSelector=app=istiod"

    def leaving() -> bool:
        found = patient.east.get(pods)["items"]
        return all("deletionTimestamp" in p["metadata"] for p in found)

    with patient.east.changed(path, {"spec": {"replicas": 0}}):
        until("istiod's pod on its way out", leaving)
        # It would take half a minute to say farewell to its proxies.
        patient.kill("east", "pilot-discovery")
        _until_no_pods(patient.east, "istiod")
        yield
    until_ready(patient.east, path)


def _until_no_pods(edits: Edits, app: str, grace: int | None = None) -> None:
    def gone() -> bool:
        pods = edits.get(f"{SYSTEM}/pods?labelSelector=app={app}")["items"]
        for pod in pods if grace is not None else ():
            edits.delete(f"{SYSTEM}/pods/{pod['metadata']['name']}", grace)
        return not pods

    until(f"no pods of {app}", gone)


def until_ready(edits: Edits, path: str) -> None:
    def ready() -> bool:
        found = edits.get(path)
        status = found["status"]
        return (
            status.get("observedGeneration") == found["metadata"]["generation"]
            and status.get("updatedReplicas") == status.get("replicas") == 1
            and status.get("readyReplicas") == 1
        )

    until(f"{path} ready", ready)


def port_blocked(cluster: str, port: int) -> Callable[[Patient], AbstractContextManager[None]]:
    """What comes to the port from outside the cluster is dropped, as by a firewall."""

    @contextmanager
    def blocked(patient: Patient) -> Generator[None]:
        namespace = patient.live.lab.footprint.netns(cluster)
        table = ("nsenter", f"--net=/run/netns/{namespace}", "iptables", "-w", "-t", "raw")
        rule = ("PREROUTING", "-i", "eth0", "-p", "tcp", "--dport", str(port), "-j", "DROP")
        subprocess.run([*table, "-I", *rule], check=True)
        try:
            yield
        finally:
            subprocess.run([*table, "-D", *rule], check=True)
        patient.until_connected()

    return blocked


BREAKAGES = (
    Breakage(
        row=3,
        name="namespace-without-network",
        broken=namespace_without_network,
        check="same-network",
        cluster="west",
        says=("istio-system", "west-net", UP),
    ),
    Breakage(
        row=3,
        name="network-of-another-cluster",
        broken=network_of_another_cluster,
        check="same-network",
        cluster="west",
        says=("east-net", "west-net", UP),
    ),
    Breakage(
        row=4,
        name="gateway-without-network",
        broken=gateway_without_network,
        check="gateway-service",
        cluster="west",
        says=(NETWORK, "istio-eastwestgateway", UP),
        also=UNREACHED,
    ),
    Breakage(
        row=4,
        name="network-on-another-service",
        broken=network_on_another_service,
        check="gateway-label",
        cluster="west",
        says=("istio-ingressgateway", f"{NETWORK}-"),
        also=UNREACHED,
    ),
    Breakage(
        row=6,
        name="gateway-with-host-name",
        broken=gateway_with_host_name,
        check="gateway-service",
        cluster="west",
        says=("gateway.example", UP),
        also=UNREACHED,
    ),
    Breakage(
        row=7,
        name="gateway-without-address",
        broken=gateway_without_address,
        check="gateway-service",
        cluster="west",
        says=("has no address", "describe service"),
        also=UNREACHED,
    ),
    Breakage(
        row=7,
        name="gateway-without-pods",
        broken=gateway_without_pods,
        check="gateway-ready",
        cluster="west",
        says=("it has no pods", "describe pod"),
        also=UNREACHED,
    ),
    Breakage(
        row=21,
        name="port-15012-blocked",
        broken=port_blocked("east", 15012),
        check="istiod-reached",
        cluster="west",
        says=("15012", "allow west's nodes"),
        also=frozenset({"trust-istiod", "proxy-connected"}),
    ),
    Breakage(
        row=21,
        name="port-15017-blocked",
        broken=port_blocked("east", 15017),
        check="istiod-reached",
        cluster="west",
        says=("15017", "API server"),
        also=frozenset({"injection-works"}),
    ),
    Breakage(
        row=21,
        name="port-15021-blocked",
        broken=port_blocked("west", 15021),
        check="gateway-health",
        cluster="east",
        says=("15021", "allow east's nodes"),
    ),
    Breakage(
        row=21,
        name="port-15443-blocked",
        broken=port_blocked("west", 15443),
        check="gateway-port",
        cluster="east",
        says=("15443", "firewall", "allow east's nodes"),
        also=UNREACHED,
    ),
    Breakage(
        row=33,
        name="api-server-gone",
        broken=port_blocked("west", 6443),
        check="cluster-answers",
        cluster="west",
        says=("6443", "pulumi up"),
        also=UNREAD,
    ),
    Breakage(
        row=20,
        name="istiod-without-pods",
        broken=istiod_without_pods,
        check="istiod-ready",
        cluster="east",
        says=("it has no pods", "describe pod -l app=istiod"),
        # Checks that query istiod through needs are skipped; those that query it directly fail.
        also=frozenset({"trust-istiod", "endpoints", "traffic"}),
        last=True,
    ),
)
