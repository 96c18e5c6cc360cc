"""An API server that istiod reaches by another address than this machine does."""

import json
import time
from typing import Any

import yaml

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
    get = ("-n", "istio-system", "get", "secret", "istio-remote-secret-west", "-o", "json")
    secret = json.loads(mesh.kubectl("east", *get, "--show-managed-fields=false"))
    text = mesh.run("base64", "--decode", stdin=secret["data"]["west"])
    cluster = yaml.safe_load(text)["clusters"][0]["cluster"]
    (west,) = (c for c in given["clusters"] if c["name"] == "west")
    assert cluster["server"] == west["apiServer"]["server"]
    assert cluster["server"] not in mesh.lab.kubeconfig.read_text()
    assert cluster["tls-server-name"] == west["apiServer"]["tlsServerName"]
    assert mesh.remote_clusters("east") == {"east": "synced", "west": "synced"}
    mesh.kubectl("west", "-n", "kube-system", "delete", "service", _NAME)


def _address(mesh: LiveMesh) -> str:
    get = ("-n", "kube-system", "get", "service", _NAME, "-o", "json")
    for _ in range(60):
        status = json.loads(mesh.kubectl("west", *get))["status"]
        if ingress := status["loadBalancer"].get("ingress"):
            return ingress[0]["ip"]
        time.sleep(0.5)
    raise AssertionError("the lab gave the Service no address")
