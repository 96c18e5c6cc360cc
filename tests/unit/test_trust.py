"""Claims about user-provided root certificates. Each is refused for one reason alone."""

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from spec import config
from spec.problems import MeshRefusedError, Problem
from tests.authorities import DAY, SIGNS_NOTHING, Key, certificate, new_key, text
from tests.unit.meshes import refused, two_networks

_SAMPLE = Path(__file__).with_name("istio-sample-root-cert.pem")
"""samples/certs/root-cert.pem of istio/istio."""


@pytest.fixture(scope="module")
def key() -> Key:
    return new_key()


def root(key: Key, **different: Any) -> str:
    return certificate(key, name="Root of the test", **different)


def problems(pem: str, key: str, **ca: Any) -> list[Problem]:
    configured = two_networks()
    configured["mesh"]["ca"] = {"root": {"certificate": pem, "key": key}, **ca}
    return refused(configured)


def test_a_root_that_can_sign_is_accepted(key: Key) -> None:
    assert not problems(root(key), text(key))
    allowing = x509.BasicConstraints(ca=True, path_length=1)
    both = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
    assert not problems(root(key, constraints=allowing, usage=None, purposes=both), text(key))


@pytest.mark.parametrize(
    ("form", "encoding"),
    [
        (serialization.PrivateFormat.TraditionalOpenSSL, "EC PRIVATE KEY"),
        (serialization.PrivateFormat.PKCS8, "PRIVATE KEY"),
    ],
)
def test_a_key_can_have_any_form_that_istiod_reads(
    key: Key, form: serialization.PrivateFormat, encoding: str
) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    assert encoding in pem.decode()
    assert not problems(root(key), pem.decode())


@pytest.mark.parametrize(
    ("different", "rule"),
    [
        ({"constraints": None}, "must be a CA certificate"),
        (
            {"constraints": x509.BasicConstraints(ca=False, path_length=None)},
            "must be a CA certificate",
        ),
        (
            {"constraints": x509.BasicConstraints(ca=True, path_length=0)},
            "must allow 1 CA below",
        ),
        ({"usage": SIGNS_NOTHING}, "keyUsage keyCertSign"),
        ({"purposes": [ExtendedKeyUsageOID.SERVER_AUTH]}, "must allow servers and clients"),
        ({"begins": 2 * DAY}, "must be valid already"),
        ({"lasts": -DAY}, "must not have expired"),
        ({"signer": new_key()}, "signed by its own key"),
    ],
)
def test_a_root_that_cannot_sign_is_refused(key: Key, different: dict[str, Any], rule: str) -> None:
    (problem,) = problems(root(key, **different), text(key))
    assert problem.path == "isthmus:mesh.ca.root.certificate"
    assert rule in problem.rule


def test_a_short_key_is_refused() -> None:
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505  # the claim
    (problem,) = problems(root(short), text(short))
    assert problem.value == "RSA-1024"


def test_the_key_of_another_root_is_refused(key: Key) -> None:
    (problem,) = problems(root(key), text(new_key()))
    assert problem.path == "isthmus:mesh.ca.root.key"
    assert "it belongs to another certificate" in problem.rule


def test_a_key_with_a_password_is_refused_with_the_fix(key: Key) -> None:
    (problem,) = problems(root(key), text(key, b"secret"))
    assert "must not be encrypted" in problem.rule
    assert "openssl pkey" in problem.fix


def test_what_is_no_certificate_or_key_is_refused_together() -> None:
    of_certificate, key = problems("a", "b")
    assert of_certificate.path == "isthmus:mesh.ca.root.certificate"
    assert key.path == "isthmus:mesh.ca.root.key"
    assert "'b'" not in str(key)


def test_two_certificates_are_refused(key: Key) -> None:
    (problem,) = problems(root(key) + root(key), text(key))
    assert "must be one certificate in PEM; 2" in problem.rule


def test_the_public_sample_of_istio_is_refused(key: Key) -> None:
    found = problems(_SAMPLE.read_text(), text(key))
    assert "must not be one of the sample CAs in Istio's samples/certs" in {p.rule for p in found}


def test_an_intermediate_does_not_outlive_its_root() -> None:
    configured = two_networks()
    configured["mesh"]["ca"] = {"rootDays": 365, "intermediateDays": 730}
    with pytest.raises(MeshRefusedError) as refusal:
        config.parse(configured)
    (problem,) = refusal.value.problems
    assert problem.path == "isthmus:mesh.ca.intermediateDays"


def test_an_intermediate_is_not_renewed_at_every_update() -> None:
    configured = two_networks()
    configured["mesh"]["ca"] = {"intermediateDays": 30, "renewBeforeDays": 30}
    with pytest.raises(MeshRefusedError) as refusal:
        config.parse(configured)
    (problem,) = refusal.value.problems
    assert problem.path == "isthmus:mesh.ca.renewBeforeDays"


def test_the_authority_of_an_api_server_is_a_certificate(key: Key) -> None:
    configured = two_networks()
    configured["clusters"][1]["apiServer"] = {"certificateAuthority": root(key)}
    assert config.parse(configured)
    configured["clusters"][1]["apiServer"] = {"certificateAuthority": "ca.crt"}
    with pytest.raises(MeshRefusedError) as refusal:
        config.parse(configured)
    (problem,) = refusal.value.problems
    assert problem.path == "isthmus:clusters[1].apiServer.certificateAuthority"
