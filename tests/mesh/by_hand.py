"""Sidecars that the user adds, as docs/injection.md says."""

import json

from lab import sample
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
    pods.write_text(json.dumps(sample.workloads(version)))
    given = [f"--{name}={folder / name}" for name in options]
    pods.write_text(mesh.run("istioctl", "kube-inject", "-f", str(pods), *given))
    mesh.kubectl(cluster.name, "apply", "-f", str(pods))
    for name in (f"helloworld-{version}", "sleep"):
        done = ("rollout", "status", f"deploy/{name}", "--timeout=90s")
        mesh.kubectl(cluster.name, "-n", "sample", *done)
