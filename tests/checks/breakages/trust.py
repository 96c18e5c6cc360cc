"""Ways to break trust."""

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any

import yaml

from lab.live import until
from tests.authorities import Authority
from tests.checks.breakages.gateways import istiod_stopped, istiod_without_pods, served_again
from tests.checks.breakages.patient import (
    CACERTS,
    DEPLOYMENTS,
    INJECTOR,
    MESH_CONFIG,
    SYSTEM,
    TRUST,
    UP,
    VALIDATOR,
    Breakage,
    Patient,
)
from tests.checks.breakages.remote_secrets import as_data
from tests.checks.edits import Edits


@contextmanager
def intermediate_ended(patient: Patient) -> Generator[None]:
    """istiod was started anew when its CA had ended, and does not get far."""
    path = f"{DEPLOYMENTS}/istiod"

    def fails() -> bool:
        pods = patient.east.get(f"{SYSTEM}/pods?labelSelector=app=istiod")["items"]
        states = [s for p in pods for s in p["status"].get("containerStatuses", [])]
        return any(s["restartCount"] > 0 for s in states)

    with (
        istiod_without_pods(patient),
        _cacerts(patient.east, patient.root.cacerts(lasts=timedelta(hours=-1))),
        patient.east.changed(path, {"spec": {"replicas": 1}}),
    ):
        until("istiod ends by itself", fails)
        yield


# The files of a remote are the same, and no istiod takes them while they are broken.


def intermediate_ends_soon(patient: Patient) -> AbstractContextManager[None]:
    return _cacerts(patient.west, patient.root.cacerts(lasts=timedelta(days=3)))


def key_of_another_intermediate(patient: Patient) -> AbstractContextManager[None]:
    key = patient.root.cacerts()["ca-key.pem"]
    return patient.west.changed(CACERTS, {"data": {"ca-key.pem": as_data(key)}})


def cacerts_incomplete(patient: Patient) -> AbstractContextManager[None]:
    return patient.west.changed(CACERTS, {"data": {"cert-chain.pem": None}})


def remotes_root_differs(patient: Patient) -> AbstractContextManager[None]:
    return _cacerts(patient.west, Authority("Another Root").cacerts())


def _cacerts(edits: Edits, files: Mapping[str, str]) -> AbstractContextManager[None]:
    return edits.changed(CACERTS, {"data": {k: as_data(v) for k, v in files.items()}})


@contextmanager
def istiods_root_differs(patient: Patient) -> Generator[None]:
    """istiod was started anew with the CA of another root; proxies still trust the first."""
    with served_again(patient):
        with _cacerts(patient.east, Authority("Another Root").cacerts()):
            _restart_istiod(patient)
            yield
        _restart_istiod(patient)


@contextmanager
def istiod_before_cacerts(patient: Patient) -> Generator[None]:
    """istiod found no `cacerts` when it started, and created its own root."""
    with served_again(patient):
        with patient.east.without(CACERTS):
            _restart_istiod(patient)
            yield
        patient.east.delete(f"{SYSTEM}/secrets/istio-ca-secret")
        _restart_istiod(patient)


def _restart_istiod(patient: Patient) -> None:
    with istiod_stopped(patient):
        pass


def bundle_of_another_ca(path: str, cluster: str) -> Callable[[Patient], Any]:
    """A webhook with the CA bundle of another istiod, and no istiod that writes today's."""

    def broken(patient: Patient) -> AbstractContextManager[None]:
        edits: Edits = getattr(patient, cluster)
        webhooks, bundle = edits.get(path)["webhooks"], as_data(Authority("Yesterday").certificate)
        for webhook in webhooks:
            webhook["clientConfig"]["caBundle"] = bundle
        # istiod leaves webhooks of other revisions alone.
        labels = {"labels": {"istio.io/rev": "of-yesterday"}}
        return edits.changed(path, {"metadata": labels, "webhooks": webhooks})

    return broken


def another_trust_domain(patient: Patient) -> AbstractContextManager[None]:
    """A mesh configuration in the remote, which istiod reads for the trust domain alone."""
    text = yaml.safe_dump({"trustDomain": "west.example"})
    made = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "istio"},
        "data": {"mesh": text},
    }
    return patient.west.with_object(MESH_CONFIG, made)


BREAKAGES = (
    Breakage(
        row=8,
        name="cacerts-incomplete",
        broken=cacerts_incomplete,
        check="trust-cacerts",
        cluster="west",
        says=("cert-chain.pem", UP),
    ),
    Breakage(
        row=9,
        name="remotes-root-differs",
        broken=remotes_root_differs,
        check="trust-cacerts",
        cluster="west",
        says=("Another Root", "Isthmus", UP),
    ),
    Breakage(
        row=10,
        name="intermediate-ends-soon",
        broken=intermediate_ends_soon,
        check="trust-expiry",
        cluster="west",
        says=("the intermediate expires on", "pulumi up"),
    ),
    Breakage(
        row=10,
        name="key-of-another-intermediate",
        broken=key_of_another_intermediate,
        check="trust-cacerts",
        cluster="west",
        says=("ca-key.pem is not the key of ca-cert.pem", UP),
    ),
    Breakage(
        row=11,
        name="injector-bundle-of-another-ca",
        broken=bundle_of_another_ca(INJECTOR, "west"),
        check="injection-bundle",
        cluster="west",
        says=("istio-sidecar-injector", "Yesterday", "x509"),
        also=frozenset({"injection-works"}),
    ),
    Breakage(
        row=11,
        name="validator-bundle-of-another-ca",
        broken=bundle_of_another_ca(VALIDATOR, "east"),
        check="injection-bundle",
        cluster="east",
        says=("istio-validator-istio-system", "Yesterday", "x509"),
        also=frozenset({"validation-works"}),
    ),
    Breakage(
        row=30,
        name="another-trust-domain",
        broken=another_trust_domain,
        check="same-trust-domain",
        cluster="west",
        says=("west.example", "cluster.local", "ConfigMap istio"),
    ),
    Breakage(
        row=8,
        name="istiod-before-cacerts",
        broken=istiod_before_cacerts,
        check="trust-istiod",
        cluster="east",
        says=("another CA than the mesh's", "rollout restart deploy/istiod"),
        also=TRUST,
        last=True,
    ),
    Breakage(
        row=9,
        name="istiods-root-differs",
        broken=istiods_root_differs,
        check="trust-cacerts",
        cluster="east",
        says=("Another Root", "Isthmus", "restart"),
        also=TRUST,
        last=True,
    ),
    Breakage(
        row=10,
        name="intermediate-ended",
        broken=intermediate_ended,
        check="trust-expiry",
        cluster="east",
        says=("the intermediate expired on", "pulumi up"),
        also=frozenset({"istiod-ready", "trust-cacerts"}),
        last=True,
    ),
)
