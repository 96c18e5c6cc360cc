"""Workloads as a user writes them: without sidecars, of the sample's images."""

from collections.abc import Mapping
from typing import Any

from components import names


def server(name: str, version: str) -> Mapping[str, Any]:
    """A container that answers on port 5000 with its version."""
    env = [{"name": "SERVICE_VERSION", "value": version}]
    return {"name": name, "image": names.SERVER_IMAGE, "env": env}


def client(name: str) -> Mapping[str, Any]:
    """A container in which commands are run. It listens on no port."""
    return {"name": name, "image": names.CLIENT_IMAGE, "command": ["/bin/sleep", "infinity"]}


def workload(
    name: str,
    labels: Mapping[str, str],
    container: Mapping[str, Any],
    *,
    namespace: str = names.SAMPLE_NAMESPACE,
    kind: str = "Deployment",
) -> dict[str, Any]:
    """A Deployment or StatefulSet of one container, with one pod."""
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": 2, "containers": [container]},
            },
        },
    }


def workloads(version: str) -> dict[str, Any]:
    """A server of one version and a client, in a list."""
    labels = {"app": names.SAMPLE_SERVICE, "version": version}
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            workload(f"helloworld-{version}", labels, server("helloworld", version)),
            workload("sleep", {"app": "sleep"}, client("sleep")),
        ],
    }
