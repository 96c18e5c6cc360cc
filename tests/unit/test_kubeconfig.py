"""Claims about how credentials are taken out of a kubeconfig."""

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube import kubeconfig
from kube.kubeconfig import KubeconfigError
from spec import config
from stacks.build import build_mesh
from stacks.identity import MeshIdentity
from tests.unit import meshes
from tests.unit.recorder import record


def document() -> dict[str, Any]:
    return {
        "current-context": "one",
        "clusters": [
            {"name": "c1", "cluster": {"server": "https://c1.test", "certificate-authority": "ca"}},
            {"name": "c2", "cluster": {"server": "https://c2.test"}},
        ],
        "users": [{"name": "u1", "user": {"token": "t1"}}, {"name": "u2", "user": {"token": "t2"}}],
        "contexts": [
            {"name": "one", "context": {"cluster": "c1", "user": "u1"}},
            {"name": "two", "context": {"cluster": "c2", "user": "u2"}},
            {"name": "torn", "context": {"cluster": "gone", "user": "u2"}},
        ],
    }


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "ca").write_text("PEM")
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(document()))
    return str(file)


def test_one_context_is_taken_and_no_other_clusters_credentials(path: str) -> None:
    access = kubeconfig.read(path, "two")
    assert access.server == "https://c2.test"
    assert "t2" in access.kubeconfig
    assert "t1" not in access.kubeconfig
    assert yaml.safe_load(access.kubeconfig)["current-context"] == "two"


def test_how_this_machine_gets_there_is_told() -> None:
    given = document()
    given["clusters"][1]["cluster"] |= {"tls-server-name": "api", "proxy-url": "http://proxy.test"}
    access = kubeconfig.read(yaml.safe_dump(given), "two")
    assert (access.tls_server_name, access.proxy) == ("api", "http://proxy.test")


@pytest.mark.parametrize(
    ("api_server", "expected"),
    [({}, "api"), ({"tlsServerName": "other"}, "other"), ({"server": "https://lb.test"}, None)],
)
def test_the_certificates_name_goes_with_the_url_into_the_remote_secret(
    api_server: dict[str, str], expected: str | None
) -> None:
    east = meshes.cluster("east", "n")
    west = meshes.cluster("west", "m", primary="east", apiServer=api_server)
    spec = config.parse(meshes.configuration(east, west))
    facts = {
        name: replace(known, connection=replace(known.connection, tls_server_name="api"))
        for name, known in meshes.facts(spec).items()
    }
    mesh = record(lambda: build_mesh(spec, facts, MeshIdentity.create()))
    secret = mesh.one("Secret", "east-reads-west-secret").inputs["stringData"]["west"]
    assert yaml.safe_load(secret)["clusters"][0]["cluster"].get("tls-server-name") == expected


def test_a_cluster_without_a_server_is_named() -> None:
    given = document()
    del given["clusters"][1]["cluster"]["server"]
    with pytest.raises(KubeconfigError, match="has no server"):
        kubeconfig.read(yaml.safe_dump(given), "two")


def test_credentials_are_in_no_representation(path: str) -> None:
    assert "t1" not in repr(kubeconfig.read(path, "one"))


def test_without_a_context_the_current_one_is_taken(path: str) -> None:
    assert kubeconfig.read(path, None).server == "https://c1.test"


def test_files_beside_the_kubeconfig_are_folded_in(path: str) -> None:
    access = kubeconfig.read(path, "one")
    assert access.certificate_authority == "PEM"
    folded = yaml.safe_load(access.kubeconfig)["clusters"][0]["cluster"]
    assert base64.b64decode(folded["certificate-authority-data"]) == b"PEM"


def test_content_is_read_as_well_as_a_path() -> None:
    assert kubeconfig.read(yaml.safe_dump(document()), "two").server == "https://c2.test"


@pytest.mark.parametrize(
    ("context", "says", "fix"),
    [
        ("three", "'three' under contexts", "one, torn, two"),
        ("torn", "'gone' under clusters", "c1, c2"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(
    path: str, context: str, says: str, fix: str
) -> None:
    with pytest.raises(KubeconfigError) as error:
        kubeconfig.read(path, context)
    assert says in error.value.rule
    assert fix in error.value.fix


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="No such file"):
        kubeconfig.read(str(tmp_path / "none"), None)


def test_broken_yaml_is_not_quoted(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("token: secret\n  : [")
    with pytest.raises(KubeconfigError) as error:
        kubeconfig.read(str(file), None)
    assert "secret" not in error.value.rule
    assert "line" in error.value.rule
