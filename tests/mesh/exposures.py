"""Paths to a control plane that move or are changed."""

import json
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from lab.cluster import Cluster
from lab.live import FailedCommandError, LiveMesh
from lab.loadbalancer import BY_NAME, TWO_ADDRESSES


def balanced_by_name(mesh: LiveMesh, given: dict[str, Any]) -> dict[str, Any]:
    """Have the lab's load balancer show a host name for istiod, and two addresses, as AWS's do."""
    east, west = given["clusters"]
    way = {**east["controlPlane"], "annotations": {BY_NAME: "yes", TWO_ADDRESSES: "yes"}}
    return {**given, "clusters": [{**east, "controlPlane": way}, west]}


def resolves_the_name(mesh: LiveMesh, given: dict[str, Any]) -> None:
    """The remote dials the address to which the load balancer's host name resolves."""
    get = ("-n", "istio-system", "get", "service", "istiod-remotes", "-o", "json")
    status = json.loads(mesh.kubectl("east", *get))["status"]["loadBalancer"]["ingress"]
    assert status[0].keys() == {"hostname"}
    assert _addresses(mesh) == [s["ip"] for s in status[1:]]
    assert len(status) == 3
    assert _injects(mesh)


def survives_an_address_that_does_not_answer(mesh: LiveMesh, given: dict[str, Any]) -> None:
    """Proxies and the API server of the remote reach istiod at the other address."""
    first, second = _addresses(mesh)
    assert first != second
    (east,) = (c for c in mesh.lab.clusters if c.name == "east")
    with _dropped(east, first):
        mesh.kubectl("west", "-n", "sample", "rollout", "restart", "deploy/sleep")
        mesh.kubectl("west", "-n", "sample", "rollout", "status", "deploy/sleep", "--timeout=110s")
        assert set(mesh.ask("west")) == {"v1", "v2"}
    assert "failed" not in mesh.checked()


@contextmanager
def _dropped(cluster: Cluster, address: str) -> Generator[None]:
    """Let nothing come in that is for an address of the cluster's load balancers."""
    rule = ("PREROUTING", "--destination", address, "--jump", "DROP")
    iptables = (*cluster.enter(), "iptables", "--wait", "--table", "raw")
    subprocess.run([*iptables, "--insert", *rule], check=True)
    try:
        yield
    finally:
        subprocess.run([*iptables, "--delete", *rule], check=True)


def pod_moves(mesh: LiveMesh, given: dict[str, Any]) -> None:
    """The remote loses istiod when its pod has moved; a plain `up` fixes it."""
    istiod = ("-n", "istio-system", "delete", "pod", "-l", "app=istiod", "--grace-period=1")
    mesh.kubectl("east", *istiod)
    mesh.kubectl("east", "-n", "istio-system", "rollout", "status", "deploy/istiod")
    moved = _pod(mesh)
    assert _dialled(mesh) != moved
    assert not _injects(mesh), "the API server of west still reaches istiod"
    mesh.up()
    assert _dialled(mesh) == moved
    assert _injects(mesh)
    for app in ("sleep", "helloworld-v2"):
        mesh.kubectl("west", "-n", "sample", "rollout", "restart", f"deploy/{app}")
    for app in ("sleep", "helloworld-v2"):
        mesh.kubectl("west", "-n", "sample", "rollout", "status", f"deploy/{app}")
    assert set(mesh.ask("west")) == {"v1", "v2"}
    mesh.workspace.stack.preview(expect_no_changes=True)


def changes_to_the_gateway(mesh: LiveMesh, given: dict[str, Any]) -> None:
    """A path is replaced while remotes use it; the objects of the old path are deleted."""
    east, west = given["clusters"]
    mesh.up({**given, "clusters": [{**east, "controlPlane": {"exposure": "gateway"}}, west]})
    _is_replaced(mesh, former="istiod-remotes", new="istio-eastwestgateway")


def changes_back(mesh: LiveMesh, given: dict[str, Any]) -> None:
    """The gateway is deleted, which nothing uses any more."""
    mesh.up(given)
    _is_replaced(mesh, former="istio-eastwestgateway", new="istiod-remotes")


def _is_replaced(mesh: LiveMesh, *, former: str, new: str) -> None:
    services = mesh.kubectl("east", "-n", "istio-system", "get", "services", "-o", "name")
    assert f"service/{new}" in services
    assert former not in services
    assert former not in mesh.kubectl("east", "-n", "istio-system", "get", "deploy", "-o", "name")
    assert _injects(mesh)
    assert mesh.remote_clusters("east") == {"east": "synced", "west": "synced"}
    assert set(mesh.ask("west")) == {"v1", "v2"}


def _pod(mesh: LiveMesh) -> str:
    get = ("-n", "istio-system", "get", "pod", "-l", "app=istiod", "-o", "json")
    pods = json.loads(mesh.kubectl("east", *get))["items"]
    (address,) = {p["status"]["podIP"] for p in pods if "deletionTimestamp" not in p["metadata"]}
    return address


def _addresses(mesh: LiveMesh) -> list[str]:
    """All places where the remote's Service istiod leads: the chart's first."""
    get = ("-n", "istio-system", "get", "endpointslice", "istiod-addresses", "-o", "json")
    endpoints = json.loads(mesh.kubectl("west", *get))["endpoints"]
    found = [address for endpoint in endpoints for address in endpoint["addresses"]]
    assert found[0] == _dialled(mesh)
    return found


def _dialled(mesh: LiveMesh) -> str:
    """Where the remote's Service istiod leads."""
    get = ("-n", "istio-system", "get", "endpointslice", "istiod", "-o", "json")
    return json.loads(mesh.kubectl("west", *get))["endpoints"][0]["addresses"][0]


def _injects(mesh: LiveMesh) -> bool:
    """Whether a pod in the remote would get its sidecar; the pod is not created."""
    probe = ("run", "probe", "--image=none", "--dry-run=server", "-o", "json")
    try:
        made = mesh.kubectl("west", "-n", "sample", *probe)
    except FailedCommandError as error:
        if "sidecar-injector.istio.io" not in str(error):
            raise
        return False
    return "istio-proxy" in made
