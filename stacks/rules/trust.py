"""The root CA that the user brings, and how long certificates live.

istiod is mute about most of this: it checks signer, key and `CA:true`, and crashes; Envoy refuses
what has no certSign, at the first request between two clusters (istio/istio#25108).
"""

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING

from stacks.problems import MISSING, Problem
from stacks.spec import MeshSpec

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_ROOT = "isthmus:mesh.ca.root"
_CERTIFICATE = f"{_ROOT}.certificate"
_KEY = f"{_ROOT}.key"

# SHA-256 of the public keys of all CAs in samples/certs of istio/istio, whose private keys are
# beside them.
_PUBLIC_SAMPLES = {
    "f0592d4d660052580d0c0bfe09f9a4d795ad8ab7c2fa86c33276fbb352145ee5",
    "42d0f6531c3afb84b72f12f458fa35dc74402771fed9b27ad48a665474dde501",
    "42d8cfd1102e06e3f2579e68f9db4f787ec9cbcd1f19f1bae7934cee918c2fef",
    "88e809261b157f0db238901c0033e6bfeba79793c20ab8af41963cdd41ce6600",
    "7c5f2208b98507d0d6f1fda0a6609e93fbb7fb434d39ed78b71e305e23d7a46d",
}
_NEW_ROOT = "bring a root that is a CA, or leave out ca.root and one is made"


def _lifetimes_fit(spec: MeshSpec) -> Iterator[Problem]:
    ca = spec.mesh.ca
    if ca.root is None and ca.intermediate_days > ca.root_days:
        yield Problem(
            "isthmus:mesh.ca.intermediateDays",
            f"must not be more than rootDays ({ca.root_days})",
            "when the root ends, everything that it has signed ends with it",
            f"set it to {ca.root_days} or less, or rootDays to more",
            ca.intermediate_days,
        )
    if ca.renew_before_days >= ca.intermediate_days:
        yield Problem(
            "isthmus:mesh.ca.renewBeforeDays",
            f"must be less than intermediateDays ({ca.intermediate_days})",
            "every update would issue new intermediates",
            "set it to a twentieth of intermediateDays or so",
            ca.renew_before_days,
        )


def _the_root_brought_can_sign(spec: MeshSpec) -> Iterator[Problem]:
    root = spec.mesh.ca.root
    if root is None:
        return
    certificate = _read_certificate(root.certificate)
    if isinstance(certificate, Problem):
        yield certificate
    else:
        yield from _is_a_root(certificate)
        yield from _lives_long_enough(certificate, spec.mesh.ca.intermediate_days)
        yield from _is_private(certificate)
    yield from _key_problems(root.key, None if isinstance(certificate, Problem) else certificate)


def _read_certificate(pem: str) -> "Certificate | Problem":
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        found = []
    if len(found) == 1:
        return found[0]
    return Problem(
        _CERTIFICATE,
        f"must be one certificate in PEM; {len(found) or 'none'} could be read",
        "it is the one root that every cluster trusts",
        "give the text of the root's certificate alone, with its BEGIN and END lines",
    )


def _is_a_root(certificate: "Certificate") -> Iterator[Problem]:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID

    name = certificate.subject.rfc4514_string()
    extensions = certificate.extensions

    def problem(rule: str, reason: str, cure: str = _NEW_ROOT, value: object = name) -> Problem:
        return Problem(_CERTIFICATE, rule, reason, cure, value)

    try:
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        constraints = x509.BasicConstraints(ca=False, path_length=None)
    if not constraints.ca:
        yield problem(
            "must be of a CA (basicConstraints CA:true)",
            "istiod ends with `certificate is not authorized to sign other certificates`",
        )
    elif constraints.path_length == 0:
        yield problem(
            "must allow a CA below it (a pathlen of 1 or more, or none)",
            "every cluster gets an intermediate CA under the root, and no proxy would take its "
            "certificates",
            value="pathlen:0",
        )
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        usage = None
    if usage is not None and not usage.key_cert_sign:
        yield problem(
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
            "must be good for servers and clients, if it has an extendedKeyUsage",
            "a workload's certificate is used as both, and may not be more than its CA",
        )
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature):
        yield problem(
            "must be signed by its own key",
            "a chain of trust ends at a root; what stands above this one no proxy would know",
            "bring the root itself with its key, or leave out ca.root and one is made",
        )
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        yield problem(
            "must have a key of 2048 bits or more",
            "Envoy refuses shorter RSA keys",
            value=f"RSA-{key.key_size}",
        )


def _lives_long_enough(certificate: "Certificate", intermediate_days: int) -> Iterator[Problem]:
    now = dt.datetime.now(dt.UTC)
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    days = (end - now).days
    if begin > now:
        yield Problem(
            _CERTIFICATE,
            "must be valid already",
            "every certificate under it is refused until then",
            "mend the clock of this machine, or bring a root that has begun",
            f"not before {begin:%Y-%m-%d %H:%M} UTC",
        )
    if end <= now:
        yield Problem(
            _CERTIFICATE,
            "must not have ended",
            "istiod ends with `cannot verify the cert with the provided root chain`",
            "bring a new root; all workloads have to be restarted with it",
            f"ended {end:%Y-%m-%d %H:%M} UTC",
        )
    elif days < intermediate_days:
        yield Problem(
            "isthmus:mesh.ca.intermediateDays",
            f"must not be more than the {days} days that the root brought still has",
            "when the root ends, everything that it has signed ends with it",
            f"set it to {days} or less, or bring a root that lives longer",
            intermediate_days,
        )


def _is_private(certificate: "Certificate") -> Iterator[Problem]:
    import hashlib

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = certificate.public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if hashlib.sha256(spki).hexdigest() in _PUBLIC_SAMPLES:
        yield Problem(
            _CERTIFICATE,
            "must not be one of the sample CAs in Istio's samples/certs",
            "their private keys are published: anybody could sign an identity of this mesh",
            "leave out ca.root and a root is made, or bring one of your own",
            certificate.subject.rfc4514_string(),
        )


def _key_problems(pem: str, certificate: "Certificate | None") -> Iterator[Problem]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except TypeError:  # what the library says of a key with a password
        yield Problem(
            _KEY,
            "must not be encrypted with a password",
            "nobody could type it during an update",
            "decrypt it: `openssl pkey -in key.pem`; as a Pulumi secret it is encrypted again",
        )
        return
    except (ValueError, UnsupportedAlgorithm):
        yield Problem(
            _KEY,
            "must be a private key in PEM: PKCS#1, SEC1 or PKCS#8",
            "the intermediates of the clusters are signed with it",
            "give the text of the key's file, with its BEGIN and END lines",
        )
        return
    if certificate is not None and key.public_key() != certificate.public_key():
        yield Problem(
            _KEY,
            "must be the key of ca.root.certificate, and it is another",
            "istiod ends with `cannot verify the cert with the provided root chain`",
            "bring certificate and key of one root",
        )


def _authorities_of_api_servers_are_certificates(spec: MeshSpec) -> Iterator[Problem]:
    for i, cluster in enumerate(spec.clusters):
        pem = cluster.api_server.certificate_authority
        if pem is None:
            continue
        from cryptography import x509

        try:
            x509.load_pem_x509_certificates(pem.encode())
        except ValueError:
            yield Problem(
                f"isthmus:clusters[{i}].apiServer.certificateAuthority",
                "must be certificates in PEM",
                f"istiod could not read the kubeconfig of {cluster.name}, and would not try again",
                "give the text of the CA's file, with its BEGIN and END lines",
                pem if len(pem) < 80 else MISSING,
            )


RULES = (
    _lifetimes_fit,
    _the_root_brought_can_sign,
    _authorities_of_api_servers_are_certificates,
)
