"""Kubeconfigs: one cluster's credentials out of a file that may hold many.

A provider is given the content of one context only, with files folded in, so that it holds no
other cluster's credentials and does not depend on where the program runs.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

_FILES = ("certificate-authority", "client-certificate", "client-key")


@dataclass(frozen=True)
class Connection:
    """How one cluster's API server is reached."""

    kubeconfig: str = field(repr=False)
    """A whole kubeconfig with this one context. Holds credentials: a secret."""
    server: str
    """URL of the API server."""
    certificate_authority: str | None
    """PEM text of the CA that signed the API server's certificate."""
    tls_server_name: str | None = None
    """Name in the API server's certificate, where it is not the URL's."""
    proxy: str | None = None
    """URL of the proxy that this machine takes to the API server."""
    plugin: str | None = None
    """Program that gives the credentials."""


class KubeconfigError(Exception):
    """A rule that a kubeconfig breaks, without the kubeconfig's content.

    `name` is that of the refusal in spec/codes.py.
    """

    def __init__(self, name: str, rule: str, fix: str) -> None:
        super().__init__(rule)
        self.name, self.rule, self.fix = name, rule, fix


def read(kubeconfig: str, context: str | None) -> Connection:
    """Read one context of a kubeconfig, given as a path or as its content.

    Raises:
        KubeconfigError: the file, the context, its cluster or its user is not there.
    """
    text, folder = _load(kubeconfig)
    try:
        document: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise KubeconfigError(
            "kubeconfig-invalid", f"must be YAML{where}", "write the kubeconfig again"
        ) from None
    if not isinstance(document, Mapping):
        raise KubeconfigError(
            "kubeconfig-invalid", "must be a kubeconfig", "name a file that kubectl can use"
        )
    config = cast("Mapping[str, Any]", document)
    name = context or config.get("current-context")
    if not name:
        raise KubeconfigError(
            "context-missing",
            "has no current context",
            f"set context to one of: {_names(config, 'contexts')}",
        )
    entry = _pick(config, "contexts", str(name))["context"]
    cluster = dict(_pick(config, "clusters", entry["cluster"])["cluster"])
    user = dict(_pick(config, "users", entry["user"])["user"]) if entry.get("user") else {}
    if "server" not in cluster:
        raise KubeconfigError(
            "kubeconfig-invalid",
            f"has no server for the cluster of context {name!r}",
            "write the kubeconfig again",
        )
    for part in (cluster, user):
        _fold_in_files(part, folder)
    one: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {**entry, "cluster": name, "user": name}}],
        "current-context": name,
    }
    authority = cluster.get("certificate-authority-data")
    return Connection(
        kubeconfig=yaml.safe_dump(one, sort_keys=True),
        server=cluster["server"],
        certificate_authority=base64.b64decode(authority).decode() if authority else None,
        tls_server_name=cluster.get("tls-server-name"),
        proxy=cluster.get("proxy-url"),
        plugin=(user.get("exec") or {}).get("command"),
    )


def _load(kubeconfig: str) -> tuple[str, Path]:
    if "\n" in kubeconfig:
        return kubeconfig, Path.cwd()
    path = Path(kubeconfig).expanduser()
    try:
        return path.read_text(), path.parent
    except OSError as error:
        raise KubeconfigError(
            "kubeconfig-unreadable",
            f"must name a file that can be read ({error.strerror}: {path})",
            "write the path relative to the folder of Pulumi.yaml; for the lab run `make up` first",
        ) from None


def _entries(config: Mapping[str, Any], kind: str) -> Sequence[Mapping[str, Any]]:
    return cast("Sequence[Mapping[str, Any]]", config.get(kind) or [])


def _names(config: Mapping[str, Any], kind: str) -> str:
    return ", ".join(sorted(str(x["name"]) for x in _entries(config, kind))) or "none"


def _pick(config: Mapping[str, Any], kind: str, name: str) -> Mapping[str, Any]:
    for entry in _entries(config, kind):
        if entry["name"] == name:
            return entry
    raise KubeconfigError(
        "context-unknown" if kind == "contexts" else "kubeconfig-entry-missing",
        f"has no entry {name!r} under {kind}",
        f"name one of: {_names(config, kind)}",
    )


def _fold_in_files(part: dict[str, Any], folder: Path) -> None:
    for key in _FILES:
        if key in part:
            path = folder / Path(part.pop(key)).expanduser()
            try:
                part[f"{key}-data"] = base64.b64encode(path.read_bytes()).decode()
            except OSError as error:
                raise KubeconfigError(
                    "kubeconfig-file-missing",
                    f"names a file for {key} that cannot be read ({error.strerror}: {path})",
                    "write the kubeconfig again, or fold it with `kubectl config view --flatten`",
                ) from None
