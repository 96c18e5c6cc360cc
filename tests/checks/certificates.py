"""CAs of a test's own, some of which no mesh should have."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lab.pki import SIGNS_CERTIFICATES


@dataclass(frozen=True)
class Root:
    """A root CA with its key."""

    name: str

    @cached_property
    def key(self) -> ec.EllipticCurvePrivateKey:
        return ec.generate_private_key(ec.SECP256R1())

    @cached_property
    def certificate(self) -> str:
        return self._sign(self.name, self.key, timedelta(days=3650))

    @property
    def key_pem(self) -> str:
        return _pem(self.key)

    def cacerts(self, lasts: timedelta = timedelta(days=730)) -> dict[str, str]:
        """The files of the Secret `cacerts`, with an intermediate that began yesterday.

        Args:
            lasts: from now on; negative for one that has ended.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        intermediate = self._sign("Intermediate CA", key, lasts)
        return {
            "ca-cert.pem": intermediate,
            "ca-key.pem": _pem(key),
            "root-cert.pem": self.certificate,
            "cert-chain.pem": intermediate + self.certificate,
        }

    def _sign(self, subject: str, key: ec.EllipticCurvePrivateKey, lasts: timedelta) -> str:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name(self.name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + lasts)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(SIGNS_CERTIFICATES, critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
        )
        signed = builder.sign(self.key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode()


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
