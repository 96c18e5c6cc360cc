"""Claims about what is refused in preview, with the answers of real API servers."""

import contextlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pulumi.automation as automation
import pytest
import yaml
from kubernetes import client, config

import preflight
from components.names import STACK
from lab.live import LiveMesh
from preflight.facts import PreflightResult
from preflight.identity import Expected
from spec import config as configuration
from spec.problems import MeshRefusedError, Problem
from tests.engine.alone import alone, mesh_of
from tests.engine.cluster import Cluster

_STACK = "isthmus/test"
_SYSTEM = "istio-system"


def examine(kubeconfig: Path, stack: str = _STACK) -> PreflightResult:
    return preflight.examine(configuration.parse_types(mesh_of(kubeconfig)), Expected(stack))


def problems(kubeconfig: Path, stack: str = _STACK) -> list[Problem]:
    with pytest.raises(MeshRefusedError) as refusal:
        examine(kubeconfig, stack)
    return list(refusal.value.problems)


def refused(kubeconfig: Path, stack: str = _STACK) -> Problem:
    (problem,) = problems(kubeconfig, stack)
    return problem


@contextlib.contextmanager
def having(cluster: Cluster, *bodies: dict[str, Any]) -> Generator[None]:
    """Objects that are there for a while."""
    try:
        for body in bodies:
            cluster.create(body)
        yield
    finally:
        for body in reversed(bodies):
            cluster.delete(body["apiVersion"], body["kind"], body["metadata"]["name"])


def webhooks(kind: str, name: str) -> dict[str, Any]:
    """Webhooks of a deleted istiod; no request matches them."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": "rev.namespace.sidecar-injector.istio.io",
                "clientConfig": {"service": {"name": "istiod", "namespace": _SYSTEM}},
                "failurePolicy": "Ignore",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }


def test_every_question_to_a_healthy_cluster_is_answered(control_plane: Path) -> None:
    found = examine(control_plane)
    assert (found.warnings, found.unchecked) == ((), ())
    assert found.facts["one"].kubernetes == "1.34.4"
    assert found.facts["one"].uid


def test_an_istio_of_someone_else_is_refused(cluster: Cluster, control_plane: Path) -> None:
    labels = {"app": "istiod"}
    pod = {"containers": [{"name": "discovery", "image": "pilot"}]}
    istiod = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "istiod-1-28", "labels": labels},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    with having(cluster, istiod):
        problem = refused(control_plane)
    assert problem.path == "isthmus:clusters[0]"
    assert f"Deployment istiod-1-28 in namespace {cluster.namespace}" in problem.rule
    assert examine(control_plane).facts


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("MutatingWebhookConfiguration", "istio-revision-tag-default"),
        ("ValidatingWebhookConfiguration", "istiod-default-validator"),
    ],
)
def test_a_webhook_that_an_old_istio_left_is_refused(
    cluster: Cluster, control_plane: Path, kind: str, name: str
) -> None:
    with having(cluster, webhooks(kind, name)):
        problem = refused(control_plane)
    assert f"{kind.lower()} {name}, which calls {_SYSTEM}" in problem.rule
    assert f"kubectl delete {kind.lower()}s {name}" in problem.fix


def test_a_cacerts_of_someone_else_is_refused_until_it_is_adopted(control_plane: Path) -> None:
    api: Any = client.CoreV1Api(config.new_client_from_config(str(control_plane)))
    api.create_namespace({"metadata": {"name": _SYSTEM}})
    try:
        assert refused(control_plane).name == "namespace-exists"
        secret = {"metadata": {"name": "cacerts"}, "stringData": {"ca-key.pem": "do-not-print"}}
        api.create_namespaced_secret(_SYSTEM, secret)
        found = {p.name: p for p in problems(control_plane)}
        assert found.keys() == {"namespace-exists", "cacerts-exists"}
        assert "do-not-print" not in str(found)
        api.patch_namespace(_SYSTEM, {"metadata": {"annotations": {STACK: _STACK}}})
        assert examine(control_plane).facts, "it was adopted, as the fix says"
        assert refused(control_plane, "isthmus/other").value == _STACK
    finally:
        api.delete_namespace(_SYSTEM)


def as_someone_else(control_plane: Path, folder: Path, token: str) -> Path:
    """The kubeconfig with other credentials."""
    document = yaml.safe_load(control_plane.read_text())
    for user in document["users"]:
        user["user"] = {"token": token}
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(document))
    return file


def test_permissions_that_are_missing_are_named(
    cluster: Cluster, control_plane: Path, tmp_path: Path
) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "viewer"}}
    role = "rbac.authorization.k8s.io"
    binding = {
        "apiVersion": f"{role}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": cluster.namespace},
        "roleRef": {"apiGroup": role, "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "ServiceAccount", "name": "viewer", "namespace": cluster.namespace}],
    }
    with having(cluster, account, binding):
        core: Any = client.CoreV1Api(config.new_client_from_config(str(control_plane)))
        made = core.create_namespaced_service_account_token(
            "viewer", cluster.namespace, {"spec": {}}
        )
        kubeconfig = as_someone_else(control_plane, tmp_path, made.status.token)
        found = {p.name: p for p in problems(kubeconfig)}
    assert found.keys() == {"permissions-missing", "ownership-unknown"}
    assert "CRDs and releases of another owner (403" in found["ownership-unknown"].rule
    problem = found["permissions-missing"]
    assert problem.path == "isthmus:clusters[0].kubeconfig"
    assert "lacks permissions in cluster one that the update needs: " in problem.rule
    assert "create namespaces, patch namespaces, " in problem.rule
    assert "create customresourcedefinitions.apiextensions.k8s.io" in problem.rule
    assert "secrets" not in problem.rule, "which `edit` allows"
    assert made.status.token not in str(problem)


def test_credentials_that_are_not_accepted_are_refused(control_plane: Path, tmp_path: Path) -> None:
    kubeconfig = as_someone_else(control_plane, tmp_path, "not-a-token")
    problem = refused(kubeconfig)
    assert "credentials that cluster one accepts (401 Unauthorized)" in problem.rule
    assert problem.value == str(kubeconfig)


@pytest.fixture(scope="module")
def half_made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveMesh]:
    """A mesh whose first update was killed; without nodes its istiod would never be ready."""
    with alone(tmp_path_factory.mktemp("half-made")) as mesh:
        mesh.workspace.configure(mesh_of(mesh.lab.kubeconfig))
        mesh.workspace.killed_up(when="Waiting for app ReplicaSet")
        yield mesh


def test_a_kill_has_no_file_to_leave_empty_that_the_state_cannot_be_read_without(
    half_made: LiveMesh,
) -> None:
    state = half_made.workspace.folder / "state" / ".pulumi"
    assert (state / "stacks/isthmus/test.json").exists()
    assert list(state.rglob("*.attrs")) == [], "empty, it is `failed to load checkpoint: EOF`"


def test_an_unfinished_mesh_of_this_stack_is_not_foreign(half_made: LiveMesh) -> None:
    kubectl = ("get", "deployments,validatingwebhookconfigurations", "--all-namespaces", "--output")
    there = half_made.kubectl("one", *kubectl, "name")
    assert "deployment.apps/istiod" in there
    assert "istiod-default-validator" in there
    shown = half_made.workspace.stack.preview().stdout
    assert "istio-system/istiod" in shown
    assert "could not be checked" not in shown


def test_what_is_no_list_where_the_project_wants_one_is_refused_by_pulumi(
    half_made: LiveMesh,
) -> None:
    given = mesh_of(half_made.lab.kubeconfig)
    half_made.workspace.configure({**given, "clusters": {"name": "one"}})
    with pytest.raises(automation.CommandError, match="isthmus:clusters.*array"):
        half_made.workspace.stack.preview()
    half_made.workspace.configure(given)


def test_it_is_foreign_to_every_other_stack_and_the_preview_says_so(half_made: LiveMesh) -> None:
    half_made.kubectl(
        "one", "annotate", "--overwrite", "namespace", _SYSTEM, f"{STACK}=isthmus/prod"
    )
    with pytest.raises(automation.CommandError) as error:
        half_made.workspace.stack.preview()
    said = str(error.value)
    assert "isthmus:clusters[0]: must not belong to another stack's mesh" in said
    assert "(found: 'isthmus/prod')" in said
    assert "Traceback" not in said
