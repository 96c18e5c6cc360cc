"""Claims about the hook that runs last in a cluster, with Helm and a real API server."""

from pathlib import Path
from typing import Any

from components import names
from tests.engine.cluster import Cluster, until
from tests.engine.program import Program

_CHART = Path(__file__).parents[2] / "components/leave-nothing"
_NAME = names.LEAVE_NOTHING
_IMAGE = "registry.invalid/never:1"
"""Of a pod that starts nowhere, so that the hook is running until the test ends it."""
_RELEASE = f"""
k.helm.v3.Release("r", chart="{_CHART}", name="{_NAME}", namespace=ns, opts=o, values={{
    "image": "{_IMAGE}", "crdNames": {list(names.ISTIO_CRDS)}}})
"""
_HOOK = {
    "ServiceAccount": "v1",
    "ClusterRole": "rbac.authorization.k8s.io/v1",
    "ClusterRoleBinding": "rbac.authorization.k8s.io/v1",
    "Job": "batch/v1",
}


def there(cluster: Cluster) -> dict[str, Any]:
    """What exists of the hook: UIDs by kind."""
    found = {kind: cluster.get(version, kind, _NAME) for kind, version in _HOOK.items()}
    return {kind: x["metadata"]["uid"] for kind, x in found.items() if x}


def test_what_a_killed_destroy_leaves_goes_with_the_next(
    cluster: Cluster, program: Program
) -> None:
    program.write(cluster.prelude + _RELEASE)
    program.up()
    assert not there(cluster)
    destroy = program.start("destroy", "--yes", "--skip-preview")
    until(lambda: "Job" in there(cluster))
    program.kill(destroy)
    left = there(cluster)
    assert left.keys() == _HOOK.keys()

    def end_the_new_hook() -> bool:
        if there(cluster).get("Job") in (None, left["Job"]):
            return False
        pods = [x for x in cluster.list("v1", "Pod") if not x["metadata"].get("deletionTimestamp")]
        for pod in pods:
            status = {"status": {"phase": "Succeeded"}}
            cluster.patch("v1", "Pod", pod["metadata"]["name"], status, part="status")
        return bool(pods)

    with cluster.meanwhile(end_the_new_hook):
        program.pulumi("destroy", "--yes", "--skip-preview")
    assert not there(cluster)
    assert not [s for s in cluster.list("v1", "Secret") if s["type"] == "helm.sh/release.v1"]
