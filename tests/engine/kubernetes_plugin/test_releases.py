"""Charts installed by helm itself: one resource each."""

import subprocess
from pathlib import Path

from tests.engine.cluster import Cluster
from tests.engine.program import Program

CHART = Path(__file__).parent / "chart"
RELEASE = f"""
r = k.helm.v3.Release("r", chart="{CHART}", name="tiny", namespace=ns, opts=o, values={{
    "greeting": "hello", "password": pulumi.Output.secret("open-sesame")}},
    value_yaml_files=[pulumi.StringAsset("greeting: overridden")])
pulumi.export("status", r.status)
pulumi.export("names", r.resource_names)
"""


def _helm(cluster: Cluster, *words: str) -> str:
    command = ["helm", "--kubeconfig", str(cluster.kubeconfig), "-n", cluster.namespace, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_release_from_install_to_uninstall(cluster: Cluster, program: Program) -> None:
    program.write(cluster.prelude + RELEASE)
    assert program.planned()["r"] == "create"
    shown = program.up()
    outputs = program.outputs()
    status = outputs["status"]
    assert (status["status"], status["revision"], status["version"]) == ("deployed", 1, "1.2.3")
    assert status["app_version"] == "9"
    assert f"{cluster.namespace}/safe" in outputs["names"]["Secret/v1"] or (
        outputs["names"]["Secret/v1"] == ["safe"]
    )
    assert cluster.there("v1", "ConfigMap", "tiny-words")["data"]["greeting"] == "hello"
    assert "open-sesame" not in shown + program.stored
    program.pulumi("preview", "--expect-no-changes")
    program.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")

    # It is upgraded by hand: a refresh sees that, and `up` reverts it.
    _helm(cluster, "upgrade", "tiny", str(CHART), "--set", "greeting=drifted,password=x")
    shown = program.pulumi("refresh", "--yes", "--skip-preview", "--diff")
    assert "drifted" in shown
    program.up()
    assert cluster.there("v1", "ConfigMap", "tiny-words")["data"]["greeting"] == "hello"
    assert program.outputs()["status"]["revision"] == 3
    program.pulumi("preview", "--expect-no-changes")

    program.pulumi("destroy", "--yes", "--skip-preview")
    assert _helm(cluster, "list", "-q") == ""
    assert cluster.get("v1", "ConfigMap", "tiny-words") is None
    assert cluster.there("v1", "ConfigMap", "kept")
    cluster.delete("apiextensions.k8s.io/v1", "CustomResourceDefinition", "toys.tiny.example.com")


def test_a_release_that_fails_says_why(cluster: Cluster, program: Program) -> None:
    program.write(cluster.prelude + RELEASE.replace(str(CHART), str(CHART) + "-missing"))
    shown = program.pulumi("preview", fails=True)
    assert "check the chart name and repository configuration" in shown

    cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}})
    program.write(cluster.prelude + RELEASE.replace("opts=o,", "opts=o, skip_crds=True,"))
    shown = program.pulumi("up", "--yes", "--skip-preview", fails=True)
    # No CRD: helm does not get as far as a release.
    assert 'no matches for kind "Toy"' in shown
