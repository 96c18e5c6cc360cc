"""Keys and certificates as hashicorp/tls makes them, judged by OpenSSL and OpenSSH."""

import base64
import datetime as dt
import hashlib
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from lab.stand_ins.tls import crypto
from lab.stand_ins.values import Object

ALGORITHMS: dict[str, Object] = {
    "RSA": {"algorithm": "RSA", "rsaBits": 2048},
    "P224": {"algorithm": "ECDSA", "ecdsaCurve": "P224"},
    "P256": {"algorithm": "ECDSA", "ecdsaCurve": "P256"},
    "P384": {"algorithm": "ECDSA", "ecdsaCurve": "P384"},
    "P521": {"algorithm": "ECDSA", "ecdsaCurve": "P521"},
    "ED25519": {"algorithm": "ED25519"},
}
PREAMBLES = {"RSA": "RSA PRIVATE KEY", "ED25519": "PRIVATE KEY"}
AUTHORITY: Object = {
    "subject": {"commonName": "Root CA", "organization": "Isthmus", "country": "DE"},
    "validityPeriodHours": 24,
    "earlyRenewalHours": 0,
    "isCaCertificate": True,
    "setSubjectKeyId": False,
    "setAuthorityKeyId": False,
    "allowedUses": ["cert_signing", "crl_signing"],
}
LEAF: Object = {
    **AUTHORITY,
    "isCaCertificate": False,
    "allowedUses": ["key_encipherment", "digital_signature", "client_auth", "server_auth"],
}


def _openssl(*arguments: str, given: str = "") -> str:
    done = subprocess.run(
        ["openssl", *arguments], input=given, capture_output=True, text=True, check=True
    )
    return done.stdout


def _key(name: str = "P256") -> str:
    return crypto.private_key(ALGORITHMS[name])[1]["privateKeyPem"]


def _root(key: str, **changes: object) -> x509.Certificate:
    _, made = crypto.self_signed_cert({**AUTHORITY, "privateKeyPem": key, **changes})
    return x509.load_pem_x509_certificate(made["certPem"].encode())


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_key_has_the_forms_and_the_id_of_the_real_provider(name: str, tmp_path: Path) -> None:
    id_, made = crypto.private_key(ALGORITHMS[name])
    preamble = PREAMBLES.get(name, "EC PRIVATE KEY")
    assert made["privateKeyPem"].startswith(f"-----BEGIN {preamble}-----\n")
    assert made["privateKeyPemPkcs8"].startswith("-----BEGIN PRIVATE KEY-----\n")
    for form in ("privateKeyPem", "privateKeyPemPkcs8"):
        assert _openssl("pkey", "-pubout", given=made[form]) == made["publicKeyPem"]
    der = base64.b64decode("".join(made["publicKeyPem"].splitlines()[1:-1]))
    assert id_ == hashlib.sha1(der.strip(), usedforsecurity=False).hexdigest()
    openssh = ("privateKeyOpenssh", "publicKeyOpenssh", "publicKeyFingerprintSha256")
    if name == "P224":
        assert [made[form] for form in openssh] == ["", "", ""], "unknown to OpenSSH"
        return
    assert all(made[form] for form in openssh)
    private = crypto.load_private_key(made["privateKeyOpenssh"], "key")
    assert crypto.public_key(private)[1]["publicKeyPem"] == made["publicKeyPem"]


@pytest.mark.parametrize("root", ["RSA", "P256", "P384", "ED25519"])
@pytest.mark.parametrize("leaf", ["RSA", "P256"])
def test_openssl_verifies_a_leaf_through_an_intermediate(
    root: str, leaf: str, tmp_path: Path
) -> None:
    root_key, mid_key = _key(root), _key(root)
    _, anchor = crypto.self_signed_cert({**AUTHORITY, "privateKeyPem": root_key})
    _, request = crypto.cert_request(
        {"privateKeyPem": mid_key, "subject": {"commonName": "Mid CA"}}
    )
    signer = {"caCertPem": anchor["certPem"], "caPrivateKeyPem": root_key}
    _, mid = crypto.locally_signed_cert({**AUTHORITY, **request, **signer, "maxPathLength": 1})
    _, request = crypto.cert_request({"privateKeyPem": _key(leaf), "dnsNames": ["istiod.mesh"]})
    signer = {"caCertPem": mid["certPem"], "caPrivateKeyPem": mid_key}
    _, end = crypto.locally_signed_cert({**LEAF, **request, **signer})
    for name, made in (("root", anchor), ("mid", mid), ("leaf", end)):
        (tmp_path / name).write_text(made["certPem"])
    files = ("-CAfile", f"{tmp_path}/root", "-untrusted", f"{tmp_path}/mid", f"{tmp_path}/leaf")
    checks = ("-x509_strict", "-purpose", "sslserver", "-verify_hostname", "istiod.mesh")
    # An empty subject with a critical alternative name: RFC 5280 4.2.1.6.
    assert "leaf: OK" in _openssl("verify", *checks, *files)


def test_an_authority_says_what_it_is_allowed_to_do() -> None:
    root = _root(_key("P384"), setAuthorityKeyId=True, maxPathLength=1)
    extensions = root.extensions
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert (usage.value.key_cert_sign, usage.value.crl_sign) == (True, True)
    assert usage.value.digital_signature is False
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 1)
    subject_key = extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority_key = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert authority_key.key_identifier == subject_key.digest
    assert isinstance(root.signature_hash_algorithm, hashes.SHA384), "Go chooses by the curve"
    assert root.not_valid_after_utc - root.not_valid_before_utc == dt.timedelta(hours=24)


def test_a_path_length_of_zero_is_left_out_as_the_real_provider_does() -> None:
    constraints = _root(_key(), maxPathLength=0).extensions.get_extension_for_class(
        x509.BasicConstraints
    )
    assert constraints.value.path_length is None


def test_a_leaf_takes_names_from_the_request_and_the_issuer_from_the_authority() -> None:
    key = _key()
    root = _root(key)
    names = {"dnsNames": ["a.mesh"], "ipAddresses": ["fd00::1"], "uris": ["spiffe://td/ns/x/sa/y"]}
    _, request = crypto.cert_request(
        {"privateKeyPem": _key("RSA"), "subject": {"commonName": "leaf"}, **names}
    )
    pem = crypto.self_signed_cert({**AUTHORITY, "privateKeyPem": key})[1]["certPem"]
    id_, made = crypto.locally_signed_cert(
        {**LEAF, **request, "caCertPem": pem, "caPrivateKeyPem": key}
    )
    leaf = x509.load_pem_x509_certificate(made["certPem"].encode())
    assert id_ == str(leaf.serial_number)
    assert made["caKeyAlgorithm"] == "ECDSA"
    assert leaf.issuer == root.subject
    assert leaf.subject.rfc4514_string() == "CN=leaf"
    found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in found] == ["a.mesh", "fd00::1", "spiffe://td/ns/x/sa/y"]
    with pytest.raises(x509.ExtensionNotFound):
        leaf.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"subject": {}}, "at least one Distinguished Name when creating"),
        ({"isCaCertificate": False, "maxPathLength": 1}, "only CAs are allowed to specify"),
        ({"isCaCertificate": False, "setAuthorityKeyId": True}, "Could not determine Authority"),
        ({"ipAddresses": ["10.0.0"]}, "Invalid IP address: Failed to parse '10.0.0'"),
        ({"privateKeyPem": "hunter2"}, "Failed to parse private key PEM"),
    ],
)
def test_what_cannot_be_signed_is_refused_with_a_sentence(changes: Object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refused:
        crypto.self_signed_cert({**AUTHORITY, "privateKeyPem": _key(), **changes})
    assert "hunter2" not in str(refused.value)


def test_a_key_that_is_not_the_authoritys_is_refused() -> None:
    _, request = crypto.cert_request({"privateKeyPem": _key()})
    pem = crypto.self_signed_cert({**AUTHORITY, "privateKeyPem": _key()})[1]["certPem"]
    signer = {"caCertPem": pem, "caPrivateKeyPem": _key()}
    with pytest.raises(ValueError, match="caPrivateKeyPem is not the key of caCertPem"):
        crypto.locally_signed_cert({**LEAF, **request, **signer})
