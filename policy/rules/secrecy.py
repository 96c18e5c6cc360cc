"""Rules about private keys and credentials: they are secrets before they reach the state."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .resource import UNKNOWN, Finding, Resource, Secret, leaves

_PRIVATE: Mapping[str, Sequence[str]] = {
    "pulumi:providers:kubernetes": ("kubeconfig",),
    "kubernetes:core/v1:Secret": ("data", "stringData"),
    "tls:index/selfSignedCert:SelfSignedCert": ("privateKeyPem",),
    "tls:index/certRequest:CertRequest": ("privateKeyPem",),
    "tls:index/locallySignedCert:LocallySignedCert": ("caPrivateKeyPem",),
}
"""Inputs that are private whatever their value."""

_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_CREDENTIALS = re.compile(r"""["']?\b(client-key-data|token)["']?:\s*["']?[\w.=/+-]{16}""")


def keeps_secrets(resource: Resource) -> Iterator[Finding]:
    """Check inputs in which secrets are still `Secret`. Findings name places, never values.

    Pulumi's SDK for Python marks no unknown value as secret (runtime/rpc.py). The update checks
    those again, before it creates the resource.
    """
    for path, value in leaves(resource.props):
        if isinstance(value, Secret) or value in (None, UNKNOWN):
            continue
        if kind := _private(resource.type, path, value):
            yield Finding(f"{path} of `{resource.name}` is {kind} and not a secret")


def _private(type_: str, path: str, value: Any) -> str:
    text = value if isinstance(value, str) else ""
    if _KEY.search(text):
        return "a private key"
    if "kind: Config" in text or '"Config"' in text:
        return "a kubeconfig with credentials" if _CREDENTIALS.search(text) else ""
    top = re.split(r"[.\[]", path, maxsplit=1)[0]
    if top not in _PRIVATE.get(type_, ()):
        return ""
    if top == "kubeconfig":
        # The path of a file is not secret.
        return "" if re.fullmatch(r"[~./][^\n]*", text) else "a kubeconfig"
    return "private"
