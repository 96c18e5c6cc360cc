"""Requirements for a CA's certificate and key, wherever in the configuration they are written.

istiod reports little of this: it checks signer, key and `CA:true`, and crashes. Envoy refuses a CA
without certSign at the first request between two clusters (istio/istio#25108).
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spec.problems import Problem

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

# SHA-256 of the public keys of all CAs in samples/certs of istio/istio, whose private keys are
# beside them.
_PUBLIC_SAMPLES = {
    "f0592d4d660052580d0c0bfe09f9a4d795ad8ab7c2fa86c33276fbb352145ee5",
    "42d0f6531c3afb84b72f12f458fa35dc74402771fed9b27ad48a665474dde501",
    "42d8cfd1102e06e3f2579e68f9db4f787ec9cbcd1f19f1bae7934cee918c2fef",
    "88e809261b157f0db238901c0033e6bfeba79793c20ab8af41963cdd41ce6600",
    "7c5f2208b98507d0d6f1fda0a6609e93fbb7fb434d39ed78b71e305e23d7a46d",
}


@dataclass(frozen=True)
class Place:
    """Where a CA is written in the configuration."""

    path: str
    """Path of the object with `certificate` and `key`."""
    fix: str
    """The fix for a certificate that cannot be used."""

    @property
    def certificate(self) -> str:
        return f"{self.path}.certificate"

    @property
    def key(self) -> str:
        return f"{self.path}.key"


def read_pem(pem: str) -> "Sequence[Certificate]":
    """Every certificate in a PEM text; none if the text is not PEM."""
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        return []


def subject(certificate: "Certificate") -> str:
    return certificate.subject.rfc4514_string()


def signs(issuer: "Certificate", certificate: "Certificate") -> bool:
    """Whether `issuer`'s key signed `certificate`."""
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def leads_to(
    certificate: "Certificate", between: "Sequence[Certificate]", root: "Certificate"
) -> bool:
    """Whether signatures lead from a certificate to a root, regardless of dates."""
    at = certificate
    for _ in range(len(between) + 1):
        if signs(root, at):
            return True
        above = next((c for c in between if c != at and signs(c, at)), None)
        if above is None:
            return False
        at = above
    return False


def check_ca(certificate: "Certificate", place: Place, below: int) -> Iterator[Problem]:
    """Check that a CA can sign certificates, with `below` CAs under it in the longest chain."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID

    extensions = certificate.extensions

    def problem(
        refusal: str, rule: str, reason: str, value: object = subject(certificate)
    ) -> Problem:
        return Problem(refusal, place.certificate, rule, reason, place.fix, value)

    try:
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        constraints = x509.BasicConstraints(ca=False, path_length=None)
    if not constraints.ca:
        yield problem(
            "ca-not-a-ca",
            "must be a CA certificate (basicConstraints CA:true)",
            "istiod ends with `certificate is not authorized to sign other certificates`",
        )
    elif constraints.path_length is not None and constraints.path_length < below:
        yield problem(
            "ca-path-too-short",
            f"must allow {below} CA{'s' if below > 1 else ''} below it (a pathlen of {below} or "
            "more, or none)",
            "every cluster has an intermediate CA under the root, and no proxy would accept its "
            "certificates",
            f"{subject(certificate)}, pathlen:{constraints.path_length}",
        )
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        usage = None
    if usage is not None and not usage.key_cert_sign:
        yield problem(
            "ca-cannot-sign",
            "must be allowed to sign certificates (keyUsage keyCertSign)",
            "Envoy refuses every connection between clusters otherwise",
        )
    try:
        purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        purposes = None
    both = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    if (
        purposes is not None
        and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in purposes
        and not both <= set(purposes)
    ):
        yield problem(
            "ca-wrong-purpose",
            "must allow servers and clients, if it has an extendedKeyUsage",
            "a workload's certificate is used for both, and cannot allow more than its CA",
        )
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        yield problem(
            "ca-key-too-short",
            "must have a key of 2048 bits or more",
            "Envoy refuses shorter RSA keys",
            f"RSA-{key.key_size}",
        )


def check_validity(certificate: "Certificate", place: Place) -> Iterator[Problem]:
    """Check that a certificate is valid now."""
    now = dt.datetime.now(dt.UTC)
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if begin > now:
        yield Problem(
            "ca-not-yet-valid",
            place.certificate,
            "must be valid already",
            "until then every certificate under it is refused",
            "correct the clock of this machine, or provide a certificate that is valid now",
            f"{subject(certificate)}, not before {begin:%Y-%m-%d %H:%M} UTC",
        )
    if end <= now:
        yield Problem(
            "ca-expired",
            place.certificate,
            "must not have expired",
            "istiod ends with `cannot verify the cert with the provided root chain`",
            place.fix,
            f"{subject(certificate)}, expired {end:%Y-%m-%d %H:%M} UTC",
        )


def check_key_is_private(certificate: "Certificate", place: Place) -> Iterator[Problem]:
    """Check that a CA is not one whose private key is public."""
    import hashlib

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = certificate.public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if hashlib.sha256(spki).hexdigest() in _PUBLIC_SAMPLES:
        yield Problem(
            "ca-public-sample",
            place.certificate,
            "must not be one of the sample CAs in Istio's samples/certs",
            "their private keys are published, so anyone could sign identities of this mesh",
            place.fix,
            subject(certificate),
        )


def check_key(certificate: "Certificate | None", pem: str, place: Place) -> Iterator[Problem]:
    """Check that a key can be read and belongs to the certificate."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except TypeError:  # the library's error for a key with a password
        yield Problem(
            "ca-key-encrypted",
            place.key,
            "must not be encrypted with a password",
            "an update cannot prompt for a password",
            "decrypt it: `openssl pkey -in key.pem`; as a Pulumi secret it is encrypted again",
        )
        return
    except (ValueError, UnsupportedAlgorithm):
        yield Problem(
            "ca-key-unreadable",
            place.key,
            "must be a private key in PEM: PKCS#1, SEC1 or PKCS#8",
            "a CA signs with it",
            "give the text of the key's file, with its BEGIN and END lines",
        )
        return
    if certificate is not None and key.public_key() != certificate.public_key():
        yield Problem(
            "ca-key-of-another",
            place.key,
            f"must be the key of {place.certificate}, but it belongs to another certificate",
            "istiod ends with `cannot verify the cert with the provided root chain`",
            "provide the certificate and the key of one CA",
        )
