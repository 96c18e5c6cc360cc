"""Claims about root certificates that the user brings. Each is refused for one reason alone."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from stacks import config
from stacks.problems import MeshRefusedError, Problem
from tests.unit.meshes import two_networks

_SAMPLE = Path(__file__).with_name("istio-sample-root-cert.pem")
"""samples/certs/root-cert.pem of istio/istio."""
_DAY = dt.timedelta(days=1)

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@pytest.fixture(scope="module")
def key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def root(
    key: Key,
    *,
    days: int = 3650,
    begins: dt.timedelta = -_DAY,
    constraints: x509.BasicConstraints | None = x509.BasicConstraints(ca=True, path_length=None),  # noqa: B008
    signs: bool | None = True,
    purposes: Sequence[x509.ObjectIdentifier] = (),
    signer: Key | None = None,
) -> str:
    now = dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Root of the test")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + min(begins, dt.timedelta(days=days - 1)))
        .not_valid_after(now + dt.timedelta(days=days))
    )
    if constraints is not None:
        builder = builder.add_extension(constraints, critical=True)
    if signs is not None:
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=signs,
            crl_sign=signs,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    made = builder.sign(signer or key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


def text(key: Key, password: bytes | None = None) -> str:
    encryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    ).decode()


def problems(certificate: str, key: str, **ca: Any) -> list[Problem]:
    configured = two_networks()
    configured["mesh"]["ca"] = {"root": {"certificate": certificate, "key": key}, **ca}
    try:
        config.parse(configured)
    except MeshRefusedError as refusal:
        found = list(refusal.problems)
    else:
        found = []
    assert "PRIVATE KEY" not in "".join(str(p) for p in found)
    return found


def test_a_root_that_can_sign_is_taken(key: Key) -> None:
    assert not problems(root(key), text(key))
    allowing = x509.BasicConstraints(ca=True, path_length=1)
    both = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
    assert not problems(root(key, constraints=allowing, signs=None, purposes=both), text(key))


@pytest.mark.parametrize(
    ("form", "encoding"),
    [
        (serialization.PrivateFormat.TraditionalOpenSSL, "EC PRIVATE KEY"),
        (serialization.PrivateFormat.PKCS8, "PRIVATE KEY"),
    ],
)
def test_a_key_may_be_of_any_form_that_istiod_reads(
    key: Key, form: serialization.PrivateFormat, encoding: str
) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    assert encoding in pem.decode()
    assert not problems(root(key), pem.decode())


@pytest.mark.parametrize(
    ("different", "rule"),
    [
        ({"constraints": None}, "must be of a CA"),
        ({"constraints": x509.BasicConstraints(ca=False, path_length=None)}, "must be of a CA"),
        ({"constraints": x509.BasicConstraints(ca=True, path_length=0)}, "must allow a CA below"),
        ({"signs": False}, "keyUsage keyCertSign"),
        ({"purposes": [ExtendedKeyUsageOID.SERVER_AUTH]}, "good for servers and clients"),
        ({"begins": 2 * _DAY}, "must be valid already"),
        ({"days": -1}, "must not have ended"),
        ({"signer": ec.generate_private_key(ec.SECP256R1())}, "signed by its own key"),
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


def test_a_root_that_ends_before_its_intermediates_is_refused(key: Key) -> None:
    (problem,) = problems(root(key, days=100), text(key))
    assert problem.path == "isthmus:mesh.ca.intermediateDays"
    assert "99 days that the root brought still has" in problem.rule
    assert not problems(root(key, days=100), text(key), intermediateDays=99)


def test_the_key_of_another_root_is_refused(key: Key) -> None:
    (problem,) = problems(root(key), text(ec.generate_private_key(ec.SECP256R1())))
    assert problem.path == "isthmus:mesh.ca.root.key"
    assert "it is another" in problem.rule


def test_a_key_with_a_password_is_refused_with_the_cure(key: Key) -> None:
    (problem,) = problems(root(key), text(key, b"secret"))
    assert "must not be encrypted" in problem.rule
    assert "openssl pkey" in problem.cure


def test_what_is_no_certificate_or_key_is_refused_together() -> None:
    certificate, key = problems("a", "b")
    assert certificate.path == "isthmus:mesh.ca.root.certificate"
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
