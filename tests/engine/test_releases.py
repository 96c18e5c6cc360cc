"""Claims about Helm releases after an update that was killed, with Helm and a real API server."""

import base64
import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from components.names import STACK
from lab.live import LiveMesh, until
from stacks import interrupted_releases as releases
from tests.engine.alone import alone, mesh_of
from tests.engine.cluster import Cluster

_SYSTEM = "istio-system"
_RELEASE = "kubernetes:helm.sh/v3:Release"
_CREATING = "Release one-istiod creating"


def records(mesh: LiveMesh, release: str, status: str) -> dict[str, Any]:
    """What Helm has written of a release, by UID: what is written anew has another."""
    selector = f"owner=helm,name={release},status={status}"
    arguments = ("--namespace", _SYSTEM, "--selector", selector, "--output", "json")
    found = json.loads(mesh.kubectl("one", "get", "secrets", *arguments))["items"]
    return {record["metadata"]["uid"]: record for record in found}


def pending(mesh: LiveMesh) -> set[str]:
    return set(records(mesh, "istiod", "pending-install"))


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveMesh]:
    """A mesh whose update was killed while Helm installed istiod, which without nodes is never
    ready; so every update that gets there can be killed in Helm's midst."""
    with alone(tmp_path_factory.mktemp("killed")) as mesh:
        configure(mesh)
        up_to_istiod(mesh)
        yield mesh


def configure(mesh: LiveMesh, **leave_nothing: str) -> None:
    values = {"leaveNothing": leave_nothing}
    mesh.workspace.configure(mesh_of(mesh.lab.kubeconfig, install="release", values=values))


def up_to_istiod(mesh: LiveMesh) -> None:
    """An update that is killed when Helm has written a record of istiod's that is new."""
    before = pending(mesh)
    mesh.workspace.killed_up(
        _CREATING, lambda: until("a new record", lambda: bool(pending(mesh) - before))
    )


def test_a_preview_leaves_the_release_as_it_is(killed: LiveMesh) -> None:
    before = pending(killed)
    killed.workspace.stack.preview()
    assert pending(killed) == before


def test_a_release_at_which_an_update_was_killed_is_installed_again(killed: LiveMesh) -> None:
    up_to_istiod(killed)


def test_a_release_that_helm_finished_and_the_state_lacks_is_adopted(
    killed: LiveMesh,
) -> None:
    """As where the kill comes when Helm is done and the state is not yet written."""
    before = records(killed, "istio-base", "deployed")
    unknow(killed, "one-base")
    up_to_istiod(killed)
    after = records(killed, "istio-base", "deployed")
    assert len(before) == len(after) == 1
    assert set(before) != set(after)


def unknow(mesh: LiveMesh, release: str) -> None:
    """Take a release, and what depends on it, out of the state. Nothing else: the state's order
    is that in which things were done, and what came later need not depend on the release."""
    state = mesh.workspace.stack.export_stack()
    assert state.deployment is not None
    urns = [resource["urn"] for resource in state.deployment["resources"]]
    (urn,) = (urn for urn in urns if urn.endswith(f"{_RELEASE}::{release}"))
    stack = ("--cwd", str(mesh.workspace.folder), "--stack", mesh.workspace.name)
    mesh.run("pulumi", "state", "remove", urn, "--target-dependents", "--yes", *stack)


def test_a_release_whose_change_was_killed_can_be_changed(killed: LiveMesh) -> None:
    (record,) = records(killed, "leave-nothing", "deployed").values()
    killed.apply("one", second_revision(record, "pending-upgrade"))
    configure(killed, image="registry.test/kubectl:1")
    up_to_istiod(killed)
    assert not records(killed, "leave-nothing", "pending-upgrade")
    (changed,) = records(killed, "leave-nothing", "deployed").values()
    assert changed["metadata"]["labels"]["version"] == "2"


def second_revision(record: dict[str, Any], status: str) -> dict[str, Any]:
    """The record that Helm writes for an unfinished second revision."""
    release = json.loads(gzip.decompress(_twice_decoded(record["data"]["release"])))
    release["version"], release["info"]["status"] = 2, status
    blob = base64.b64encode(gzip.compress(json.dumps(release).encode()))
    name = record["metadata"]["name"].removesuffix("v1") + "v2"
    labels = {**record["metadata"]["labels"], "status": status, "version": "2"}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": record["type"],
        "metadata": {"name": name, "namespace": _SYSTEM, "labels": labels},
        "data": {"release": base64.b64encode(blob).decode()},
    }


def _twice_decoded(data: str) -> bytes:
    """Once for the Secret, once for Helm."""
    return base64.b64decode(base64.b64decode(data))


@pytest.fixture
def recorded(cluster: Cluster) -> Cluster:
    """A namespace of stack isthmus/test with records of one release, and with one of another's."""
    annotations = {STACK: "isthmus/test"}
    cluster.patch("v1", "Namespace", cluster.namespace, {"metadata": {"annotations": annotations}})
    for number, (name, status) in enumerate(
        [("istiod", "superseded"), ("istiod", "pending-upgrade"), ("other", "pending-install")]
    ):
        labels = {"owner": "helm", "name": name, "status": status}
        metadata = {"name": f"{name}.v{number}", "labels": labels}
        cluster.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
    return cluster


def delete_stale_records(cluster: Cluster, records: str, stack: str = "isthmus/test") -> list[str]:
    content = cluster.kubeconfig.read_text()
    return releases.delete_stale_records(
        content, cluster.namespace, f"{records},name=istiod", stack
    )


def left(cluster: Cluster) -> set[str]:
    return {secret["metadata"]["name"] for secret in cluster.list("v1", "Secret")}


def test_a_change_deletes_only_the_record_of_the_unfinished_step(recorded: Cluster) -> None:
    assert delete_stale_records(recorded, releases.UNFINISHED) == ["pending-upgrade"]
    assert left(recorded) == {"istiod.v0", "other.v2"}


def test_a_creation_deletes_every_record_of_its_own_release_only(recorded: Cluster) -> None:
    assert sorted(delete_stale_records(recorded, releases.ANY)) == ["pending-upgrade", "superseded"]
    assert left(recorded) == {"other.v2"}


def test_releases_in_the_mesh_of_another_stack_are_left_alone(recorded: Cluster) -> None:
    before = left(recorded)
    assert delete_stale_records(recorded, releases.ANY, "isthmus/prod") == []
    assert left(recorded) == before
