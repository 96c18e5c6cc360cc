"""A lab with nodes, for real: which pods, services and API servers can be reached from where.

east and south share a network, west has another.
"""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import psutil
import pytest
from kubernetes.stream import stream

from lab.lab import Lab
from lab.programs import DOMAIN, PAUSE_IMAGE
from lab.spec import parse
from tests.lab.observe import core, differences, supervisor, traces, within

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces as root")

SPEC = """
clusters:
  - { name: east, network: one }
  - { name: west, network: two }
  - { name: south, network: one }
"""
CLUSTERS: tuple[str, ...] = ("east", "west", "south")
# Answers with the address that a request seems to come from.
SERVER = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200), self.end_headers()
        self.wfile.write(self.client_address[0].encode())
ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""
CLIENT = """
import ssl, sys, urllib.request
context = ssl._create_unverified_context() if sys.argv[1].startswith("https") else None
print(urllib.request.urlopen(sys.argv[1], timeout=1.5, context=context).read().decode())
"""
QUERY = """
import sys, dns.resolver
resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers = [sys.argv[1]]
print(resolver.resolve(sys.argv[2], lifetime=5)[0])
"""


@dataclass(frozen=True)
class Pod:
    """A pod, and the beginning of a command line that runs a program of ours in its network."""

    address: IPv4Address
    enter: tuple[str, ...]

    def get(self, url: str) -> str:
        """The answer to a request from the pod, or the last line of what went wrong."""
        return _python(self.enter, CLIENT, url)


def _python(enter: tuple[str, ...], code: str, *arguments: str) -> str:
    command = [*enter, sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip().splitlines()[-1]


def _is_address(answer: str) -> bool:
    return re.fullmatch(r"[0-9.]+", answer) is not None


def _is_blocked(answer: str) -> bool:
    return "unreachable" in answer or "timed out" in answer


def start_pod(lab: Lab, cluster: str) -> Pod:
    api = core(lab, cluster)
    body = {
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {
            "containers": [{"name": "c", "image": PAUSE_IMAGE, "imagePullPolicy": "Never"}],
            "terminationGracePeriodSeconds": 0,
        },
    }
    api.create_namespaced_pod("default", body)
    within(60, lambda: _running(api))
    pod = api.read_namespaced_pod("web", "default")
    process = _processes_of(lab, cluster, pod.metadata.uid)[0]
    enter = ("nsenter", f"--net=/proc/{process.pid}/ns/net")
    return Pod(IPv4Address(pod.status.pod_ip), enter)


def _running(api: Any) -> bool:
    status = api.read_namespaced_pod("web", "default").status
    return bool(status.container_statuses) and all(s.ready for s in status.container_statuses)


def _processes_of(lab: Lab, cluster: str, uid: str) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for p in supervisor(lab, cluster).children(recursive=True):
        with contextlib.suppress(OSError):
            if f"pod{uid}" in Path(f"/proc/{p.pid}/cgroup").read_text():
                found.append(p)
    return found


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab"), parse(SPEC)) as lab:
        yield lab


@pytest.fixture(scope="module")
def pods(lab: Lab) -> Iterator[dict[str, Pod]]:
    """A pod in each cluster that serves on 8080, and a load balancer `web` for it on 80."""
    with ThreadPoolExecutor() as pool:
        started = pool.map(partial(start_pod, lab), CLUSTERS)
        pods = dict(zip(CLUSTERS, started, strict=True))
    servers = [subprocess.Popen([*p.enter, sys.executable, "-c", SERVER]) for p in pods.values()]
    for cluster in pods:
        body = {
            "metadata": {"name": "web"},
            "spec": {
                "type": "LoadBalancer",
                "selector": {"app": "web"},
                "ports": [{"port": 80, "targetPort": 8080}],
            },
        }
        core(lab, cluster).create_namespaced_service("default", body)
    # Served, and known to kube-proxy.
    for cluster, pod in pods.items():
        within(10, partial(_serves, pod, f"http://{service(lab, cluster)[1]}"))
    yield pods
    for server in servers:
        server.kill()
        server.wait()


def _serves(pod: Pod, url: str) -> bool:
    return _is_address(pod.get(url))


def service(lab: Lab, cluster: str) -> tuple[str, str]:
    """The address of `web` within the cluster, and that of its load balancer."""
    read = core(lab, cluster).read_namespaced_service("web", "default")
    return read.spec.cluster_ip, read.status.load_balancer.ingress[0].ip


def test_pods_of_one_network_reach_each_other_under_their_own_addresses(
    pods: dict[str, Pod],
) -> None:
    for here, there in (("east", "south"), ("south", "east")):
        answer = pods[here].get(f"http://{pods[there].address}:8080")
        assert answer == str(pods[here].address)


def test_pods_of_different_networks_do_not_reach_each_other(pods: dict[str, Pod]) -> None:
    for here, there in (("east", "west"), ("west", "east"), ("west", "south")):
        answer = pods[here].get(f"http://{pods[there].address}:8080")
        assert _is_blocked(answer)


def test_not_even_with_a_route_between_them(lab: Lab, pods: dict[str, Pod]) -> None:
    west = lab.cluster("west").plan
    route = ["ip", "route", "add", str(west.pods), "via", str(west.node)]
    subprocess.run([*lab.cluster("east").enter(), *route], check=True)
    answer = pods["east"].get(f"http://{pods['west'].address}:8080")
    assert _is_blocked(answer)


def test_nodes_reach_the_pods_of_their_own_network_only(lab: Lab, pods: dict[str, Pod]) -> None:
    # As API servers do that call a webhook by its pod's address.
    url = f"http://{pods['south'].address}:8080"
    node = lab.cluster("east").plan.node
    assert _python(tuple(lab.cluster("east").enter()), CLIENT, url) == str(node)
    refused = _python(tuple(lab.cluster("west").enter()), CLIENT, url)
    assert _is_blocked(refused)


def test_load_balancers_are_reached_from_the_machine_and_from_every_cluster(
    lab: Lab, pods: dict[str, Pod]
) -> None:
    for there in CLUSTERS:
        url = f"http://{service(lab, there)[1]}"
        assert _is_address(_python((), CLIENT, url))
        for here in CLUSTERS:
            assert _is_address(pods[here].get(url)), f"{here} -> {there}"


def test_a_service_is_reached_within_its_cluster_only(lab: Lab, pods: dict[str, Pod]) -> None:
    for there in CLUSTERS:
        url = f"http://{service(lab, there)[0]}"
        for here in CLUSTERS:
            answer = pods[here].get(url)
            assert _is_address(answer) if here == there else _is_blocked(answer), (here, there)


def test_pods_reach_every_api_server(lab: Lab, pods: dict[str, Pod]) -> None:
    for pod in pods.values():
        assert [pod.get(f"{c.server}/readyz") for c in lab.clusters] == ["ok"] * 3


def test_names_of_services_are_resolved_and_others_refused(lab: Lab, pods: dict[str, Pod]) -> None:
    for cluster, pod in pods.items():
        dns = str(lab.cluster(cluster).plan.dns)
        name = f"web.default.svc.{DOMAIN}"
        expected = service(lab, cluster)[0]
        assert _python(pod.enter, QUERY, dns, name) == expected
        assert "REFUSED" in _python(pod.enter, QUERY, dns, "example.com")


def test_logs_and_commands_go_through_the_api_server(lab: Lab) -> None:
    api = core(lab, "east")
    (pod,) = api.list_namespaced_pod("kube-system", label_selector="k8s-app=kube-dns").items
    assert "CoreDNS" in api.read_namespaced_pod_log(pod.metadata.name, "kube-system")
    said = stream(
        api.connect_get_namespaced_pod_exec,
        pod.metadata.name,
        "kube-system",
        command=["/coredns", "-version"],
        stdout=True,
        stderr=True,
    )
    assert "CoreDNS" in said


def test_a_node_has_the_clusters_pod_range(lab: Lab) -> None:
    for c in lab.plan.clusters:
        (node,) = core(lab, c.name).list_node().items
        assert node.spec.pod_cidr == str(c.pods)


def test_a_killed_lab_goes_on_with_its_pods_and_goes_without_a_trace(directory: Path) -> None:
    lab = Lab(directory, parse("clusters: [{name: a, network: n}]"))
    before = traces(lab.footprint)
    lab.up()
    start_pod(lab, "a")
    supervisor(lab, "a").kill()
    lab.up()
    uid = core(lab, "a").read_namespaced_pod("web", "default").metadata.uid
    within(60, lambda: _processes_of(lab, "a", uid))
    during = traces(lab.footprint)
    assert any(f.endswith(f"/{lab.footprint.name}") for f in during["files"])
    supervisor(lab, "a").kill()
    lab.down()
    assert differences(before, traces(lab.footprint)) == {}
