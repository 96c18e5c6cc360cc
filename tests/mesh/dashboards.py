"""What Kiali, which the lab does not run, would use to read the other cluster."""

import base64
import json
from typing import Any

import pytest

from lab.live import FailedCommandError, LiveMesh


def kiali_reads_the_other_cluster(mesh: LiveMesh, given: dict[str, Any]) -> None:
    """The kubeconfig for Kiali lists what Kiali shows, and neither Secrets nor changes."""
    namespace = given["mesh"]["istio"]["namespace"]
    find = ("get", "secrets", "-n", namespace, "-l", "kiali.io/multiCluster=true", "-o", "json")
    (secret,) = json.loads(mesh.kubectl("east", *find))["items"]
    assert secret["metadata"]["name"] == "kiali-remote-cluster-secret-west"
    (key,) = secret["data"]
    assert key == "west", "Kiali takes it for the cluster's name"
    kubeconfig = mesh.workspace.folder / "kiali-reads-west"
    kubeconfig.write_bytes(base64.b64decode(secret["data"][key]))
    kubectl = ("kubectl", "--kubeconfig", str(kubeconfig))
    assert "helloworld-v2" in mesh.run(*kubectl, "get", "pods", "-n", "sample")
    mesh.run(*kubectl, "get", "virtualservices.networking.istio.io", "-A")
    for forbidden in (("get", "secrets", "-A"), ("delete", "pods", "--all", "-n", "sample")):
        with pytest.raises(FailedCommandError, match="Forbidden"):
            mesh.run(*kubectl, *forbidden)
    kubeconfig.unlink()
