"""Certificates, keys and kubeconfigs of a cluster, which has its own authority (EC P-256)."""

import base64
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LOOPBACK = IPv4Address("127.0.0.1")
_LIFETIME = timedelta(days=365)
SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, as PEM."""

    certificate: bytes
    key: bytes

    def write(self, directory: Path, name: str) -> None:
        """Write NAME.crt and NAME.key; the key is readable by its owner only."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{name}.crt").write_bytes(self.certificate)
        write_secret(directory / f"{name}.key", self.key)


class Authority:
    """A certificate authority."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(self._name, self._name, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        # Python 3.13 and later rejects authorities without key usage.
        builder = builder.add_extension(SIGNS_CERTIFICATES, True)
        self._certificate = builder.sign(self._key, hashes.SHA256())

    @property
    def pair(self) -> Pair:
        return Pair(_pem(self._certificate), _private(self._key))

    def issue(
        self,
        common_name: str,
        organization: str | None = None,
        names: tuple[str, ...] = (),
        addresses: tuple[IPv4Address, ...] = (),
    ) -> Pair:
        """A client certificate, which is a server's too if it has names or addresses."""
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        if organization:
            subject.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(x509.Name(subject), self._name, key.public_key())
        usage = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if names or addresses:
            usage.append(ExtendedKeyUsageOID.SERVER_AUTH)
            alternatives: list[x509.GeneralName] = [x509.DNSName(n) for n in names]
            alternatives += [x509.IPAddress(a) for a in addresses]
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(issuer, False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usage), False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        return Pair(_pem(builder.sign(self._key, hashes.SHA256())), _private(key))


def service_account_keys() -> tuple[bytes, bytes]:
    """A new key pair that signs service account tokens: (private, public), as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return _private(key), public


@dataclass(frozen=True)
class Connection:
    """How one user reaches one cluster: context, cluster and user of a kubeconfig share `name`."""

    name: str
    server: str
    authority: bytes
    user: Pair


def write_kubeconfig(path: Path, connections: list[Connection]) -> None:
    """Write a kubeconfig with a context per connection; the first is the current one."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": connections[0].name,
        "clusters": [
            {
                "name": c.name,
                "cluster": {"server": c.server, "certificate-authority-data": _b64(c.authority)},
            }
            for c in connections
        ],
        "users": [
            {
                "name": c.name,
                "user": {
                    "client-certificate-data": _b64(c.user.certificate),
                    "client-key-data": _b64(c.user.key),
                },
            }
            for c in connections
        ],
        "contexts": [
            {"name": c.name, "context": {"cluster": c.name, "user": c.name}} for c in connections
        ],
    }
    write_secret(path, yaml.safe_dump(config, sort_keys=False).encode())


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, atomically."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
        f.write(content)
    part.replace(path)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # A clock that is a little behind must not reject a new certificate.
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
