"""What an update waits for, and what it says when that does not come true."""

import base64
import json
import signal
import subprocess
from typing import Any

from tests.engine.cluster import Cluster, until
from tests.engine.program import Program

WEBHOOK = "admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"


def _webhook(cluster: Cluster) -> dict[str, Any]:
    return {
        "apiVersion": WEBHOOK[0],
        "kind": WEBHOOK[1],
        "metadata": {"name": cluster.namespace},
        "webhooks": [
            {
                "name": "inject.example.com",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "clientConfig": {"service": {"name": "none", "namespace": cluster.namespace}},
            }
        ],
    }


def test_a_patch_waits_for_what_another_program_writes(cluster: Cluster, program: Program) -> None:
    cluster.create(_webhook(cluster))
    bundle = base64.b64encode(b"-----BEGIN CERTIFICATE-----").decode()

    def write() -> bool:
        hook = cluster.there(*WEBHOOK, cluster.namespace)
        if "annotations" not in hook["metadata"]:
            return False
        hook["webhooks"][0]["clientConfig"]["caBundle"] = bundle
        cluster.patch(*WEBHOOK, cluster.namespace, {"webhooks": hook["webhooks"]})
        return True

    program.write(
        cluster.prelude
        + """
w = k.admissionregistration.v1.MutatingWebhookConfigurationPatch("w", opts=o, metadata={"name": ns,
    "labels": {"patched": "yes"}, "annotations": {
        "pulumi.com/waitFor": "jsonpath={.webhooks[0].clientConfig.caBundle}"}})
pulumi.export("bundle", w.webhooks[0].client_config.ca_bundle)
"""
    )
    with cluster.meanwhile(write):
        program.up()
    assert program.outputs()["bundle"] == bundle
    assert cluster.there(*WEBHOOK, cluster.namespace)["metadata"]["labels"] == {"patched": "yes"}
    program.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes")
    program.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")

    program.pulumi("destroy", "--yes", "--skip-preview")
    left = cluster.there(*WEBHOOK, cluster.namespace)
    assert "labels" not in left["metadata"]
    assert left["webhooks"][0]["clientConfig"]["caBundle"] == bundle
    cluster.delete(*WEBHOOK, cluster.namespace)


def test_a_wait_that_runs_out_keeps_the_object_and_goes_on(
    cluster: Cluster, program: Program
) -> None:
    source = """
k.core.v1.ServiceAccount("sa", opts=o, metadata={"namespace": ns, "name": "sa", "annotations": {
    "pulumi.com/waitFor": "jsonpath={.metadata.labels.ready}=yes",
    "pulumi.com/timeoutSeconds": "1"}})
"""
    program.write(cluster.prelude + source)
    shown = program.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "failed to fully initialize or become live: timed out waiting for the condition" in shown
    cluster.patch("v1", "ServiceAccount", "sa", {"metadata": {"labels": {"ready": "yes"}}})
    assert program.planned()["sa"] == "update"
    program.up()
    program.pulumi("preview", "--expect-no-changes")


def test_a_failed_job_gives_its_pods_last_words(cluster: Cluster, program: Program) -> None:
    source = """
k.batch.v1.Job("verify", metadata={"namespace": ns, "name": "verify", "annotations": {
    "pulumi.com/replaceUnready": "true", "pulumi.com/timeoutSeconds": "60"}}, opts=o,
    spec={"backoffLimit": 0, "template": {"spec": {
    "restartPolicy": "Never", "containers": [{"name": "probe", "image": "x",
    "terminationMessagePolicy": "FallbackToLogsOnError"}]}}})
"""
    program.write(cluster.prelude + source)

    def fail() -> bool:
        return _finish(cluster, "Failed", 7, "cluster west did not see helloworld-v2")

    with cluster.meanwhile(fail):
        shown = program.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "[BackoffLimitExceeded]" in shown
    assert "[Error] cluster west did not see helloworld-v2" in shown

    # It will not become ready: it is replaced, as its annotation asks.
    operations = [s["op"] for s in program.preview() if s["urn"].endswith("::verify")]
    assert "replace" in operations
    first = cluster.there("batch/v1", "Job", "verify")["metadata"]["uid"]

    def succeed() -> bool:
        job = cluster.get("batch/v1", "Job", "verify")
        if job is None or job["metadata"]["uid"] == first:
            return False
        return _finish(cluster, "Succeeded", 0, "")

    with cluster.meanwhile(succeed):
        program.up()
    program.pulumi("preview", "--expect-no-changes")


def _finish(cluster: Cluster, phase: str, code: int, message: str) -> bool:
    """End the job's newest pod as a kubelet would; tell whether there was one."""
    pods = [p for p in cluster.list("v1", "Pod") if "phase" in p["status"]]
    pods = [p for p in pods if p["status"]["phase"] == "Pending"]
    if not pods:
        return False
    reason = "Error" if code else "Completed"
    ended = {"exitCode": code, "reason": reason, "message": message}
    status = {
        "phase": phase,
        "conditions": [
            {"type": "PodScheduled", "status": "True"},
            {"type": "Initialized", "status": "True"},
            {"type": "Ready", "status": "False", "reason": phase},
        ],
        "containerStatuses": [
            {
                "name": "probe",
                "image": "x",
                "imageID": "",
                "ready": False,
                "restartCount": 0,
                "state": {"terminated": ended},
            }
        ],
    }
    name = pods[0]["metadata"]["name"]
    cluster.patch("v1", "Pod", name, {"status": status}, part="status")
    return True


def test_an_interrupted_update_goes_on(cluster: Cluster, program: Program) -> None:
    program.write(
        cluster.prelude
        + """
sa = k.core.v1.ServiceAccount("sa", opts=o, metadata={"namespace": ns, "name": "sa",
    "annotations": {"pulumi.com/waitFor": "jsonpath={.metadata.labels.ready}"}})
k.core.v1.ConfigMap("after", metadata={"namespace": ns, "name": "after"},
    opts=pulumi.ResourceOptions(provider=p, depends_on=[sa]))
"""
    )
    running = program.start("up", "--yes", "--skip-preview")
    until(lambda: cluster.get("v1", "ServiceAccount", "sa") is not None)
    running.send_signal(signal.SIGINT)
    shown, _ = running.communicate(timeout=30)
    assert running.returncode != 0
    assert "failed to fully initialize or become live: context canceled" in shown
    assert cluster.get("v1", "ConfigMap", "after") is None

    cluster.patch("v1", "ServiceAccount", "sa", {"metadata": {"labels": {"ready": "yes"}}})
    program.up()
    assert cluster.get("v1", "ConfigMap", "after") is not None
    program.pulumi("preview", "--expect-no-changes")


def test_a_killed_engine_takes_its_plugins_with_it(cluster: Cluster, program: Program) -> None:
    program.write(
        cluster.prelude
        + """
k.core.v1.ServiceAccount("sa", opts=o, metadata={"namespace": ns, "name": "sa",
    "annotations": {"pulumi.com/waitFor": "jsonpath={.metadata.labels.ready}"}})
"""
    )
    running = program.start("up", "--yes", "--skip-preview")
    until(lambda: cluster.get("v1", "ServiceAccount", "sa") is not None)
    assert _plugins(program)
    running.kill()
    running.wait()
    until(lambda: not _plugins(program))


def test_a_killed_engine_takes_an_unfinished_release_with_it(
    cluster: Cluster, program: Program
) -> None:
    chart = program.folder / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("{apiVersion: v2, name: slow, version: 1.0.0}")
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    (chart / "templates/claim.json").write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": "unbound"},
                "spec": {**claim, "storageClassName": "none"},
            }
        )
    )
    program.write(
        cluster.prelude + f'k.helm.v3.Release("r", chart="{chart}", namespace=ns, opts=o)\n'
    )
    running = program.start("up", "--yes", "--skip-preview")
    until(lambda: cluster.get("v1", "PersistentVolumeClaim", "unbound") is not None)
    assert _plugins(program)
    running.kill()
    running.wait()
    until(lambda: not _plugins(program))


def _plugins(program: Program) -> list[str]:
    """Processes of the plugin, and of the helm that the stand-in starts."""
    listing = subprocess.run(
        ["ps", "-eo", "pid,args", "--no-headers"], capture_output=True, text=True, check=True
    )
    words = ("pulumi-resource-kubernetes", "lab.stand_ins.kubernetes", "helm ")
    lines = [x for x in listing.stdout.splitlines() if any(word in x for word in words)]
    return [line for line in lines if _home(line.split()[0]) == str(program.folder / "home")]


def _home(pid: str) -> str:
    try:
        with open(f"/proc/{pid}/environ", encoding="utf-8") as file:
            variables = dict(v.split("=", 1) for v in file.read().split("\0") if "=" in v)
    except OSError:
        return ""
    return variables.get("PULUMI_HOME", "")
