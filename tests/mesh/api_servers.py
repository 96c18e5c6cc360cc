"""An API server that istiod reaches by another address than this machine does, or than before."""

import json
import time
from typing import Any

import yaml

from lab import life
from lab.live import LiveMesh

_NAME, _PORT = "api-for-istiod", 6443


def behind_a_load_balancer(mesh: LiveMesh, given: dict[str, Any]) -> dict[str, Any]:
    """Give west's API server a second address, which its certificate does not name."""
    west = mesh.lab.plan.cluster("west")
    metadata = {"name": _NAME, "namespace": "kube-system"}
    port = {"name": "https", "port": _PORT}
    mesh.apply(
        "west",
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"type": "LoadBalancer", "ports": [port]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**metadata, "labels": {"kubernetes.io/service-name": _NAME}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [str(west.node)]}],
            "ports": [port],
        },
    )
    server = f"https://{_address(mesh)}:{_PORT}"
    clusters = [
        {**c, "apiServer": {**c.get("apiServer", {}), "server": server}}
        if c["name"] == "west"
        else c
        for c in given["clusters"]
    ]
    return {**given, "clusters": clusters}


def is_dialled_where_told(mesh: LiveMesh, given: dict[str, Any]) -> None:
    """istiod syncs at an address that only the configuration has, under another name."""
    (west,) = (c for c in given["clusters"] if c["name"] == "west")
    dialled = _dialled(mesh, given)
    assert dialled["server"] == west["apiServer"]["server"]
    assert dialled["server"] not in mesh.lab.kubeconfig.read_text()
    assert dialled["tls-server-name"] == west["apiServer"]["tlsServerName"]
    assert mesh.remote_clusters("east") == {"east": "synced", "west": "synced"}
    mesh.kubectl("west", "-n", "kube-system", "delete", "service", _NAME)


def returns_at_another_address(mesh: LiveMesh, given: dict[str, Any]) -> None:
    """istiod goes on with what it knows while it changes over, so no request fails."""
    before = _dialled(mesh, given)["server"]
    for cluster in given["clusters"]:
        if cluster["name"] == "west":
            cluster["apiServer"] = {"tlsServerName": "kubernetes.default.svc"}
    with life.load_on(mesh, given) as load:
        load.mark()
        mesh.up(moved := behind_a_load_balancer(mesh, given))
        namespace = given["mesh"]["istio"]["namespace"]
        synced = {"east": "synced", "west": "synced"}
        assert mesh.remote_clusters("east", namespace) == synced
        report = load.report()
    assert _dialled(mesh, moved)["server"] != before
    assert report.requests > 100
    assert not report.failed, report
    mesh.kubectl("west", "-n", "kube-system", "delete", "service", _NAME)


def _dialled(mesh: LiveMesh, given: dict[str, Any]) -> Any:
    """The cluster of the kubeconfig with which istiod in east reads west."""
    namespace = given["mesh"]["istio"].get("namespace", "istio-system")
    get = ("-n", namespace, "get", "secret", "istio-remote-secret-west", "-o", "json")
    secret = json.loads(mesh.kubectl("east", *get, "--show-managed-fields=false"))
    text = mesh.run("base64", "--decode", stdin=secret["data"]["west"])
    return yaml.safe_load(text)["clusters"][0]["cluster"]


def _address(mesh: LiveMesh) -> str:
    get = ("-n", "kube-system", "get", "service", _NAME, "-o", "json")
    for _ in range(60):
        status = json.loads(mesh.kubectl("west", *get))["status"]
        if ingress := status["loadBalancer"].get("ingress"):
            return ingress[0]["ip"]
        time.sleep(0.5)
    raise AssertionError("the lab gave the Service no address")
