"""Keys, certificate requests and certificates as the provider hashicorp/tls makes them.

Sources: internal/provider/{common_key,common_cert,resource_*}.go of that provider, and Go's
crypto/x509, which decides on extensions and signature algorithms. Inputs and results carry
Pulumi's property names; every function raises ValueError with a sentence for the user.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import ipaddress
import secrets
from collections.abc import Callable
from typing import Any, TypeAlias, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from lab.stand_ins.values import Object

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

CURVES: dict[str, type[ec.EllipticCurve]] = {
    "P224": ec.SECP224R1,
    "P256": ec.SECP256R1,
    "P384": ec.SECP384R1,
    "P521": ec.SECP521R1,
}
KEY_USAGES = (  # in the order of x509.KeyUsage
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "cert_signing",
    "crl_signing",
    "encipher_only",
    "decipher_only",
)
EXTENDED_KEY_USAGES = {
    "any_extended": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "server_auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client_auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code_signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email_protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ipsec_end_system": ObjectIdentifier("1.3.6.1.5.5.7.3.5"),
    "ipsec_tunnel": ObjectIdentifier("1.3.6.1.5.5.7.3.6"),
    "ipsec_user": ObjectIdentifier("1.3.6.1.5.5.7.3.7"),
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp_signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "microsoft_server_gated_crypto": ObjectIdentifier("1.3.6.1.4.1.311.10.3.3"),
    "netscape_server_gated_crypto": ObjectIdentifier("2.16.840.1.113730.4.1"),
    "microsoft_commercial_code_signing": ObjectIdentifier("1.3.6.1.4.1.311.2.1.22"),
    "microsoft_kernel_code_signing": ObjectIdentifier("1.3.6.1.4.1.311.61.1.1"),
}
_SUBJECT = {  # in the order of Go's pkix.Name.ToRDNSequence
    "country": NameOID.COUNTRY_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "organizationalUnit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "locality": NameOID.LOCALITY_NAME,
    "province": NameOID.STATE_OR_PROVINCE_NAME,
    "streetAddresses": NameOID.STREET_ADDRESS,
    "postalCode": NameOID.POSTAL_CODE,
    "commonName": NameOID.COMMON_NAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "emailAddress": NameOID.EMAIL_ADDRESS,
}
_PEM = serialization.Encoding.PEM
_CLEAR = serialization.NoEncryption()


def private_key(inputs: Object) -> tuple[str, Object]:
    """Make a key pair. Gives its id, the SHA-1 of the public key, and the properties."""
    match inputs["algorithm"]:
        case "RSA":
            key = rsa.generate_private_key(65537, inputs["rsaBits"])
        case "ECDSA":
            key = ec.generate_private_key(CURVES[inputs["ecdsaCurve"]]())
        case _:
            key = ed25519.Ed25519PrivateKey.generate()
    pkcs8 = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, _CLEAR).decode()
    traditional = serialization.PrivateFormat.TraditionalOpenSSL  # PKCS#1 and SEC 1
    id_, public = public_key(key)
    return id_, {
        **public,
        "privateKeyPem": pkcs8
        if isinstance(key, ed25519.Ed25519PrivateKey)
        else key.private_bytes(_PEM, traditional, _CLEAR).decode(),
        "privateKeyPemPkcs8": pkcs8,
        "privateKeyOpenssh": key.private_bytes(
            _PEM, serialization.PrivateFormat.OpenSSH, _CLEAR
        ).decode()
        if _openssh_has(key.public_key())
        else "",
    }


def public_key(key: PrivateKey) -> tuple[str, Object]:
    """Describe the public half of a key: its id and the properties."""
    public = key.public_key()
    encoding, form = serialization.Encoding, serialization.PublicFormat
    der = public.public_bytes(encoding.DER, form.SubjectPublicKeyInfo)
    openssh, md5, sha256 = "", "", ""
    if _openssh_has(public):
        openssh = public.public_bytes(encoding.OpenSSH, form.OpenSSH).decode() + "\n"
        blob = base64.b64decode(openssh.split()[1])
        md5 = hashlib.md5(blob, usedforsecurity=False).digest().hex(":")
        sha256 = "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    # The provider trims white space off the DER first, so it does here (common.go hashForState).
    id_ = hashlib.sha1(der.strip(), usedforsecurity=False).hexdigest()
    return id_, {
        "publicKeyPem": public.public_bytes(_PEM, form.SubjectPublicKeyInfo).decode(),
        "publicKeyOpenssh": openssh,
        "publicKeyFingerprintMd5": md5,
        "publicKeyFingerprintSha256": sha256,
    }


def cert_request(inputs: Object) -> tuple[str, Object]:
    """Make a certificate signing request. Gives its id, the SHA-1 of it, and the properties."""
    key = load_private_key(inputs["privateKeyPem"], "private key")
    builder = x509.CertificateSigningRequestBuilder(_subject(inputs.get("subject") or {}))
    if names := _alternative_names(inputs):
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    request = builder.sign(key, _signature_hash(key))
    der = request.public_bytes(serialization.Encoding.DER)
    return hashlib.sha1(der.strip(), usedforsecurity=False).hexdigest(), {
        "certRequestPem": request.public_bytes(_PEM).decode(),
        "keyAlgorithm": algorithm(key),
    }


def self_signed_cert(inputs: Object) -> tuple[str, Object]:
    """Make a self-signed certificate. Gives its id, the serial number, and the properties."""
    key = load_private_key(inputs["privateKeyPem"], "private key")
    subject = _subject(inputs.get("subject") or {})
    authority = None
    if inputs["setAuthorityKeyId"]:
        if not (inputs["isCaCertificate"] or inputs["setSubjectKeyId"]):
            raise ValueError(
                "Invalid Certificate Authority: Could not determine Authority Key Identifier;"
                " setAuthorityKeyId needs setSubjectKeyId or isCaCertificate"
            )
        authority = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    names = _alternative_names(inputs)
    certificate = _certificate(inputs, key, subject, subject, key.public_key(), names, authority)
    return certificate[0], {**certificate[1], "keyAlgorithm": algorithm(key)}


def locally_signed_cert(inputs: Object) -> tuple[str, Object]:
    """Sign a certificate request by a given authority. Gives its id and the properties."""
    request = _load(x509.load_pem_x509_csr, inputs["certRequestPem"], "certificate request")
    key = load_private_key(inputs["caPrivateKeyPem"], "CA private key")
    authority = _load(x509.load_pem_x509_certificate, inputs["caCertPem"], "CA certificate")
    if authority.public_key() != key.public_key():
        raise ValueError(
            "Failed to create certificate: caPrivateKeyPem is not the key of caCertPem"
        )
    names: list[x509.GeneralName] = []
    identifier = None
    for extension in request.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            kinds = (x509.DNSName, x509.IPAddress, x509.UniformResourceIdentifier)
            names = [name for name in extension.value if isinstance(name, kinds)]
    for extension in authority.extensions:
        if isinstance(extension.value, x509.SubjectKeyIdentifier):
            identifier = extension.value
    certificate = _certificate(
        inputs,
        key,
        authority.subject,
        request.subject,
        cast(PublicKey, request.public_key()),
        names,
        identifier if authority.subject != request.subject else None,
    )
    return certificate[0], {**certificate[1], "caKeyAlgorithm": algorithm(key)}


def _certificate(
    inputs: Object,
    key: PrivateKey,
    issuer: x509.Name,
    subject: x509.Name,
    public: PublicKey,
    names: list[x509.GeneralName],
    authority: x509.SubjectKeyIdentifier | None,
) -> tuple[str, Object]:
    now = dt.datetime.now(dt.UTC)
    end = now + dt.timedelta(hours=inputs["validityPeriodHours"])
    serial = 1 + secrets.randbelow(2**128 - 1)
    is_ca: bool = inputs["isCaCertificate"]
    # Go leaves a path length of 0 out unless MaxPathLenZero is set, which the provider never does
    # (common_cert.go createCertificate, crypto/x509 marshalBasicConstraints).
    length = inputs.get("maxPathLength") or -1
    if is_ca and not list(subject):
        raise ValueError(
            "Invalid Certificate Subject: Must contain at least one Distinguished Name when"
            " creating Certificate Authority (CA)"
        )
    if length > 0 and not is_ca:
        raise ValueError(
            "Failed to create certificate: x509: only CAs are allowed to specify MaxPathLen"
        )
    builder = (
        x509.CertificateBuilder(issuer, subject, public, serial)
        .not_valid_before(now)
        .not_valid_after(end)
    )
    uses = set(cast(list[str], inputs["allowedUses"]))
    if uses & set(KEY_USAGES):
        flags = [use in uses for use in KEY_USAGES]
        builder = builder.add_extension(x509.KeyUsage(*flags), critical=True)
    extended = [EXTENDED_KEY_USAGES[use] for use in EXTENDED_KEY_USAGES if use in uses]
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    constraints = x509.BasicConstraints(is_ca, length if length > 0 else None)
    builder = builder.add_extension(constraints, critical=True)
    if is_ca or inputs["setSubjectKeyId"]:
        own = x509.SubjectKeyIdentifier.from_public_key(public)
        builder = builder.add_extension(own, critical=False)
    if authority is not None:
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier(authority.digest, None, None), critical=False
        )
    if names:  # RFC 5280 4.2.1.6: critical where the subject is empty
        builder = builder.add_extension(x509.SubjectAlternativeName(names), not list(subject))
    certificate = builder.sign(key, _signature_hash(key))
    return str(serial), {
        "certPem": certificate.public_bytes(_PEM).decode(),
        "validityStartTime": now.isoformat().replace("+00:00", "Z"),
        "validityEndTime": end.isoformat().replace("+00:00", "Z"),
    }


def load_private_key(pem: str, what: str) -> PrivateKey:
    """Read a private key in PEM. The error names `what` and never shows the text."""
    openssh = pem.startswith("-----BEGIN OPENSSH")

    def load(data: bytes) -> Any:
        if openssh:
            return serialization.load_ssh_private_key(data, None)
        return serialization.load_pem_private_key(data, None)

    key = _load(load, pem, what)
    if not isinstance(key, PrivateKey):
        raise ValueError(f"Failed to parse {what} PEM: it is no RSA, ECDSA or ED25519 key")
    return key


def algorithm(key: PrivateKey) -> str:
    """Name the algorithm of a key as the provider does."""
    match key:
        case rsa.RSAPrivateKey():
            return "RSA"
        case ec.EllipticCurvePrivateKey():
            return "ECDSA"
        case _:
            return "ED25519"


def _load(load: Callable[[bytes], Any], pem: str, what: str) -> Any:
    try:
        return load(pem.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        reason = "it is encrypted" if isinstance(error, TypeError) else "not a PEM of that kind"
        raise ValueError(f"Failed to parse {what} PEM: {reason}") from None


def _openssh_has(key: PublicKey) -> bool:
    return not (isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP224R1))


def _signature_hash(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    """Choose as Go does: by the curve, else SHA-256 (crypto/x509 signingParamsForKey)."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return {384: hashes.SHA384(), 521: hashes.SHA512()}.get(key.curve.key_size, hashes.SHA256())
    return hashes.SHA256()


def _subject(subject: Object) -> x509.Name:
    attributes: list[x509.NameAttribute[str]] = []
    for key, oid in _SUBJECT.items():
        value = subject.get(key)
        for text in cast(list[str], value) if isinstance(value, list) else [value]:
            if text:
                attributes.append(x509.NameAttribute(oid, text))
    return x509.Name(attributes)


def _alternative_names(inputs: Object) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in inputs.get("dnsNames") or []]
    for text in inputs.get("ipAddresses") or []:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(text)))
        except ValueError:
            raise ValueError(f"Invalid IP address: Failed to parse {text!r}") from None
    names += [x509.UniformResourceIdentifier(uri) for uri in inputs.get("uris") or []]
    return names
