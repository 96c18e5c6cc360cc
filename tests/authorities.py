"""User-provided CAs for tests, valid and invalid ones."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from lab.pki import SIGNS_CERTIFICATES

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
DAY = dt.timedelta(days=1)
SIGNS_NOTHING = x509.KeyUsage(True, *8 * [False])  # a digital signature alone
_A_CA = x509.BasicConstraints(ca=True, path_length=None)


def new_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Authority:
    """A CA with its key, and those above it up to the root."""

    name: str
    above: "Authority | None" = None
    """Who signs it; itself if left out."""
    different: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Arguments of `certificate`."""
    key: Key = field(default_factory=new_key)

    @cached_property
    def certificate(self) -> str:
        above = self.above or self
        signed: dict[str, Any] = {"issuer": above.name, "signer": above.key, **self.different}
        return certificate(self.key, name=self.name, **signed)

    @property
    def chain(self) -> str:
        """Its certificate and those above it, without the root's."""
        return self.certificate + self.above.chain if self.above else ""

    @property
    def root(self) -> "Authority":
        return self.above.root if self.above else self

    @property
    def provided(self) -> dict[str, str]:
        """As a cluster's `ca`."""
        return {"certificate": self.chain, "key": text(self.key)}

    def below(self, name: str, **different: Any) -> "Authority":
        return Authority(name, self, different)

    def cacerts(self, **different: Any) -> dict[str, str]:
        """The files of the Secret `cacerts`, with an intermediate below this CA."""
        own = self.below("Intermediate CA", **different)
        return {
            "ca-cert.pem": own.certificate,
            "ca-key.pem": text(own.key),
            "root-cert.pem": self.root.certificate,
            "cert-chain.pem": own.chain + self.root.certificate,
        }


def certificate(
    key: Key,
    *,
    name: str,
    issuer: str | None = None,
    signer: Key | None = None,
    lasts: dt.timedelta = 3650 * DAY,
    begins: dt.timedelta = -DAY,
    constraints: x509.BasicConstraints | None = _A_CA,
    usage: x509.KeyUsage | None = SIGNS_CERTIFICATES,
    purposes: Sequence[x509.ObjectIdentifier] = (),
) -> str:
    """PEM text of a CA's certificate, by `issuer` and its key `signer`, or by itself.

    Args:
        lasts: from now on; negative for one that has ended.
        begins: from now on.
        purposes: extendedKeyUsage, if there are any.
    """
    now, signer = dt.datetime.now(dt.UTC), signer or key
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer or name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + min(begins, lasts - DAY))
        .not_valid_after(now + lasts)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if constraints is not None:
        builder = builder.add_extension(constraints, critical=True)
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    made = builder.sign(signer, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


def text(key: Key, password: bytes | None = None) -> str:
    """PEM text of a key."""
    encryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    ).decode()


def _name(written: str) -> x509.Name:
    """A common name alone, or a whole subject: `CN=Root CA,O=mesh1`."""
    if "=" in written:
        return x509.Name.from_rfc4514_string(written)
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, written)])
