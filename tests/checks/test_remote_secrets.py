"""Claims about remote secrets that istiod would ignore silently."""

import base64
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from checks import remote_kubeconfig
from checks.model import Status
from checks.sections import remote_secrets
from picture.state import Part
from tests.checks import fake
from tests.unit.meshes import recorded, two_networks

_NAME = "istio-remote-secret-west"


def document(server: str = "https://west.test:6443", **user: object) -> dict[str, Any]:
    """The credentials that Isthmus writes, or others."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "west", "cluster": {"server": server}}],
        "users": [{"name": "west", "user": user or {"token": "abc"}}],
        "contexts": [{"name": "west", "context": {"cluster": "west", "user": "west"}}],
        "current-context": "west",
    }


def kubeconfig(server: str = "https://west.test:6443", **user: object) -> str:
    return yaml.safe_dump(document(server, **user))


def secret(name: str = _NAME, **changes: Any) -> dict[str, Any]:
    metadata = {
        "name": name,
        "labels": {"istio/multiCluster": "true"},
        "annotations": {"networking.istio.io/cluster": changes.get("annotated", "west")},
    }
    if not changes.get("labelled", True):
        del metadata["labels"]
    text = changes.get("kubeconfig", kubeconfig())
    key = changes.get("key", "west")
    return {"metadata": metadata, "data": {key: base64.b64encode(text.encode()).decode()}}


def east(*secrets: dict[str, Any]) -> fake.Objects:
    return {f"{fake.SYSTEM}/secrets/{s['metadata']['name']}": s for s in secrets}


def test_a_correct_secret_passes() -> None:
    [finding] = fake.found("remote-secret", "east", fake.mesh(east=east(secret())))
    assert finding.status is Status.OK


@pytest.mark.parametrize(
    ("made", "evidence"),
    [
        (None, "does not exist"),
        (secret(labelled=False), "lacks the label istio/multiCluster=true"),
        (secret(annotated="wset"), "the annotation networking.istio.io/cluster is 'wset'"),
        (secret(kubeconfig="nonsense"), "it contains no kubeconfig"),
        (
            secret(kubeconfig=kubeconfig("https://127.0.0.1:6443")),
            "leads to https://127.0.0.1:6443",
        ),
        (secret(kubeconfig=kubeconfig(exec={"command": "aws"})), "its credentials are exec"),
    ],
)
def test_a_secret_that_istiod_cannot_use_is_reported(
    made: dict[str, Any] | None, evidence: str
) -> None:
    mesh = fake.mesh(east=east(made) if made else {})
    [finding] = fake.found("remote-secret", "east", mesh)
    assert finding.status is Status.FAILED
    assert evidence in finding.evidence
    assert finding.part == Part("secret", "east", "west")
    assert finding.hint


def test_a_secret_under_another_key_is_both_missing_and_unknown() -> None:
    """asmcli shipped this: GoogleCloudPlatform/anthos-service-mesh-packages#1184."""
    findings = fake.found("remote-secret", "east", fake.mesh(east=east(secret(key="gke-west"))))
    assert [f.status for f in findings] == [Status.FAILED, Status.FAILED]
    assert "has the key gke-west, but istiod needs the key west" in findings[0].evidence
    assert "'gke-west', which is not a cluster of this mesh" in findings[1].evidence


def test_two_secrets_of_one_cluster_are_reported_by_name() -> None:
    mesh = fake.mesh(east=east(secret(), secret("istio-remote-secret-other")))
    [finding] = fake.found("remote-secret", "east", mesh)
    assert finding.status is Status.FAILED
    assert f"{_NAME}, istio-remote-secret-other" in finding.evidence


def test_a_secret_for_the_cluster_itself_is_a_warning() -> None:
    """istiod ignores it silently (istio/istio#35674)."""
    own = secret("istio-remote-secret-east", key="east", annotated="east")
    findings = fake.found("remote-secret", "east", fake.mesh(east=east(secret(), own)))
    assert [f.status for f in findings] == [Status.OK, Status.WARNING]


def test_evidence_holds_no_token() -> None:
    made = secret(kubeconfig=kubeconfig("https://elsewhere.test", token="s3cret"))  # noqa: S106
    [finding] = fake.found("remote-secret", "east", fake.mesh(east=east(made)))
    assert "s3cret" not in finding.evidence + finding.hint


def planted(mark: Path) -> list[tuple[str, dict[str, Any]]]:
    """Kubeconfigs that make a client of Kubernetes run a program."""
    program = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "touch",
        "args": [str(mark)],
        "interactiveMode": "Never",
    }
    gcp = {"name": "gcp", "config": {"cmd-path": "touch", "cmd-args": str(mark)}}
    another = document()
    another["users"].append({"name": "evil", "user": {"exec": program}})
    another["contexts"].append({"name": "evil", "context": {"cluster": "west", "user": "evil"}})
    another["current-context"] = "evil"
    elsewhere = document()
    elsewhere["current-context"] = "gone"
    proxied = document()
    proxied["clusters"][0]["cluster"]["proxy-url"] = "http://evil.test"
    extended = {**document(), "extensions": [{"name": "evil"}]}
    joined = document()
    joined["contexts"][0]["context"]["user"] = "evil"
    return [
        ("exec, token", document(token="abc", exec=program)),  # noqa: S106
        (
            "auth-provider, token",
            {
                **document(),
                "users": [{"name": "west", "user": {"token": "abc", "auth-provider": gcp}}],
            },
        ),
        ("one user", another),
        ("current-context", elsewhere),
        ("proxy-url", proxied),
        ("extensions", extended),
        ("does not join", joined),
        ("must have a name", {**document(), "users": [{"user": {"token": "abc"}}]}),
        ("must have keys", {**document(), "users": [{"name": "west", "user": None}]}),
        ("line breaks", document(token="a\nb")),  # noqa: S106
    ]


@pytest.mark.parametrize("case", range(10))
def test_a_kubeconfig_of_another_shape_is_a_finding_and_is_never_loaded(
    case: int, tmp_path: Path
) -> None:
    """A user who could write one Secret of a primary could run programs where the checks ran."""
    mark = tmp_path / "ran"
    evidence, made = planted(mark)[case]
    mesh = fake.mesh(east=east(secret(kubeconfig=yaml.safe_dump(made))))
    [finding] = fake.found("remote-secret", "east", mesh)
    assert finding.status is Status.FAILED
    assert evidence in finding.evidence
    assert not fake.found("remote-token", "east", mesh)
    assert not fake.found("remote-rights", "east", mesh)
    assert not mark.exists()


def test_a_client_gets_the_fields_that_were_read_and_nothing_else() -> None:
    given = document()
    given["clusters"][0]["cluster"] |= {
        "certificate-authority-data": "YWJj",
        "tls-server-name": "n",
    }
    made = yaml.safe_load(remote_kubeconfig.read(yaml.safe_dump(given)).content)
    assert made["clusters"][0]["cluster"] == given["clusters"][0]["cluster"]
    assert made["users"][0]["user"] == {"token": "abc"}


def test_what_isthmus_writes_is_of_the_shape() -> None:
    mesh = recorded(two_networks())
    written = mesh.one("Secret", "east/reads/west-secret").inputs["stringData"]["west"]
    assert remote_kubeconfig.read(written).server == "https://west.test:6443"


_READ = ["get", "list", "watch"]
_ADMISSION = "admissionregistration.k8s.io"
READER = (
    ("", ["pods", "services", "nodes", "namespaces", "secrets", "configmaps"], _READ),
    ("discovery.k8s.io", ["endpointslices"], _READ),
    ("authentication.k8s.io", ["tokenreviews"], ["create"]),
)
"""Istio's role in a primary (istiod chart, templates/reader-clusterrole.yaml of release 1.31)."""
IN_REMOTE = (
    *READER,
    ("", ["configmaps"], ["create", "update"]),
    (_ADMISSION, ["mutatingwebhookconfigurations"], [*_READ, "update", "patch"]),
)
"""The same with `istiodRemote.enabled`."""
Rules = Sequence[tuple[str, Sequence[str], Sequence[str]]]


class Reader:
    """An API server that allows what a role allows."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    @contextmanager
    def connect(self, kubeconfig: str) -> Generator["Reader"]:
        assert kubeconfig
        yield self

    def is_allowed(self, *, verb: str, group: str, resource: str) -> bool:
        return any(group == g and resource in r and verb in v for g, r, v in self._rules)


@pytest.mark.parametrize(
    ("rules", "status", "said"),
    [
        (READER, Status.OK, "Istio's role also lets it read all Secrets"),
        (IN_REMOTE, Status.OK, "read all Secrets, change ConfigMaps, change the webhooks"),
        (READER[1:], Status.FAILED, "it is not allowed to: list services"),
        ((*READER, ("", ["pods"], ["create"])), Status.WARNING, "also allowed to: create pods"),
    ],
)
def test_the_check_of_rights_says_how_much_a_token_is_worth(
    monkeypatch: pytest.MonkeyPatch, rules: Rules, status: Status, said: str
) -> None:
    monkeypatch.setattr(remote_secrets, "PodApi", Reader(rules))
    mesh = fake.mesh(east=east(secret()))
    [finding] = fake.found("remote-rights", "east", mesh)
    assert finding.status is status
    assert said in finding.evidence
    assert "only read" not in finding.evidence
