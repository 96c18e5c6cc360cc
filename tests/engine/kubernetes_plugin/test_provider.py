"""The provider itself: clusters that do not answer, are not known yet, or are others."""

from pathlib import Path

import pytest
import yaml

from tests.engine.cluster import Cluster
from tests.engine.program import Program

SOURCE = """
k.core.v1.ConfigMap("cm", metadata={"namespace": "default"}, data={"a": "1"}, opts=o)
"""
RELEASE = f"""
k.helm.v3.Release("r", chart="{Path(__file__).parent / "chart"}", name="tiny", namespace=ns,
    skip_crds=True, values={{"toys": False}}, opts=o)
"""


def _nowhere(folder: Path) -> Path:
    file = folder / "nowhere.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                "current-context": "x",
                "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
                "clusters": [{"name": "x", "cluster": {"server": "https://127.0.0.1:9"}}],
                "users": [{"name": "x", "user": {"token": "do-not-show-me"}}],
            }
        )
    )
    return file


def test_a_cluster_that_does_not_answer(cluster: Cluster, program: Program) -> None:
    nowhere = _nowhere(program.folder)
    prelude = cluster.prelude.replace(str(cluster.kubeconfig), str(nowhere))
    chart = f'k.helm.v4.Chart("c", chart="{Path(__file__).parent / "chart"}", opts=o)'
    release = chart.replace("v4.Chart", "v3.Release")
    program.write(prelude + SOURCE + release)
    assert set(program.planned().values()) == {"create"}
    shown = program.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "configured Kubernetes cluster is unreachable: " in shown
    assert "https://127.0.0.1:9" in shown
    assert "do-not-show-me" not in shown
    program.write(prelude + chart)
    shown = program.pulumi("preview", fails=True)
    assert "configured Kubernetes cluster is unreachable" in shown


def test_a_cluster_that_was_deleted_can_be_forgotten(
    cluster: Cluster, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.write(cluster.prelude + SOURCE + RELEASE)
    program.up()
    nowhere = _nowhere(program.folder)
    # The clusterIdentifier is the same, so a new connection replaces nothing.
    moved = cluster.prelude.replace(str(cluster.kubeconfig), str(nowhere))
    program.write(moved + SOURCE + RELEASE)
    planned = program.planned()
    assert planned["p"] == "update"
    assert planned.get("cm", "same") == "same"
    program.write(moved.replace('"one"', '"two"') + SOURCE + RELEASE)
    operations = [s["op"] for s in program.preview() if s["urn"].endswith(("::p", "::cm"))]
    assert operations.count("replace") == 2

    program.write(moved + SOURCE + RELEASE)
    program.up()
    shown = program.pulumi("refresh", "--yes", "--skip-preview", fails=True)
    assert "failed to read resource state due to unreachable cluster" in shown
    assert "PULUMI_K8S_DELETE_UNREACHABLE" in shown

    # Without a refresh the release stays, whatever the variable says.
    monkeypatch.setenv("PULUMI_K8S_DELETE_UNREACHABLE", "true")
    program.write(moved)
    shown = program.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "can't delete Helm Release with unreachable cluster. Reason:" in shown
    assert "r" in program.resources()
    program.pulumi("up", "--yes", "--skip-preview", "--refresh")
    assert not {"cm", "r"} & set(program.resources())


def test_a_cluster_that_the_same_update_creates(cluster: Cluster, program: Program) -> None:
    chart = Path(__file__).parent / "chart"
    program.write(
        f"""
        import pulumi, pulumi_kubernetes as k, pulumi_tls as tls
        key = tls.PrivateKey("key", algorithm="ED25519")
        kubeconfig = key.id.apply(lambda _: open("{cluster.kubeconfig}").read())
        p = k.Provider("p", kubeconfig=kubeconfig, namespace="{cluster.namespace}")
        o = pulumi.ResourceOptions(provider=p)
        k.core.v1.ConfigMap("cm", data={{"a": "1"}}, opts=o)
        k.helm.v4.Chart("c", chart="{chart}", name="tiny", skip_crds=True, opts=o,
            values={{"toys": False}})
        """
    )
    assert program.planned()["cm"] == "create"
    program.up()
    assert [cm for cm in cluster.list("v1", "ConfigMap") if "cm-" in cm["metadata"]["name"]]
    program.pulumi("preview", "--expect-no-changes")


def test_a_wrong_context_is_one_sentence(cluster: Cluster, program: Program) -> None:
    prelude = cluster.prelude.replace("cluster_id", 'context="other", cluster_id')
    program.write(prelude + SOURCE)
    shown = program.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert 'context "other" does not exist' in shown


@pytest.mark.stand_in_only("kubernetes", reason="it does these")
def test_what_the_stand_in_does_not_do_is_refused(cluster: Cluster, program: Program) -> None:
    prelude = cluster.prelude.replace("cluster_id", "enable_server_side_apply=False, cluster_id")
    program.write(prelude + SOURCE)
    shown = program.pulumi("preview", fails=True)
    assert "this stand-in writes by server-side apply only" in shown
    program.write(cluster.prelude + 'k.kustomize.v2.Directory("d", directory=".", opts=o)')
    shown = program.pulumi("preview", fails=True)
    assert "does not support kubernetes:kustomize/v2:Directory" in shown
