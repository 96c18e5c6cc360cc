"""Credentials that end soon, of which the stack's state keeps a copy.

`pulumi refresh` and `pulumi destroy` do not run the program: they use the state's copy. With one
that has ended, a healthy cluster looks unreachable (pulumi/pulumi#4981).
"""

import base64
import binascii
import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import yaml

from kube.kubeconfig import Connection
from spec.mesh import cluster_path
from spec.problems import Problem

_SOON = dt.timedelta(days=7)


def ending(index: int, cluster: str, connection: Connection) -> Iterator[Problem]:
    """A warning, where the credentials in the kubeconfig itself end within seven days."""
    ends = end_of_credentials(connection.kubeconfig)
    if ends is None or ends - dt.datetime.now(dt.UTC) > _SOON:
        return
    yield Problem(
        "credentials-end-soon",
        f"{cluster_path(index)}.kubeconfig",
        f"should hold credentials that last; those for {cluster} end on {ends:%Y-%m-%d %H:%M} UTC",
        "the stack's state keeps them, and `pulumi refresh` and `pulumi destroy` use the state's: "
        "the cluster would look unreachable to them",
        "use a kubeconfig whose credentials come from a program (`exec`); with these, write "
        "`pulumi refresh --run-program` and `pulumi destroy --run-program` "
        "(docs/troubleshooting.md)",
        refuses=False,
    )


def end_of_credentials(kubeconfig: str) -> dt.datetime | None:
    """When the token or certificate in a kubeconfig of one context ends; None where it does not
    end or does not say, and for a program under `exec`."""
    try:
        user: dict[str, Any] = yaml.safe_load(kubeconfig)["users"][0]["user"]
    except (yaml.YAMLError, KeyError, IndexError, TypeError):
        return None
    return end_of_token(user.get("token")) or _end_of_certificate(user)


def end_of_token(token: str | None) -> dt.datetime | None:
    """When a JWT ends (`exp`); None for a token that does not say."""
    try:
        payload = (token or "").split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return dt.datetime.fromtimestamp(claims["exp"], dt.UTC)
    except (IndexError, KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def _end_of_certificate(user: dict[str, Any]) -> dt.datetime | None:
    if not (data := user.get("client-certificate-data")):
        return None
    from cryptography.x509 import load_pem_x509_certificate

    try:
        return load_pem_x509_certificate(base64.b64decode(data)).not_valid_after_utc
    except (binascii.Error, ValueError):
        return None
