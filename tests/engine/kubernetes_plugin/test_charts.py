"""Charts as components, and manifests: each object is a separate resource."""

import json
from pathlib import Path

from tests.engine.cluster import Cluster
from tests.engine.program import Program

CHART = f"""
chart = "{Path(__file__).parent / "chart"}"
def rename(args):
    if args.type_ == "kubernetes:core/v1:ServiceAccount":
        args.props["metadata"]["labels"] = {{"seen": "by-transform"}}
        return pulumi.ResourceTransformResult(props=args.props, opts=args.opts)
c = k.helm.v4.Chart("c", chart=chart, name="tiny", namespace=ns, values={{
    "greeting": "hello", "password": pulumi.Output.secret("open-sesame")}},
    opts=pulumi.ResourceOptions(provider=p, transforms=[rename]))
pulumi.export("count", c.resources.apply(len))
"""


def _children(cluster: Cluster) -> set[str]:
    space = cluster.namespace
    names = (f"{space}/{n}" for n in ("bear", "tiny-words", "kept", "safe", "last"))
    return {f"c:{name}" for name in (*names, "toys.tiny.example.com")}


def test_a_chart_is_its_objects(cluster: Cluster, program: Program) -> None:
    program.write(cluster.prelude + CHART)
    planned = program.planned()
    assert _children(cluster) <= set(planned)
    assert not any("hook" in name for name in planned)
    program.up()

    words = cluster.there("v1", "ConfigMap", "tiny-words")["data"]
    assert words["greeting"] == "hello"
    assert words["server"].startswith("v1.")
    assert (words["jobs"], words["account"]) == ("true", "kube-system")
    assert cluster.there("tiny.example.com/v1", "Toy", "bear")["spec"] == {"since": "2026-01-01"}
    labels = cluster.there("v1", "ServiceAccount", "last")["metadata"]["labels"]
    assert labels == {"seen": "by-transform"}
    assert cluster.get("v1", "ConfigMap", "hook") is None
    assert program.outputs()["count"] == 6

    resources = program.resources()
    bear, last = (resources[f"c:{cluster.namespace}/{name}"] for name in ("bear", "last"))
    assert bear["dependencies"] == [resources["c:toys.tiny.example.com"]["urn"]]
    assert last["dependencies"] == [resources[f"c:{cluster.namespace}/kept"]["urn"]]
    # A limit of the provider: what is rendered of secret values is not secret. Data of Secrets is.
    assert "open-sesame" in program.stored
    assert "ciphertext" in json.dumps(resources[f"c:{cluster.namespace}/safe"]["outputs"])

    program.pulumi("preview", "--expect-no-changes")
    program.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")

    program.write(cluster.prelude + CHART.replace('"greeting": "hello"', '"greeting": "bye"'))
    operations = program.planned()
    changed = {name for name, op in operations.items() if op not in ("same", "read")}
    assert changed == {f"c:{cluster.namespace}/tiny-words"}

    program.pulumi("destroy", "--yes", "--skip-preview")
    assert cluster.get("v1", "ConfigMap", "tiny-words") is None
    assert cluster.there("v1", "ConfigMap", "kept")["data"] == {"password": "open-sesame"}


def test_what_a_chart_cannot_know_yet(cluster: Cluster, program: Program) -> None:
    unknown = """
made = k.core.v1.ConfigMap("made", metadata={"namespace": ns}, opts=o)
""" + CHART.replace('"greeting": "hello"', '"greeting": made.id').replace(
        '"password"', '"password": "x", "other"'
    )
    program.write(cluster.prelude + unknown)
    shown = program.pulumi("preview")
    assert "Input properties have unknown values. Preview is incomplete." in shown
    assert "tiny-words" not in shown
    assert "count: [unknown]" in shown

    missing = CHART.replace("chart=chart", 'chart=chart + "-that-is-not-there"')
    program.write(cluster.prelude + missing)
    shown = program.pulumi("preview", fails=True)
    assert "chart-that-is-not-there" in shown
    assert "not found" in shown


def test_a_post_renderer_has_the_last_word(cluster: Cluster, program: Program) -> None:
    rendered = CHART.replace(
        "namespace=ns,",
        'namespace=ns, post_renderer={"command": "sed", "args": ["-e", "s/hello/goodbye/"]},',
    )
    program.write(cluster.prelude + rendered)
    program.up()
    assert cluster.there("v1", "ConfigMap", "tiny-words")["data"]["greeting"] == "goodbye"
    program.pulumi("destroy", "--yes", "--skip-preview")


def test_manifests_from_files_text_and_objects(cluster: Cluster, program: Program) -> None:
    for name in ("one", "two"):
        text = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n"
        (program.folder / f"{name}.yaml").write_text(text)
    program.write(
        cluster.prelude.replace("kubeconfig=kubeconfig", "kubeconfig=kubeconfig, namespace=ns")
        + """
text = "apiVersion: v1\\nkind: ConfigMap\\nmetadata: {name: three}\\n"
k.yaml.v2.ConfigGroup("g", files=["o*.yaml"], yaml=text, opts=o, objs=[
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "four"}}])
k.yaml.v2.ConfigFile("f", file="two.yaml", opts=o)
k.helm.v3.Chart("old", k.helm.v3.LocalChartOpts(path="__CHART__", namespace=ns,
    skip_crd_rendering=True, values={"toys": False, "password": "x"}), opts=o)
""".replace("__CHART__", str(Path(__file__).parent / "chart"))
    )
    program.up()
    for name in ("one", "two", "three", "old-words"):
        assert cluster.there("v1", "ConfigMap", name)
    assert cluster.there("v1", "ServiceAccount", "four")
    # The older Chart does not ask the cluster for objects.
    assert cluster.there("v1", "ConfigMap", "old-words")["data"]["account"] == "unseen"
    program.pulumi("preview", "--expect-no-changes")
