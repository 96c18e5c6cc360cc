"""Ways to break remote secrets."""

import base64
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import yaml

from lab.live import until
from tests.checks.breakages.patient import (
    READER_TOKEN,
    REMOTE_SECRET,
    SAMPLE,
    SECRET,
    SYSTEM,
    UNREAD,
    UP,
    Breakage,
    Patient,
)


def kubeconfig(patient: Patient) -> dict[str, Any]:
    """The one in the remote secret."""
    data = patient.east.get(REMOTE_SECRET)["data"]["west"]
    return yaml.safe_load(base64.b64decode(data))


def as_data(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@contextmanager
def remote_secret(patient: Patient, change: Mapping[str, Any], **known: str) -> Generator[None]:
    """Have the remote secret changed, and istiod know what it then knows."""
    with patient.east.changed(REMOTE_SECRET, change):
        patient.until_registry(east="synced", **known)
        yield
    patient.until_registry(east="synced", west="synced")


def credentials(
    patient: Patient, edit: Callable[[dict[str, Any]], None], status: str
) -> AbstractContextManager[None]:
    document = kubeconfig(patient)
    edit(document)
    change = {"data": {"west": as_data(yaml.safe_dump(document))}}
    return remote_secret(patient, change, west=status)


def remote_secret_of_another_name(patient: Patient) -> AbstractContextManager[None]:
    """The data key, which istiod takes for the cluster's ID, is not the name that proxies say."""
    data = patient.east.get(REMOTE_SECRET)["data"]["west"]
    return remote_secret(patient, {"data": {"west": None, "far": data}}, far="synced")


def _one_more_secret(patient: Patient, key: str) -> AbstractContextManager[None]:
    before = patient.east.get(REMOTE_SECRET)
    name = f"istio-remote-secret-{key}-too"
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": before["metadata"]["labels"]},
        "data": {key: before["data"]["west"]},
    }
    return patient.east.with_object(f"{SYSTEM}/secrets/{name}", secret)


def remote_secret_of_its_own(patient: Patient) -> AbstractContextManager[None]:
    return _one_more_secret(patient, "east")


def second_remote_secret(patient: Patient) -> AbstractContextManager[None]:
    return _one_more_secret(patient, "west")


@contextmanager
def remote_secret_missing(patient: Patient) -> Generator[None]:
    with patient.east.without(REMOTE_SECRET):
        patient.until_registry(east="synced")
        yield
    patient.until_registry(east="synced", west="synced")


def remote_secret_unlabelled(patient: Patient) -> AbstractContextManager[None]:
    return remote_secret(patient, {"metadata": {"labels": {"istio/multiCluster": None}}})


def remote_secret_without_data(patient: Patient) -> AbstractContextManager[None]:
    return remote_secret(patient, {"data": {"west": None}})


@contextmanager
def remote_secret_in_another_namespace(patient: Patient) -> Generator[None]:
    before = patient.east.get(REMOTE_SECRET)
    metadata = {k: before["metadata"][k] for k in ("name", "labels", "annotations")}
    moved = {**before, "metadata": metadata}
    path = f"{SAMPLE}/secrets/istio-remote-secret-west"
    with remote_secret_missing(patient), patient.east.with_object(path, moved):
        yield


def api_server_at_loopback(patient: Patient) -> AbstractContextManager[None]:
    def edit(document: dict[str, Any]) -> None:
        document["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:6443"

    return credentials(patient, edit, "syncing")


def api_server_of_another_name(patient: Patient) -> AbstractContextManager[None]:
    def edit(document: dict[str, Any]) -> None:
        document["clusters"][0]["cluster"]["tls-server-name"] = "elsewhere.example"

    return credentials(patient, edit, "syncing")


def credentials_by_a_program(patient: Patient) -> AbstractContextManager[None]:
    def edit(document: dict[str, Any]) -> None:
        document["users"][0]["user"] = {
            "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "cloud-login"}
        }

    return credentials(patient, edit, "synced")  # istiod continues with what it has


def token_of_nobody(patient: Patient) -> AbstractContextManager[None]:
    def edit(document: dict[str, Any]) -> None:
        document["users"][0]["user"]["token"] += "x"

    return credentials(patient, edit, "syncing")


def token_without_rights(patient: Patient) -> AbstractContextManager[None]:
    answer = patient.west.post(
        f"{SAMPLE}/serviceaccounts/default/token",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
    )

    def edit(document: dict[str, Any]) -> None:
        document["users"][0]["user"]["token"] = answer["status"]["token"]

    return credentials(patient, edit, "syncing")


@contextmanager
def reader_token_gone(patient: Patient) -> Generator[None]:
    """Without its Secret the token is refused: at once, or when the API server forgets it."""
    with patient.west.without(READER_TOKEN):
        until("west refuses the token", lambda: not _is_accepted(patient))
        yield
    until("west accepts the token", lambda: _is_accepted(patient))


def _is_accepted(patient: Patient) -> bool:
    token = kubeconfig(patient)["users"][0]["user"]["token"]
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
    answer = patient.west.post(
        "/apis/authentication.k8s.io/v1/tokenreviews", {**review, "spec": {"token": token}}
    )
    return bool(answer["status"].get("authenticated"))


BREAKAGES = (
    Breakage(
        row=1,
        name="remote-secret-of-another-name",
        broken=remote_secret_of_another_name,
        check="remote-secret",
        cluster="east",
        says=(SECRET, "has the key far", UP),
        also=UNREAD | {"proxy-connected"},
    ),
    Breakage(
        row=2,
        name="remote-secret-of-its-own",
        broken=remote_secret_of_its_own,
        check="remote-secret",
        cluster="east",
        says=("for east itself", "delete secret"),
    ),
    Breakage(
        row=2,
        name="second-remote-secret",
        broken=second_remote_secret,
        check="remote-secret",
        cluster="east",
        says=("2 secrets are for west", f"{SECRET}-too", "delete"),
    ),
    Breakage(
        row=12,
        name="reader-token-gone",
        broken=reader_token_gone,
        check="remote-token",
        cluster="east",
        says=("refuses the token for west", UP),
        also=UNREAD,
    ),
    Breakage(
        row=17,
        name="remote-secret-unlabelled",
        broken=remote_secret_unlabelled,
        check="remote-secret",
        cluster="east",
        says=("lacks the label istio/multiCluster=true", UP),
        also=UNREAD,
    ),
    Breakage(
        row=17,
        name="remote-secret-without-data",
        broken=remote_secret_without_data,
        check="remote-secret",
        cluster="east",
        says=("has no data", UP),
        also=UNREAD,
    ),
    Breakage(
        row=17,
        name="remote-secret-in-another-namespace",
        broken=remote_secret_in_another_namespace,
        check="remote-secret",
        cluster="east",
        says=(SECRET, "does not exist", UP),
        also=UNREAD,
    ),
    Breakage(
        row=32,
        name="remote-secret-missing",
        broken=remote_secret_missing,
        check="remote-secret",
        cluster="east",
        says=(SECRET, "does not exist", UP),
        also=UNREAD,
    ),
    Breakage(
        row=14,
        name="token-of-another",
        broken=token_of_nobody,
        check="remote-token",
        cluster="east",
        says=("refuses the token for west", "was deleted"),
        also=UNREAD,
        last=True,
    ),
    Breakage(
        row=14,
        name="token-without-rights",
        broken=token_without_rights,
        check="remote-rights",
        cluster="east",
        says=("list services", "ClusterRole", UP),
        also=UNREAD | {"remote-token"},
        last=True,
    ),
    Breakage(
        row=29,
        name="credentials-by-a-program",
        broken=credentials_by_a_program,
        check="remote-secret",
        cluster="east",
        says=("its credentials are exec", UP),
        also=UNREAD,
        last=True,
    ),
    Breakage(
        row=15,
        name="api-server-at-loopback",
        broken=api_server_at_loopback,
        check="remote-secret",
        cluster="east",
        says=("https://127.0.0.1:6443", UP),
        also=UNREAD,
        last=True,
    ),
    Breakage(
        row=16,
        name="api-server-of-another-name",
        broken=api_server_of_another_name,
        check="remote-token",
        cluster="east",
        says=("certificate", "apiServer.tlsServerName"),
        also=UNREAD,
        last=True,
    ),
)
