"""The kubeconfig in a remote secret, read as data.

Anyone who can write one Secret of a primary controls its content. A client that loads it runs its
`exec` and `auth-provider` programs here, with the operator's credentials. Therefore it is never
loaded: only what components/remote_secret.py writes is accepted, and a client gets those fields.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import yaml

_CLUSTER = {"server", "certificate-authority-data", "tls-server-name"}
_DOCUMENT = {"apiVersion", "kind", "clusters", "users", "contexts", "current-context"}


class ShapeError(Exception):
    """How a remote secret's kubeconfig differs from what Isthmus writes, without its values."""


@dataclass(frozen=True)
class RemoteKubeconfig:
    """The API server and the credentials in a remote secret."""

    server: str
    token: str = field(repr=False)
    certificate_authority_data: str | None
    tls_server_name: str | None

    @property
    def content(self) -> str:
        """A kubeconfig with only these fields. Contains a token, so it is a secret."""
        cluster = {
            "server": self.server,
            "certificate-authority-data": self.certificate_authority_data,
            "tls-server-name": self.tls_server_name,
        }
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [
                    {"name": "remote", "cluster": {k: v for k, v in cluster.items() if v}}
                ],
                "users": [{"name": "remote", "user": {"token": self.token}}],
                "contexts": [
                    {"name": "remote", "context": {"cluster": "remote", "user": "remote"}}
                ],
                "current-context": "remote",
            }
        )


def read(text: str) -> RemoteKubeconfig:
    """Read the data of a remote secret.

    Raises:
        ShapeError: it does not have the form that Isthmus writes.
    """
    try:
        document: Any = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        raise ShapeError("it contains no kubeconfig, and istiod does not try again") from None
    if not isinstance(document, Mapping):
        raise ShapeError("it contains no kubeconfig, and istiod does not try again")
    whole = cast("Mapping[str, Any]", document)
    if other := whole.keys() - _DOCUMENT:
        raise ShapeError(f"it has {_words(other)}, which Isthmus does not write")
    cluster_name, cluster = _only(whole, "cluster")
    user_name, user = _only(whole, "user")
    context_name, context = _only(whole, "context")
    if set(user) != {"token"}:
        raise ShapeError(f"its credentials are {_words(user) or 'empty'}, but istiod needs a token")
    if other := cluster.keys() - _CLUSTER:
        raise ShapeError(f"its cluster has {_words(other)}, which Isthmus does not write")
    if context != {"cluster": cluster_name, "user": user_name}:
        raise ShapeError("its context does not join its one cluster and its one user")
    if whole.get("current-context") != context_name:
        raise ShapeError("its current-context is not its one context")
    values = {**cluster, **user}
    if "server" not in values or not all(isinstance(value, str) for value in values.values()):
        raise ShapeError("it has no server, or a value that is not text")
    if not user["token"].isascii() or any(c.isspace() for c in user["token"]):
        raise ShapeError("its token has spaces or line breaks")
    authority = cluster.get("certificate-authority-data")
    try:
        base64.b64decode(authority or "", validate=True)
    except (binascii.Error, ValueError):
        raise ShapeError("its certificate-authority-data is not base64") from None
    return RemoteKubeconfig(
        cluster["server"], user["token"], authority, cluster.get("tls-server-name")
    )


def _only(document: Mapping[str, Any], kind: str) -> tuple[object, Mapping[str, Any]]:
    """Name and content of the one entry of a kind."""
    entries = document.get(f"{kind}s")
    if not isinstance(entries, list) or len(cast("list[Any]", entries)) != 1:
        raise ShapeError(f"it must have one {kind}")
    entry = cast("list[Any]", entries)[0]
    if not isinstance(entry, Mapping) or set(cast("Mapping[str, Any]", entry)) != {"name", kind}:
        raise ShapeError(f"its {kind} must have a name and a {kind}")
    content = cast("Mapping[str, Any]", entry)[kind]
    if not isinstance(content, Mapping):
        raise ShapeError(f"its {kind} must have keys")
    return cast("Mapping[str, Any]", entry)["name"], cast("Mapping[str, Any]", content)


def _words(keys: Any) -> str:
    """Keys as a message may show them: they are someone else's text."""
    return ", ".join(sorted(str(key)[:40] for key in keys))
