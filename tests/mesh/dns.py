"""Names that only another cluster has, for a caller whose sidecar answers DNS."""

from collections.abc import Mapping
from typing import Any

from lab import sample
from lab.live import FailedCommandError, LiveMesh

_SAMPLE = ("-n", "sample")


def finds_services_but_no_pods_of_another_network(mesh: LiveMesh, given: dict[str, Any]) -> None:
    """A gateway leads to a Service, and never to a certain pod (istio/istio#38327)."""
    _create(mesh)
    assert _answer(mesh, "client", "db-vip") == "west"
    assert _answer(mesh, "sleep", "db-vip") == "no such host", "its sidecar does not answer DNS"
    for name in ("db:5000", "db-0.db:5000"):
        assert _answer(mesh, "client", name) == "no such host", name
    _delete(mesh)


def _create(mesh: LiveMesh) -> None:
    """A StatefulSet with two Services in west, and a caller in east."""
    server = sample.server("db", "west")
    stateful = sample.workload("db", {"app": "db"}, server, kind="StatefulSet")
    stateful["spec"]["serviceName"] = "db"
    mesh.apply(
        "west",
        stateful,
        _service("db", {"clusterIP": "None", "ports": [{"name": "http", "port": 5000}]}),
        _service("db-vip", {"ports": [{"name": "http", "port": 80, "targetPort": 5000}]}),
    )
    caller = sample.workload("client", {"app": "client"}, sample.client("client"))
    caller["spec"]["template"]["metadata"]["annotations"] = {
        "proxy.istio.io/config": '{"proxyMetadata": {"ISTIO_META_DNS_CAPTURE": "true"}}'
    }
    mesh.apply("east", caller)
    done = (*_SAMPLE, "rollout", "status", "--timeout=90s")
    mesh.kubectl("west", *done, "statefulset/db")
    mesh.kubectl("east", *done, "deployment/client")


def _delete(mesh: LiveMesh) -> None:
    mesh.kubectl("west", *_SAMPLE, "delete", "statefulset/db", "service/db", "service/db-vip")
    mesh.kubectl("east", *_SAMPLE, "delete", "deployment/client")


def _answer(mesh: LiveMesh, caller: str, host: str) -> str:
    """The version that answers east, or that the name leads nowhere."""
    name, _, port = host.partition(":")
    curl = ("curl", "-sS", "--max-time", "10", f"http://{name}.sample:{port or 80}/hello")
    try:
        said = mesh.kubectl("east", *_SAMPLE, "exec", f"deploy/{caller}", "-c", caller, "--", *curl)
    except FailedCommandError as error:
        if "Could not resolve host" in str(error):
            return "no such host"
        raise
    return said.removeprefix("Hello version: ").partition(",")[0]


def _service(name: str, spec: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = {"name": name, "namespace": "sample"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"selector": {"app": "db"}, **spec},
    }
