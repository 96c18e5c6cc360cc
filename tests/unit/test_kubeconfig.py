"""Claims about how credentials are taken out of a kubeconfig."""

import base64
import json
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube import kubeconfig
from kube.kubeconfig import KubeconfigError
from spec import config
from spec.rules import kubeconfigs
from stacks.build import build_mesh
from stacks.identity import MeshIdentity
from tests.authorities import Authority
from tests.unit import meshes
from tests.unit.recorder import record

_CA = Authority("Kubernetes CA").certificate


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
    (tmp_path / "ca").write_text(_CA)
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(document()))
    return str(file)


def test_one_context_is_taken_and_no_other_clusters_credentials(path: str) -> None:
    access = kubeconfig.read(path, "two")
    assert access.server == "https://c2.test"
    assert "t2" in access.kubeconfig
    assert "t1" not in access.kubeconfig
    assert yaml.safe_load(access.kubeconfig)["current-context"] == "two"


def test_the_connection_of_this_machine_is_read() -> None:
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
    secret = mesh.one("Secret", "east/reads/west-secret").inputs["stringData"]["west"]
    assert yaml.safe_load(secret)["clusters"][0]["cluster"].get("tls-server-name") == expected


def test_a_cluster_without_a_server_is_named() -> None:
    given = document()
    del given["clusters"][1]["cluster"]["server"]
    with pytest.raises(KubeconfigError, match="has no server"):
        kubeconfig.read(yaml.safe_dump(given), "two")


def test_credentials_are_in_no_representation(path: str) -> None:
    assert "t2" not in repr(kubeconfig.read(path, "two"))


def test_without_a_context_the_current_one_is_taken(path: str) -> None:
    assert kubeconfig.read(path, None).server == "https://c1.test"


def test_files_beside_the_kubeconfig_are_folded_in(path: str) -> None:
    access = kubeconfig.read(path, "one")
    assert access.certificate_authority == _CA
    folded = yaml.safe_load(access.kubeconfig)["clusters"][0]["cluster"]
    assert base64.b64decode(folded["certificate-authority-data"]) == _CA.encode()


def test_content_is_read_as_well_as_a_path() -> None:
    assert kubeconfig.read(yaml.safe_dump(document()), "two").server == "https://c2.test"


@pytest.mark.parametrize(
    ("context", "says", "fix"),
    [
        ("three", "'three' under contexts", "one, torn, two"),
        ("torn", "'gone' under clusters", "c1, c2"),
    ],
)
def test_what_is_missing_is_named_with_what_exists(
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


def changed(kind: str, **entry: Any) -> str:
    """A kubeconfig whose first entry of a kind has these keys too."""
    given = document()
    del given["clusters"][0]["cluster"]["certificate-authority"]
    given[f"{kind}s"][0][kind] = {**given[f"{kind}s"][0][kind], **entry}
    return yaml.safe_dump(given)


def user_of(access: kubeconfig.Connection) -> dict[str, Any]:
    return yaml.safe_load(access.kubeconfig)["users"][0]["user"]


def test_one_line_of_json_is_content() -> None:
    """`kubectl config view --raw -o json | jq -c` writes it, and so does Terraform."""
    assert kubeconfig.read(json.dumps(document()), "two").server == "https://c2.test"


def test_a_list_of_files_is_read_as_kubectl_does(path: str, tmp_path: Path) -> None:
    """The first entry of a name counts, files that are missing are passed over, and relative paths
    begin at the file that has them."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "token").write_text("t3\n")
    more = {
        "current-context": "three",
        "clusters": [{"name": "c3", "cluster": {"server": "https://c3.test"}}],
        "users": [{"name": "u3", "user": {"tokenFile": "token"}}, {"name": "u1", "user": {}}],
        "contexts": [{"name": "three", "context": {"cluster": "c3", "user": "u3"}}],
    }
    (tmp_path / "more" / "config").write_text(yaml.safe_dump(more))
    files = f"{tmp_path}/none:{path}:{tmp_path}/more/config"
    assert user_of(kubeconfig.read(files, None)) == {"token": "t1"}
    assert user_of(kubeconfig.read(files, "three")) == {"token": "t3"}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_file_that_powershell_wrote_is_read(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(document()), encoding=encoding)
    assert kubeconfig.read(str(file), "two").server == "https://c2.test"


def test_parts_that_are_null_are_parts_that_are_left_out() -> None:
    given = document()
    given["users"][1]["user"] = None
    del given["users"][0]["user"]
    given["contexts"].insert(0, {"context": {}})
    given["clusters"][1]["cluster"]["certificate-authority"] = None
    assert user_of(kubeconfig.read(yaml.safe_dump(given), "two")) == {}


def test_numbers_are_names_too() -> None:
    given = document()
    given["current-context"] = 1
    given["contexts"][0]["name"] = 1
    given["clusters"][0] = {"name": 2, "cluster": {"server": "https://c1.test"}}
    given["contexts"][0]["context"]["cluster"] = 2
    assert kubeconfig.read(yaml.safe_dump(given), None).server == "https://c1.test"


def test_inline_data_wins_over_a_missing_file() -> None:
    data = base64.b64encode(_CA.encode()).decode()
    both = {"certificate-authority": "gone", "certificate-authority-data": data}
    assert kubeconfig.read(changed("cluster", **both), "one").certificate_authority == _CA


def test_a_ca_in_der_becomes_pem() -> None:
    data = base64.b64encode(ssl.PEM_cert_to_DER_cert(_CA)).decode()
    access = kubeconfig.read(changed("cluster", **{"certificate-authority-data": data}), "one")
    assert (access.certificate_authority or "").split() == _CA.split()


def test_a_relative_command_is_beside_the_kubeconfig(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(changed("user", exec={"command": "./bin/login"}))
    assert kubeconfig.read(str(file), "one").plugin == str(tmp_path / "bin" / "login")


def test_an_address_without_a_scheme_is_taken_as_kubectl_takes_it() -> None:
    assert kubeconfig.read(changed("cluster", server="c1:8080"), "one").server == "http://c1:8080"


_SECRET = "do-not-print"  # noqa: S105


@pytest.mark.parametrize(
    ("given", "rule", "fix"),
    [
        (
            changed("cluster", **{"certificate-authority-data": "DATA+OMITTED"}),
            "written by `kubectl config view` without `--raw`",
            "--raw --flatten",
        ),
        (changed("user", token="REDACTED"), "without `--raw`", "--raw"),  # noqa: S106
        (
            changed("cluster", **{"certificate-authority-data": "<base64-encoded-ca-cert>"}),
            "certificate-authority-data in base64",
            "write the kubeconfig again",
        ),
        (
            changed("cluster", **{"certificate-authority-data": "YWJj"}),
            "must hold a certificate",
            "write",
        ),
        (changed("context", cluster=None), "has no cluster in context 'one'", "write"),
        (changed("user", token=f"{_SECRET}\n"), "a token of one line", "without the newline"),
        (
            changed("user", **{"auth-provider": {"name": "gcp"}}),
            "kubectl removed",
            "get-credentials",
        ),
        (
            changed("cluster", server=f"https://me:{_SECRET}@c1"),
            "without a user and a password",
            "`username`",
        ),
        (f"{_SECRET}\0: [\n", "must be YAML", "write"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(given: str, rule: str, fix: str) -> None:
    with pytest.raises(KubeconfigError) as error:
        kubeconfig.read(given, "one")
    assert rule in error.value.rule
    assert fix in error.value.fix
    assert _SECRET not in error.value.rule + error.value.fix


@pytest.mark.parametrize(
    "server",
    [
        *("127.1", "0", "2130706433", "localhost.", "ip6-localhost", "[::ffff:127.0.0.1]"),
        *("host.docker.internal", "kubernetes.default.svc"),
    ],
)
def test_this_machine_by_any_name_is_refused_where_others_watch(server: str) -> None:
    west = meshes.cluster("west", "m", primary="east", apiServer={"server": f"https://{server}:1"})
    [problem] = meshes.refused(meshes.configuration(meshes.cluster("east", "n"), west))
    assert problem.path == "isthmus:clusters[1].apiServer.server"


def test_an_unverified_api_server_causes_a_warning() -> None:
    access = kubeconfig.read(changed("cluster", **{"insecure-skip-tls-verify": True}), "one")
    spec = config.parse_types(meshes.configuration(meshes.cluster("east", "n")))
    [problem] = kubeconfigs.check_kubeconfigs(spec, {0: access})
    assert not problem.refuses
    assert "insecure-skip-tls-verify" in problem.rule


def test_contexts_of_one_proxy_that_lead_to_two_clusters_are_two_clusters() -> None:
    """Teleport and Rancher have one URL for all, and go by the user."""
    access = kubeconfig.read(changed("cluster"), "one")
    spec = config.parse_types(
        meshes.configuration(meshes.cluster("east", "n"), meshes.cluster("west", "m"))
    )
    both = {0: access, 1: access}
    assert not list(kubeconfigs.check_kubeconfigs(spec, both, {0: "uid-1", 1: "uid-2"}))
    assert list(kubeconfigs.check_kubeconfigs(spec, both, {0: "uid-1"}))


@pytest.mark.parametrize("authority", [_CA, None])
def test_the_remote_secret_trusts_for_the_kubeconfigs_url_what_the_kubeconfig_trusts(
    authority: str | None,
) -> None:
    """Behind Rancher or Teleport the cluster's own CA has not signed for the URL."""
    west = meshes.cluster("west", "m", primary="east")
    spec = config.parse(meshes.configuration(meshes.cluster("east", "n"), west))
    facts = {
        name: replace(known, connection=replace(known.connection, certificate_authority=authority))
        for name, known in meshes.facts(spec).items()
    }
    mesh = record(lambda: build_mesh(spec, facts, MeshIdentity.create()))
    secret = mesh.one("Secret", "east/reads/west-secret").inputs["stringData"]["west"]
    data = yaml.safe_load(secret)["clusters"][0]["cluster"].get("certificate-authority-data")
    assert data == (authority and base64.b64encode(authority.encode()).decode())
