"""Sidecars that the user adds, as docs/injection.md says."""

import json
from typing import Any

from lab.live import LiveMesh
from spec.mesh import Cluster, MeshSpec


def inject(mesh: LiveMesh, spec: MeshSpec, cluster: Cluster, version: str) -> None:
    """Put the sample's pods into a cluster that has no injection webhook.

    Template and mesh configuration are the primary's; the values name this cluster.
    """
    primary, namespace = spec.control_plane_of(cluster), spec.mesh.istio.namespace

    def data(config_map: str) -> dict[str, str]:
        get = ("-n", namespace, "get", "configmap", config_map, "-o", "json")
        return json.loads(mesh.kubectl(primary, *get))["data"]

    injector = data("istio-sidecar-injector")
    values = json.loads(injector["values"])
    values["global"] |= {"network": cluster.network}
    values["global"]["multiCluster"]["clusterName"] = cluster.name
    options = {
        "injectConfigFile": injector["config"],
        "valuesFile": json.dumps(values),
        "meshConfigFile": data("istio")["mesh"],
    }
    folder = mesh.workspace.folder
    for name, text in options.items():
        (folder / name).write_text(text)
    pods = folder / "pods"
    pods.write_text(json.dumps(sample_workloads(version)))
    given = [f"--{name}={folder / name}" for name in options]
    pods.write_text(mesh.run("istioctl", "kube-inject", "-f", str(pods), *given))
    mesh.kubectl(cluster.name, "apply", "-f", str(pods))
    for name in (f"helloworld-{version}", "sleep"):
        done = ("rollout", "status", f"deploy/{name}", "--timeout=90s")
        mesh.kubectl(cluster.name, "-n", "sample", *done)


def sample_workloads(version: str) -> dict[str, Any]:
    """The sample's two Deployments, without sidecars."""
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
