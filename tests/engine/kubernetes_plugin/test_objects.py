"""Ordinary objects under the real engine and a real API server."""

import base64
import json

from tests.engine.cluster import Cluster
from tests.engine.program import Program

APPLICATION = """
# No kubelet makes pods ready here, and with skipAwait their end would not be waited for either.
exists = {"pulumi.com/waitFor": "jsonpath={.metadata.uid}"}
cm = k.core.v1.ConfigMap("cm", metadata={"namespace": ns}, data={"a": "1"}, opts=o)
s = k.core.v1.Secret("s", metadata={"namespace": ns, "name": "s"},
    string_data={"password": pulumi.Output.secret("hunter-two")}, opts=o)
svc = k.core.v1.Service("svc", metadata={"namespace": ns, "name": "svc"}, opts=o,
    spec={"type": "LoadBalancer", "ports": [{"port": 80, "name": "http"}], "selector": {"a": "b"}})
d = k.apps.v1.Deployment("d", opts=o,
    metadata={"namespace": ns, "name": "d", "annotations": exists},
    spec={"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": {
        "metadata": {"labels": {"a": "b"}}, "spec": {"hostNetwork": False, "containers": [
            {"name": "c", "image": "x", "resources": {"requests": {"cpu": "1000m"}}}]}}})
pulumi.export("address", svc.status.load_balancer.ingress[0].ip)
pulumi.export("name", cm.metadata["name"])
pulumi.export("data", s.data)
"""


def test_an_application_comes_up_stays_and_goes(cluster: Cluster, program: Program) -> None:
    program.write(cluster.prelude + APPLICATION)
    assert set(program.planned().values()) == {"create"}
    shown = program.up()

    outputs = program.outputs()
    assert outputs["name"].startswith("cm-")
    ingress = cluster.there("v1", "Service", "svc")["status"]["loadBalancer"]["ingress"]
    assert outputs["address"] == ingress[0]["ip"]
    assert base64.b64decode(outputs["data"]["password"]) == b"hunter-two"
    encoded = base64.b64encode(b"hunter-two").decode()
    for text in (shown, program.stored, program.pulumi("preview", "--diff")):
        assert "hunter-two" not in text
        assert encoded not in text

    program.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes")
    program.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    # Nor after the refresh, which has rewritten the state.
    program.pulumi("preview", "--expect-no-changes")

    program.pulumi("destroy", "--yes", "--skip-preview")
    for version, kind in (("v1", "Service"), ("v1", "Secret"), ("apps/v1", "Deployment")):
        assert cluster.list(version, kind) == []


def test_changes_are_shown_by_property_and_replace_only_what_cannot_change(
    cluster: Cluster, program: Program
) -> None:
    more = """
m = pulumi.ResourceOptions(provider=k.Provider("mutable", enable_config_map_mutable=True,
    kubeconfig=kubeconfig, cluster_identifier="one"))
k.core.v1.ConfigMap("mutable-cm", metadata={"namespace": ns}, data={"a": "one"}, opts=m)
k.apps.v1.Deployment("d2", opts=o,
    metadata={"namespace": ns, "name": "d2", "annotations": exists},
    spec={"selector": {"matchLabels": {"old": "label"}}, "template": {
        "metadata": {"labels": {"old": "label"}},
        "spec": {"containers": [{"name": "c", "image": "x"}]}}})
"""
    source = cluster.prelude + APPLICATION + more
    program.write(source)
    program.up()
    for before, after in (
        ('"replicas": 2', '"replicas": 3'),
        ('{"old": "label"}', '{"new": "label"}'),
        ('string_data={"password"', 'string_data={"word"'),
        ('data={"a": "1"}', 'data={"a": "2"}'),
        ('data={"a": "one"}', 'data={"a": "two"}'),
    ):
        assert before in source
        source = source.replace(before, after)
    program.write(source)
    steps = program.preview()
    kinds: dict[str, set[str]] = {}
    for step in steps:
        kinds.setdefault(step["urn"].rsplit("::", 1)[-1], set()).add(step["op"])
    changed = next(step for step in steps if step["urn"].endswith("::d"))
    assert changed["detailedDiff"] == {"spec.replicas": {"kind": "update", "inputDiff": True}}
    assert {name for name, ops in kinds.items() if ops == {"update"}} == {"d", "mutable-cm"}
    assert {name for name, ops in kinds.items() if "replace" in ops} == {"d2", "s", "cm"}
    program.up()
    assert cluster.there("apps/v1", "Deployment", "d")["spec"]["replicas"] == 3
    program.pulumi("preview", "--expect-no-changes")


def test_refresh_sees_drift_and_up_reverts_it(cluster: Cluster, program: Program) -> None:
    program.write(cluster.prelude + APPLICATION)
    program.up()
    edit = {"spec": {"replicas": 7}}
    cluster.patch("apps/v1", "Deployment", "d", edit, field_manager="kubectl-edit")
    # As with the real plugin: without a refresh, the change is not noticed.
    program.pulumi("preview", "--expect-no-changes")
    shown = program.pulumi("refresh", "--yes", "--skip-preview", "--diff")
    assert "replicas: 2 => 7" in shown
    program.up()
    assert cluster.there("apps/v1", "Deployment", "d")["spec"]["replicas"] == 2


def test_what_controllers_add_is_no_drift(cluster: Cluster, program: Program) -> None:
    program.write(
        cluster.prelude
        + """
k.admissionregistration.v1.ValidatingWebhookConfiguration("w", metadata={"name": ns}, opts=o,
    webhooks=[{"name": "w.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"name": "none", "namespace": ns}}, "failurePolicy": "Ignore",
        "rules": [], "objectSelector": {}}])
"""
    )
    program.up()
    bundle = base64.b64encode(b"-----BEGIN CERTIFICATE-----").decode()
    version, kind = "admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"
    hook = cluster.there(version, kind, cluster.namespace)["webhooks"][0]
    hook["clientConfig"]["caBundle"] = bundle
    cluster.patch(version, kind, cluster.namespace, {"webhooks": [hook]})
    program.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    program.pulumi("preview", "--expect-no-changes")
    program.pulumi("destroy", "--yes", "--skip-preview")


def test_a_deleted_object_is_created_again(cluster: Cluster, program: Program) -> None:
    program.write(cluster.prelude + APPLICATION)
    program.up()
    cluster.delete("v1", "Service", "svc")
    program.pulumi("refresh", "--yes", "--skip-preview")
    assert program.planned()["svc"] == "create"


def test_an_existing_object_is_not_adopted(cluster: Cluster, program: Program) -> None:
    source = """
k.core.v1.ConfigMap("cm", metadata={"namespace": ns, "name": "cm"}, opts=o)
k.batch.v1.Job("j", opts=o,
    metadata={"namespace": ns, "name": "j", "annotations": {
        "pulumi.com/waitFor": "jsonpath={.metadata.uid}"}},
    spec={"template": {"spec": {"restartPolicy": "Never", "containers": [
        {"name": "c", "image": "x"}]}}})
"""
    cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}})
    program.write(cluster.prelude + source)
    shown = program.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert 'configmaps "cm" already exists' in shown
    assert "pulumi import" in shown
    upserting = cluster.prelude.replace("cluster_id", "upsert_existing_objects=True, cluster_id")
    program.write(upserting + source)
    program.up()
    # The dry run of a replacement meets the object that it replaces.
    program.write(upserting + source.replace('"image": "x"', '"image": "y"'))
    assert "replace" in {s["op"] for s in program.preview() if s["urn"].endswith("::j")}
    program.up()


def test_foreign_fields_are_a_conflict_unless_forced(cluster: Cluster, program: Program) -> None:
    source = """
k.core.v1.ServiceAccount("sa", opts=o,
    metadata={"namespace": ns, "name": "sa", "labels": {"owner": "pulumi"}, "annotations": {}})
"""
    program.write(cluster.prelude + source)
    program.up()
    theirs = {"name": "sa", "labels": {"owner": "another"}}
    cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": theirs}, "another")
    source = source.replace('"owner": "pulumi"', '"owner": "me"')
    program.write(cluster.prelude + source)
    shown = program.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "server-side apply field conflict detected" in shown
    assert 'conflict with "another": .metadata.labels.owner' in shown
    forced = '"annotations": {"pulumi.com/patchForce": "true"}'
    program.write(cluster.prelude + source.replace('"annotations": {}', forced))
    program.up()
    labels = cluster.there("v1", "ServiceAccount", "sa")["metadata"]["labels"]
    assert labels == {"owner": "me"}


def test_ignored_changes_are_left_to_others(cluster: Cluster, program: Program) -> None:
    ignoring = 'pulumi.ResourceOptions(provider=p, ignore_changes=["spec.replicas"])'
    source = APPLICATION.replace("opts=o,\n    metadata", f"opts={ignoring},\n    metadata")
    program.write(cluster.prelude + source)
    program.up()
    cluster.patch("apps/v1", "Deployment", "d", {"spec": {"replicas": 7}})
    changed = source.replace('"replicas": 2', '"replicas": 4').replace(
        '"image": "x"', '"image": "y"'
    )
    program.write(cluster.prelude + changed)
    program.up()
    spec = cluster.there("apps/v1", "Deployment", "d")["spec"]
    assert spec["replicas"] == 7
    assert spec["template"]["spec"]["containers"][0]["image"] == "y"


def test_a_kind_and_its_object_come_in_one_update(cluster: Cluster, program: Program) -> None:
    program.write(
        cluster.prelude
        + """
crd = k.apiextensions.v1.CustomResourceDefinition("crd", opts=o,
    metadata={"name": "gadgets.one.example.com"}, spec={"group": "one.example.com",
    "scope": "Namespaced", "names": {"kind": "Gadget", "plural": "gadgets"}, "versions": [
        {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
            "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]})
k.apiextensions.CustomResource("g", api_version="one.example.com/v1", kind="Gadget",
    metadata={"namespace": ns, "name": "g"}, spec={"size": 3},
    opts=pulumi.ResourceOptions(provider=p, depends_on=[crd]))
"""
    )
    assert set(program.planned().values()) == {"create"}
    program.up()
    assert cluster.there("one.example.com/v1", "Gadget", "g")["spec"] == {"size": 3}
    program.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    program.pulumi("preview", "--expect-no-changes")
    program.pulumi("destroy", "--yes", "--skip-preview")


def test_an_object_can_be_imported_and_read(cluster: Cluster, program: Program) -> None:
    cluster.create(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "old"},
            "data": {"a": "1"},
        }
    )
    program.write(
        cluster.prelude
        + """
k.core.v1.ConfigMap("mine", metadata={"namespace": ns, "name": "old"}, data={"a": "1"},
    opts=pulumi.ResourceOptions(provider=p, import_=f"{ns}/old"))
kube = k.core.v1.Service.get("kubernetes", "default/kubernetes", opts=o)
pulumi.export("port", kube.spec.ports[0].port)
"""
    )
    assert program.planned()["mine"] == "import"
    program.up()
    assert program.outputs()["port"] == 443
    program.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    program.pulumi("preview", "--expect-no-changes")


def test_a_namespace_is_gone_when_destroy_ends(cluster: Cluster, program: Program) -> None:
    name = f"{cluster.namespace[:50]}-own"
    program.write(
        cluster.prelude + f'k.core.v1.Namespace("n", metadata={{"name": "{name}"}}, opts=o)'
    )
    program.up()
    program.pulumi("destroy", "--yes", "--skip-preview")
    assert cluster.get("v1", "Namespace", name) is None


def test_a_mistake_is_reported_in_the_servers_words_before_anything_changes(
    cluster: Cluster, program: Program
) -> None:
    program.write(
        cluster.prelude
        + """
k.core.v1.Service("s", metadata={"namespace": ns}, opts=o, spec={"type": "Nothing"})
"""
    )
    shown = program.pulumi("preview", fails=True)
    assert 'spec.type: Unsupported value: "Nothing"' in shown
    assert json.dumps(cluster.list("v1", "Service")) == "[]"
