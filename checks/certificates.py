"""Comparison of certificates."""

from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

Certificate = x509.Certificate


def read_der(der: bytes) -> Certificate:
    return x509.load_der_x509_certificate(der)


def days_left(certificate: Certificate) -> float:
    """Return the days until a certificate expires; negative if it has expired."""
    return (certificate.not_valid_after_utc - datetime.now(UTC)).total_seconds() / 86400


def name(certificate: Certificate) -> str:
    """Return the subject and the start of the fingerprint, which distinguishes equal names."""
    fingerprint = certificate.fingerprint(SHA256())
    return f"{certificate.subject.rfc4514_string()} ({fingerprint.hex()[:12]})"
