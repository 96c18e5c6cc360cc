"""Kubeconfigs: one cluster's credentials from a file that can contain many.

A provider receives the content of one context only, with files included, so that it has no
other cluster's credentials and does not depend on where the program runs.
"""

import base64
import binascii
import os
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

import yaml

_FILES = ("certificate-authority", "client-certificate", "client-key")
_REDACTED = ("DATA+OMITTED", "REDACTED")
_WRITE_AGAIN = "write the kubeconfig again, with `kubectl config view --raw --flatten`"


@dataclass(frozen=True)
class Connection:
    """How one cluster's API server is reached."""

    kubeconfig: str = field(repr=False)
    """A whole kubeconfig with this one context. Holds credentials: a secret."""
    server: str
    """URL of the API server."""
    certificate_authority: str | None
    """PEM text of the CA that signed the API server's certificate; None for a public CA."""
    tls_server_name: str | None = None
    """Name in the API server's certificate, where it is not the URL's."""
    proxy: str | None = field(default=None, repr=False)
    """URL of the proxy that this machine takes to the API server. May hold a password."""
    plugin: str | None = None
    """Program that gives the credentials."""
    insecure: bool = False
    """Whether the API server's certificate is not verified."""


class KubeconfigError(Exception):
    """A rule that a kubeconfig breaks, without the kubeconfig's content.

    `name` is that of the refusal in spec/codes.py.
    """

    def __init__(self, name: str, rule: str, fix: str) -> None:
        super().__init__(rule)
        self.name, self.rule, self.fix = name, rule, fix


class _Document(NamedTuple):
    """One file of a kubeconfig."""

    content: Mapping[str, Any]
    folder: Path
    """Where its relative paths begin."""


def is_content(given: str) -> bool:
    """Whether a text is a kubeconfig itself, and not the path of one; JSON may be one line."""
    return "\n" in given or given.lstrip().startswith("{")


def read(kubeconfig: str, context: str | None) -> Connection:
    """Read one context of a kubeconfig, given as its content, a path, or a list `a:b` of paths.

    Raises:
        KubeconfigError: the file, the context, its cluster or its user is missing or unusable.
    """
    documents = list(_load(kubeconfig))
    current = (str(d.content["current-context"]) for d in documents if _given(d, "current-context"))
    name = context or next(current, None)
    if not name:
        raise KubeconfigError(
            "context-missing",
            "has no current context",
            f"set context to one of: {_names(documents, 'contexts')}",
        )
    entry, _ = _pick(documents, "contexts", name)
    if not entry.get("cluster"):
        raise KubeconfigError(
            "kubeconfig-invalid", f"has no cluster in context {name!r}", _WRITE_AGAIN
        )
    cluster = _with_files(*_pick(documents, "clusters", str(entry["cluster"])))
    user = _with_files(*_pick(documents, "users", str(entry["user"]))) if entry.get("user") else {}
    authority = _certificate_authority(cluster)
    _check_user(user)
    cluster["server"] = server = _server(cluster, user, name)
    one: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {**entry, "cluster": name, "user": name}}],
        "current-context": name,
    }
    return Connection(
        kubeconfig=yaml.safe_dump(one, sort_keys=True),
        server=server,
        certificate_authority=authority,
        tls_server_name=cluster.get("tls-server-name"),
        proxy=cluster.get("proxy-url"),
        plugin=user.get("exec", {}).get("command"),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
    )


def _load(kubeconfig: str) -> Iterator[_Document]:
    if is_content(kubeconfig):
        yield _Document(_parse(kubeconfig.encode()), Path.cwd())
        return
    for path in _paths(kubeconfig):
        try:
            text = path.read_bytes()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "invalid path"
            raise KubeconfigError(
                "kubeconfig-unreadable",
                f"must name a file that can be read ({why})",
                "write the path relative to the folder of Pulumi.yaml; for the lab run `make up` "
                "first",
            ) from None
        yield _Document(_parse(text), path.parent)


def _paths(given: str) -> Sequence[Path]:
    """The files that are named; of a list, those that exist, as kubectl does."""
    paths = [Path(part).expanduser() for part in given.split(os.pathsep) if part]
    if len(paths) < 2 or Path(given).expanduser().is_file():
        return [Path(given).expanduser()]
    return [path for path in paths if path.is_file()] or paths[:1]


def _parse(text: bytes) -> Mapping[str, Any]:
    """The document; PyYAML reads UTF-8 and, as PowerShell writes it, UTF-16."""
    try:
        document: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise KubeconfigError("kubeconfig-invalid", f"must be YAML{where}", _WRITE_AGAIN) from None
    if not isinstance(document, Mapping):
        raise KubeconfigError(
            "kubeconfig-invalid", "must be a kubeconfig", "name a file that kubectl can use"
        )
    return cast("Mapping[str, Any]", document)


def _given(document: _Document, key: str) -> bool:
    return document.content.get(key) not in (None, "")


def _entries(
    documents: Sequence[_Document], kind: str
) -> Iterator[tuple[str, dict[str, Any], Path]]:
    """Name, content and folder of each entry of a kind; the first of a name counts."""
    for document in documents:
        entries = document.content.get(kind) or ()
        for entry in cast("Sequence[Any]", entries) if isinstance(entries, list) else ():
            if isinstance(entry, Mapping) and entry.get("name") is not None:
                inner = entry.get(kind.removesuffix("s"))
                content = dict(inner) if isinstance(inner, Mapping) else {}
                yield str(entry["name"]), content, document.folder


def _names(documents: Sequence[_Document], kind: str) -> str:
    return ", ".join(sorted({name for name, _, _ in _entries(documents, kind)})) or "none"


def _pick(documents: Sequence[_Document], kind: str, name: str) -> tuple[dict[str, Any], Path]:
    for found, content, folder in _entries(documents, kind):
        if found == name:
            # Null is what a key has that was left empty.
            return {key: value for key, value in content.items() if value is not None}, folder
    raise KubeconfigError(
        "context-unknown" if kind == "contexts" else "kubeconfig-entry-missing",
        f"has no entry {name!r} under {kind}",
        f"name one of: {_names(documents, kind)}",
    )


def _with_files(part: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A cluster or a user without paths that depend on the folder; data win over files."""
    for key in _FILES:
        file = part.pop(key, None)
        if file and not part.get(f"{key}-data"):
            part[f"{key}-data"] = base64.b64encode(_content(key, folder, file)).decode()
    for key in [k for k in part if k.endswith("-data")]:
        part[key] = base64.b64encode(_decoded(key, str(part[key]))).decode()
    if file := part.pop("tokenFile", None):  # which takes precedence over `token`
        part["token"] = _content("tokenFile", folder, file).decode(errors="replace").strip()
    plugin = part.get("exec")
    if isinstance(plugin, Mapping) and isinstance(command := plugin.get("command"), str):
        # kubectl: a command with a separator is relative to the kubeconfig.
        relative = os.sep in command and not os.path.isabs(command)
        resolved = str(folder.resolve() / command) if relative else command
        part["exec"] = {**plugin, "command": resolved}
    return part


def _content(key: str, folder: Path, file: object) -> bytes:
    try:
        return (folder / Path(str(file)).expanduser()).read_bytes()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "invalid path"
        raise KubeconfigError(
            "kubeconfig-file-missing",
            f"names a file for {key} that cannot be read ({why}: {file})",
            "write the kubeconfig again, or fold it with `kubectl config view --flatten`",
        ) from None


def _decoded(key: str, data: str) -> bytes:
    if data in _REDACTED:
        raise KubeconfigError(
            "kubeconfig-redacted",
            f"must hold {key}; it was written by `kubectl config view` without `--raw`",
            _WRITE_AGAIN,
        )
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        raise KubeconfigError(
            "kubeconfig-invalid", f"must hold {key} in base64", _WRITE_AGAIN
        ) from None


def _certificate_authority(cluster: dict[str, Any]) -> str | None:
    """The CA as PEM text; one in DER is turned into PEM in the cluster too."""
    data = cluster.get("certificate-authority-data")
    if not data:
        cluster.pop("certificate-authority-data", None)
        return None
    found = base64.b64decode(data)
    if found.startswith(b"0"):  # a SEQUENCE in DER
        found = ssl.DER_cert_to_PEM_cert(found).encode()
    if b"-----BEGIN CERTIFICATE-----" not in found:
        raise KubeconfigError(
            "kubeconfig-invalid",
            "must hold a certificate in certificate-authority-data",
            _WRITE_AGAIN,
        )
    cluster["certificate-authority-data"] = base64.b64encode(found).decode()
    return found.decode(errors="replace")


def _check_user(user: Mapping[str, Any]) -> None:
    for key in ("token", "password"):
        if user.get(key) in _REDACTED:
            raise KubeconfigError(
                "kubeconfig-redacted",
                f"must hold the {key}; it was written by `kubectl config view` without `--raw`",
                _WRITE_AGAIN,
            )
    token = user.get("token", "")
    if not isinstance(token, str) or not token.isascii() or any(c.isspace() for c in token):
        raise KubeconfigError(
            "kubeconfig-token-invalid",
            "must hold a token of one line without spaces",
            "copy the token again, without the newline at its end",
        )
    provider = user.get("auth-provider")
    if provider is not None and _name_of(provider) != "oidc":
        raise KubeconfigError(
            "kubeconfig-auth-provider-removed",
            f"must not use the auth-provider {_name_of(provider)}, which kubectl removed in 1.26",
            "write the kubeconfig again with the cloud's own tool, which names a program under "
            "`exec` (`gcloud container clusters get-credentials`, `kubelogin`)",
        )
    plugin = user.get("exec")
    if plugin is not None and not (isinstance(plugin, Mapping) and plugin.get("command")):
        raise KubeconfigError(
            "kubeconfig-invalid", "must name a command under `exec`", _WRITE_AGAIN
        )


def _name_of(provider: object) -> str:
    return str(provider.get("name")) if isinstance(provider, Mapping) else "without a name"


def _server(cluster: Mapping[str, Any], user: Mapping[str, Any], name: str) -> str:
    server = cluster.get("server")
    if not isinstance(server, str) or not server:
        raise KubeconfigError(
            "kubeconfig-invalid", f"has no server for the cluster of context {name!r}", _WRITE_AGAIN
        )
    if "@" in server:
        raise KubeconfigError(
            "kubeconfig-password-in-url",
            "must have a server's URL without a user and a password in it",
            "put them under `users` as `username` and `password`",
        )
    if "://" in server:
        return server
    # As kubectl takes an address without a scheme.
    signs = "certificate-authority-data", "insecure-skip-tls-verify"
    safe = any(cluster.get(key) for key in signs) or "client-certificate-data" in user
    return f"{'https' if safe else 'http'}://{server}"
