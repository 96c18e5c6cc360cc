"""A cluster whose API server does not answer, while the other one is updated."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from lab.live import LiveMesh
from stacks.read_config import ABSENT
from tests.firewall import refused

_ISTIO = ("-n", "istio-system")
_BAD = "istio-remote-secret-bad"


def is_left_as_it_is(mesh: LiveMesh, given: dict[str, Any]) -> None:
    """istiod starts without it, an update changes the others, and the next one catches up."""
    here, there = (c["name"] for c in given["clusters"])
    changed = {**given, "mesh": {**given["mesh"], "gateways": {"statusPort": True}}}
    with refused(mesh.lab, there, 6443):
        # As Istio's TestBadRemoteSecret: neither a cluster that does not answer nor a secret that
        # istiod refuses keeps it from becoming ready.
        _add_bad_secret(mesh, here)
        mesh.kubectl(here, *_ISTIO, "rollout", "restart", "deployment/istiod")
        mesh.kubectl(here, *_ISTIO, "rollout", "status", "deployment/istiod", "--timeout=110s")
        mesh.kubectl(here, *_ISTIO, "delete", "secret", _BAD)
        with _absent(there):
            shown = mesh.up(changed)
        assert f"cluster {there} is absent" in shown.stdout + shown.stderr
        assert "15021" in _gateway_ports(mesh, here)
    mesh.kubectl(here, *_ISTIO, "get", "secret", f"istio-remote-secret-{there}")
    assert "15021" not in _gateway_ports(mesh, there)
    mesh.up()
    assert "15021" in _gateway_ports(mesh, there)
    mesh.workspace.stack.preview(expect_no_changes=True)
    assert mesh.remote_clusters(here) == {here: "synced", there: "synced"}
    assert set(mesh.ask(here)) == {"v1", "v2"}


@contextmanager
def _absent(cluster: str) -> Generator[None]:
    os.environ[ABSENT] = cluster
    try:
        yield
    finally:
        del os.environ[ABSENT]


def _add_bad_secret(mesh: LiveMesh, cluster: str) -> None:
    """A kubeconfig that signs in by a program, which istiod refuses."""
    kubeconfig = """
apiVersion: v1
kind: Config
clusters: [{name: bad, cluster: {server: "https://192.0.2.1:6443"}}]
users: [{name: bad, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: login}}}]
contexts: [{name: bad, context: {cluster: bad, user: bad}}]
current-context: bad
"""
    metadata = {
        "name": _BAD,
        "namespace": "istio-system",
        "labels": {"istio/multiCluster": "true"},
    }
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    mesh.apply(cluster, {**secret, "stringData": {"bad": kubeconfig}})


def _gateway_ports(mesh: LiveMesh, cluster: str) -> str:
    look = ("get", "service", "istio-eastwestgateway", "-o", "jsonpath={.spec.ports[*].port}")
    return mesh.kubectl(cluster, *_ISTIO, *look)
