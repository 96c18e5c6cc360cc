"""The sample as a user writes it: Deployments without sidecars."""

from typing import Any


def workloads(version: str) -> dict[str, Any]:
    """A server of one version and a client, in a list."""
    server = {
        "name": "helloworld",
        "image": "docker.io/istio/examples-helloworld-v1:1.0",
        "env": [{"name": "SERVICE_VERSION", "value": version}],
    }
    client = {
        "name": "sleep",
        "image": "docker.io/curlimages/curl:8.17.0",
        "command": ["/bin/sleep", "infinity"],
    }
    made = (
        (f"helloworld-{version}", {"app": "helloworld", "version": version}, server),
        ("sleep", {"app": "sleep"}, client),
    )
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": name, "namespace": "sample"},
                "spec": {
                    "selector": {"matchLabels": labels},
                    "template": {
                        "metadata": {"labels": labels},
                        "spec": {"terminationGracePeriodSeconds": 2, "containers": [container]},
                    },
                },
            }
            for name, labels, container in made
        ],
    }
