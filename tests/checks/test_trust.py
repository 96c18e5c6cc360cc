"""Claims about the Secret that istiod signs with."""

import base64
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from checks.model import Status
from checks.view import Mesh
from tests.authorities import Authority
from tests.checks import fake


def cacerts(files: Mapping[str, str]) -> fake.Objects:
    data = {name: base64.b64encode(text.encode()).decode() for name, text in files.items()}
    return {f"{fake.SYSTEM}/secrets/cacerts": {"metadata": {"name": "cacerts"}, "data": data}}


def test_an_intermediate_of_the_common_root_passes() -> None:
    mesh = fake.mesh(east=cacerts(fake.ROOT.cacerts()))
    for check in ("trust-cacerts", "trust-expiry"):
        assert {f.status for f in fake.found(check, "east", mesh)} == {Status.OK}, check


_OWN, _OTHER = fake.ROOT.cacerts(), Authority("Root CA").cacerts()


@pytest.mark.parametrize(
    ("files", "evidence"),
    [
        ({}, "there is no Secret cacerts"),
        ({"ca-cert.pem": _OWN["ca-cert.pem"]}, "lacks ca-key.pem, root-cert.pem, cert-chain.pem"),
        (_OTHER, "root-cert.pem is CN=Root CA"),
        ({**_OTHER, "root-cert.pem": fake.ROOT.certificate}, "does not lead to"),
        ({**_OWN, "ca-key.pem": _OTHER["ca-key.pem"]}, "is not the key of ca-cert.pem"),
        ({**_OWN, "ca-key.pem": "nonsense"}, "not a private key"),
        ({**_OWN, "ca-cert.pem": ""}, "ca-cert.pem is not a certificate"),
    ],
)
def test_a_certificate_that_istiod_should_not_sign_with_is_reported(
    files: Mapping[str, str], evidence: str
) -> None:
    """Roots of one name are distinguished by their fingerprints."""
    mesh = fake.mesh(east=cacerts(files) if files else {})
    [finding] = fake.found("trust-cacerts", "east", mesh)
    assert finding.status is Status.FAILED
    assert evidence in finding.evidence
    assert "PRIVATE KEY" not in finding.evidence


@pytest.mark.parametrize(
    ("days", "status"), [(-1, Status.FAILED), (20, Status.WARNING), (40, Status.OK)]
)
def test_an_expiry_is_reported_before_it_comes(days: int, status: Status) -> None:
    """The margin is mesh.ca.renewBeforeDays, 30 if nothing is said."""
    files = fake.ROOT.cacerts(lasts=timedelta(days=days, hours=1))
    findings = fake.found("trust-expiry", "east", fake.mesh(east=cacerts(files)))
    assert [f.status for f in findings] == [Status.OK, status]  # the root first


def test_the_end_of_the_root_is_reported_a_year_ahead() -> None:
    old = Authority("Root CA", None, {"lasts": timedelta(days=300)})
    mesh = fake.mesh(east=cacerts(old.cacerts()))
    described = replace(mesh.description, root=old.certificate, signing_root=old.certificate)
    mesh = replace(mesh, description=described)
    (root, _) = fake.found("trust-expiry", "east", mesh)
    assert root.status == Status.WARNING
    assert "in 300 days" in root.evidence


def _rotating(mesh: Mesh, roots: str, signs: Authority) -> Mesh:
    described = replace(mesh.description, root=roots, signing_root=signs.certificate)
    return replace(mesh, description=described)


def test_every_stage_of_a_rotation_is_well() -> None:
    """What istiod has is what the update wrote: both roots, either of which can sign."""
    old, new = fake.ROOT, Authority("Next root")
    both = old.certificate + new.certificate
    for roots, signs in ((both, old), (both + new.certificate, new), (new.certificate, new)):
        files = {**signs.cacerts(), "root-cert.pem": roots}
        mesh = _rotating(fake.mesh(east=cacerts(files)), roots, signs)
        (finding,) = fake.found("trust-cacerts", "east", mesh)
        assert finding.status is Status.OK, finding


def test_a_secret_of_the_stage_before_is_told() -> None:
    old, new = fake.ROOT, Authority("Next root")
    both = old.certificate + new.certificate
    mesh = _rotating(fake.mesh(east=cacerts(old.cacerts())), both, old)
    (finding,) = fake.found("trust-cacerts", "east", mesh)
    assert finding.status is Status.FAILED
    assert "but the mesh trusts" in finding.evidence
    assert "CN=Next root" in finding.evidence
