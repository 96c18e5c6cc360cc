"""Claims about objects that a killed update created, and that the state does not know."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.cluster import Cluster
from tests.engine.program import Program

VALIDATING = "admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"
_ROOT = Path(__file__).parents[2]

# The API server completes the rules, which are one value to it: whoever applies them again writes
# another value.
OBJECTS = f"""
import sys
sys.path.insert(0, "{_ROOT}")
from components.charts import leave_to_istiod
from components.ownership import written_by_name
p = k.Provider("upserting", kubeconfig=kubeconfig, cluster_identifier="one",
    upsert_existing_objects=True)
o = pulumi.ResourceOptions(provider=p, transforms=[written_by_name, leave_to_istiod])
words = {{"a": "1", "b": "2"}}
k.core.v1.ConfigMap("cm", metadata={{"namespace": ns, "name": "cm"}}, data=words, opts=o)
w = k.admissionregistration.v1.ValidatingWebhookConfiguration("w", metadata={{"name": ns}}, opts=o,
    webhooks=[{{"name": "w.example.com", "sideEffects": "None", "failurePolicy": "Ignore",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {{"service": {{"name": "none", "namespace": ns}}}},
        "rules": [{{"operations": ["CREATE"], "apiGroups": ["example.com"],
            "apiVersions": ["v1"], "resources": ["toys"]}}]}}])
k.admissionregistration.v1.ValidatingWebhookConfigurationPatch("patch", metadata={{"name": ns,
    "annotations": {{"patched": "yes"}}}}, opts=pulumi.ResourceOptions.merge(
        o, pulumi.ResourceOptions(depends_on=[w])))
"""


@pytest.fixture(autouse=True)
def _webhook_goes(cluster: Cluster) -> Iterator[None]:
    """It is in no namespace, so it does not go with one."""
    yield
    cluster.delete(*VALIDATING, cluster.namespace)


@pytest.fixture
def lost(cluster: Cluster, program: Program) -> Program:
    """A program whose objects are all there, and of which the state knows none."""
    program.write(cluster.prelude + OBJECTS)
    program.up()
    program.forget()
    return program


def managers(cluster: Cluster) -> list[str]:
    entries = cluster.there("v1", "ConfigMap", "cm")["metadata"]["managedFields"]
    return [entry["manager"] for entry in entries]


def test_the_next_update_goes_on_with_them(lost: Program, cluster: Cluster) -> None:
    lost.up()
    assert managers(cluster) == ["probe/test:cm"]
    lost.pulumi("preview", "--expect-no-changes")
    lost.pulumi("destroy", "--yes", "--skip-preview")
    assert cluster.get(*VALIDATING, cluster.namespace) is None


def test_what_they_had_and_the_program_no_longer_says_goes(lost: Program, cluster: Cluster) -> None:
    lost.write(cluster.prelude + OBJECTS.replace(', "b": "2"', ""))
    lost.up()
    assert cluster.there("v1", "ConfigMap", "cm")["data"] == {"a": "1"}


def test_a_webhook_that_istiod_has_closed_is_no_conflict(lost: Program, cluster: Cluster) -> None:
    hook = cluster.there(*VALIDATING, cluster.namespace)["webhooks"][0]
    closed = {"webhooks": [{**hook, "failurePolicy": "Fail"}]}
    cluster.patch(*VALIDATING, cluster.namespace, closed, field_manager="pilot-discovery")
    lost.up()


def test_objects_of_someone_else_are_a_conflict(lost: Program, cluster: Cluster) -> None:
    theirs = {"metadata": {"name": "cm"}, "data": {"a": "theirs"}}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", **theirs}, "someone else")
    shown = lost.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert 'conflict with "someone else": .data.a' in shown


def test_under_the_providers_own_names_they_conflict_with_themselves(
    program: Program, cluster: Cluster
) -> None:
    """The reason for `written_by_name`; when this fails, that can go."""
    program.write(cluster.prelude + OBJECTS.replace("written_by_name, leave_to_istiod", ""))
    program.up()
    program.forget()
    shown = program.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "server-side apply field conflict detected" in shown
    assert 'webhooks[name="w.example.com"].rules' in shown
