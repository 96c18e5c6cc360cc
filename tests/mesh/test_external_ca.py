"""Claims about a mesh of two primaries whose CA another tool maintains.

In east the tool has written its Secret before the mesh exists, into a namespace of the user's. In
west it writes when the update has created the namespace.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pulumi.automation as automation
import pytest

from components import names
from lab.live import FailedCommandError, LiveMesh, Snapshots, until
from tests.authorities import Authority
from tests.documents import documented
from tests.mesh import shell
from tests.mesh.conftest import MakeMesh
from tests.mesh.test_two_networks import DEV

_ISTIO = "istio-system"
_RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"
"""On the user's namespace: pods of istiod, the gateway and the last hook start nevertheless."""
ROOT, OTHER = Authority("Root of another tool"), Authority("Root of another organization")


def opaque(root: Authority) -> dict[str, Any]:
    return secret("Opaque", root.cacerts())


def tls(root: Authority) -> dict[str, Any]:
    """As cert-manager writes it."""
    files = root.cacerts()
    chain, key = files["ca-cert.pem"], files["ca-key.pem"]
    return secret(
        "kubernetes.io/tls", {"tls.crt": chain, "tls.key": key, "ca.crt": root.certificate}
    )


def secret(kind: str, files: Mapping[str, str]) -> dict[str, Any]:
    metadata = {"name": names.CACERTS, "namespace": _ISTIO}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": kind,
        "metadata": metadata,
        "stringData": files,
    }


def written(mesh: LiveMesh, cluster: str) -> dict[str, Any]:
    """The Secret in a cluster, with its resource version."""
    text = mesh.kubectl(cluster, "-n", _ISTIO, "get", "secret", names.CACERTS, "-o", "json")
    return json.loads(text)


@pytest.fixture(scope="module")
def bare(make_mesh: MakeMesh) -> LiveMesh:
    clusters = LiveMesh.read(DEV)["clusters"]
    return make_mesh([{key: c[key] for key in ("name", "network")} for c in clusters])


@pytest.fixture(scope="module")
def before(bare: LiveMesh) -> Iterator[Snapshots]:
    bare.kubectl("east", "create", "namespace", _ISTIO)
    bare.kubectl("east", "label", "namespace", _ISTIO, _RESTRICTED)
    bare.apply("east", opaque(ROOT))
    look = ("-n", _ISTIO, "get", "configmaps,serviceaccounts", "-o", "name")
    until("Kubernetes to complete it", lambda: len(bare.kubectl("east", *look).split()) == 2)
    yield bare.snapshot()
    bare.kubectl("east", "delete", "namespace", _ISTIO)


@pytest.fixture(scope="module")
def given(bare: LiveMesh) -> dict[str, Any]:
    configured = bare.placed(LiveMesh.read(DEV))
    east, west = configured["clusters"]
    east["adopt"] = True
    del west["primary"]
    configured["mesh"]["ca"] = {"external": True, "root": {"certificate": ROOT.certificate}}
    return configured


@pytest.fixture(scope="module")
def secrets(bare: LiveMesh, before: Snapshots, given: dict[str, Any]) -> Mapping[str, Any]:
    """The mesh, up; what the tool wrote in each cluster, by cluster."""
    assert before
    found = {"east": written(bare, "east")}

    def namespace_exists() -> bool:
        try:
            bare.kubectl("west", "get", "namespace", _ISTIO)
        except FailedCommandError:
            return False
        return True

    def write_in_west() -> None:
        until("the update to create the namespace", namespace_exists, 600)
        bare.apply("west", tls(ROOT))
        found["west"] = written(bare, "west")

    with ThreadPoolExecutor(1) as pool:
        tool = pool.submit(write_in_west)
        bare.up(given)
        tool.result()
    return found


@pytest.fixture
def mesh(bare: LiveMesh, secrets: Mapping[str, Any]) -> LiveMesh:
    assert secrets
    return bare


def test_the_update_changes_nothing_of_the_secrets(
    mesh: LiveMesh, secrets: Mapping[str, Any]
) -> None:
    assert {c: written(mesh, c) for c in ("east", "west")} == secrets
    mesh.workspace.stack.preview(expect_no_changes=True)


@pytest.mark.parametrize("cluster", ["east", "west"])
def test_both_versions_answer_to_each_cluster(mesh: LiveMesh, cluster: str) -> None:
    assert set(mesh.ask(cluster)) == {"v1", "v2"}


def test_every_cluster_trusts_the_root_of_the_tool(mesh: LiveMesh) -> None:
    look = ("-n", "sample", "get", "configmap", names.ROOT_CONFIG_MAP, "-o", "json")
    for cluster in ("east", "west"):
        found = json.loads(mesh.kubectl(cluster, *look))["data"]["root-cert.pem"]
        assert found.strip() == ROOT.certificate.strip()
    assert "failed" not in mesh.checked()


def test_no_key_of_the_tool_is_in_the_state(mesh: LiveMesh, secrets: Mapping[str, Any]) -> None:
    folder, name = str(mesh.workspace.folder), mesh.workspace.name
    export = ("pulumi", "stack", "export", "--cwd", folder, "--stack", name, "--show-secrets")
    state = mesh.run(*export)
    for found, file in (("east", "ca-key.pem"), ("west", "tls.key")):
        key = secrets[found]["data"][file]
        lines = base64.b64decode(key).decode().splitlines()[1:-1]
        assert not [line for line in (key, *lines) if line in state]


def test_a_destroy_is_refused_while_a_user_has_something_beside_istio(mesh: LiveMesh) -> None:
    """In the namespace that the stack has created. The program runs before anything is deleted."""
    mine = ("configmap", "mine", "-n", _ISTIO)
    mesh.kubectl("west", "create", *mine)
    before = mesh.snapshot()
    with pytest.raises(AssertionError, match="namespace-in-use") as refused:
        shell.run(mesh, documented("README.md", "ISTHMUS_DESTROY"))
    assert "configmaps/mine" in str(refused.value)
    assert "namespace istio-system of cluster east" not in str(refused.value)
    assert mesh.snapshot() == before
    mesh.kubectl("west", "delete", *mine)


def test_another_root_in_one_cluster_is_refused(mesh: LiveMesh) -> None:
    mesh.apply("west", tls(OTHER))
    restart = ("-n", _ISTIO, "rollout", "restart", "deployment/istiod")
    mesh.kubectl("west", *restart)
    mesh.kubectl("west", "-n", _ISTIO, "rollout", "status", "deployment/istiod")

    def is_served() -> bool:
        look = ("-n", _ISTIO, "get", "configmap", names.ROOT_CONFIG_MAP, "-o", "json")
        return (
            OTHER.certificate.strip()
            in json.loads(mesh.kubectl("west", *look))["data"]["root-cert.pem"]
        )

    until("istiod of west to sign under the other root", is_served)
    with pytest.raises(automation.CommandError, match="root-replaced") as refused:
        mesh.workspace.stack.preview()
    assert "must be the root that cluster west trusts: CN=Root of another org" in str(refused.value)
    assert "cluster east" not in str(refused.value)


def test_destroy_changes_nothing_of_the_secret_in_a_namespace_of_the_user(
    mesh: LiveMesh, before: Snapshots, secrets: Mapping[str, Any]
) -> None:
    """That of west goes with the namespace, which the stack has created."""
    mesh.workspace.stack.destroy()
    assert written(mesh, "east") == secrets["east"]
    after = mesh.snapshot()
    assert after["west"] == before["west"]
    left = after["east"] - before["east"]
    assert before["east"] <= after["east"]
    assert {where for _, where, _ in left} <= {_ISTIO}
    assert {kind.rpartition("/")[2] for kind, _, _ in left} <= {"configmaps", "leases"}, left
    assert all(name.startswith("istio-") for _, _, name in left), "by which istiods chose a leader"
