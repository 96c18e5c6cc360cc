"""Claims about a mesh whose clusters Kiali shows."""

import base64
from dataclasses import replace
from typing import Any

import pytest
import yaml

from spec import config
from stacks import kept
from tests.unit import meshes
from tests.unit.recorder import Recording


def shown(cluster: str = "east", **west: Any) -> dict[str, Any]:
    east, remote = meshes.two_networks()["clusters"]
    return {
        **meshes.configuration(east, {**remote, **west}),
        "kiali": {"cluster": cluster},
    }


@pytest.fixture(scope="module")
def mesh() -> Recording:
    return meshes.recorded(shown())


def test_only_the_other_cluster_gets_an_account_for_kiali(mesh: Recording) -> None:
    (account,) = mesh.of_type("isthmus:index:KialiAccount")
    assert account.name == "west", "Kiali reads its own cluster with its own account"
    (binding,) = (
        r for r in mesh.of_type("ClusterRoleBinding") if r.inputs["metadata"]["name"].count("kiali")
    )
    assert binding.inputs["subjects"][0]["name"] == "kiali-remote-access"
    assert binding.provider == "west"


def test_kiali_may_read_what_it_shows_and_no_secret(mesh: Recording) -> None:
    role = mesh.one("ClusterRole", "west-kiali")
    verbs = {
        (group, resource): set(rule["verbs"])
        for rule in role.inputs["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    read = {"get", "list", "watch"}
    assert verbs["", "pods"] == verbs["networking.istio.io", "*"] == read
    assert ("", "secrets") not in verbs
    assert ("", "*") not in verbs
    creates = {resource for (_, resource), allowed in verbs.items() if not allowed <= read}
    assert creates == {"pods/portforward", "tokenreviews"}


def test_kiali_finds_the_other_cluster_by_its_label(mesh: Recording) -> None:
    secret = mesh.one("Secret", "east/kiali-reads/west-secret")
    metadata = secret.inputs["metadata"]
    assert metadata["name"] == "kiali-remote-cluster-secret-west"
    assert metadata["labels"] == {"kiali.io/multiCluster": "true"}
    assert secret.provider == "east"
    assert "stringData" in secret.secret_paths
    (text,) = secret.inputs["stringData"].values()
    kubeconfig = yaml.safe_load(text)
    assert kubeconfig["clusters"][0]["cluster"]["server"] == "https://west.test:6443"
    assert kubeconfig["users"][0]["user"]["token"] == base64.b64decode("dG9rZW4=").decode()
    token = mesh.one("Secret", "west-kiali-token")
    assert mesh.waits_for(secret, token)


def test_istiod_does_not_take_the_secret_for_its_own(mesh: Recording) -> None:
    kiali_s = mesh.one("Secret", "east/kiali-reads/west-secret").inputs["metadata"]
    istiod_s = mesh.one("Secret", "east/reads/west-secret").inputs["metadata"]
    assert kiali_s["name"] != istiod_s["name"]
    assert not kiali_s["labels"].keys() & istiod_s["labels"].keys()


def test_another_token_generation_replaces_kiali_s_token_too() -> None:
    mesh = meshes.recorded(shown(tokenGeneration=2))
    token = mesh.one("Secret", "west-kiali-token-2")
    assert token.inputs["metadata"]["name"] == "kiali-remote-access-2"


def test_a_mesh_without_kiali_has_nothing_of_it() -> None:
    assert not [r for r in meshes.recorded(meshes.two_networks()) if "kiali" in r.key.lower()]


def test_kiali_must_run_in_a_cluster_of_the_mesh() -> None:
    (problem,) = meshes.refused(shown(cluster="north"))
    assert problem.path == "isthmus:kiali.cluster"
    assert "east, west" in problem.fix


def test_kiali_must_not_run_in_a_cluster_with_its_own_stack() -> None:
    found = meshes.refused(shown(cluster="west", stack="fleet-west"))
    assert [p.name for p in found] == ["kiali-cluster-has-stack"]


def test_kiali_makes_an_api_server_one_that_other_clusters_call() -> None:
    east, west = meshes.two_networks()["clusters"]
    local = {**east, "apiServer": {"server": "https://127.0.0.1:6443"}}
    given = {**meshes.configuration(local, west), "kiali": {"cluster": "west"}}
    assert [p.name for p in meshes.refused(given) if p.path.endswith("apiServer.server")]
    assert not meshes.refused({**given, "kiali": None})


def test_kiali_s_secret_for_an_absent_cluster_stays() -> None:
    spec = config.parse(shown())
    spec = replace(spec, clusters=tuple(replace(c, absent=c.name == "west") for c in spec.clusters))
    stack = "urn:pulumi:dev::isthmus::"
    state = [
        {"urn": f"{stack}isthmus:index:RemoteSecret::{name}", "type": "isthmus:index:RemoteSecret"}
        for name in ("east/kiali-reads/west", "east/kiali-reads/north")
    ]
    assert [e["urn"] for e in kept.select(state, spec)] == [state[0]["urn"]]
