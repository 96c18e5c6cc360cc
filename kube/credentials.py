"""Login to a cluster with its kubeconfig's credentials, without a key in a file on disk.

The official client's own loader writes keys to /tmp, where they stay after a SIGKILL, runs plugins
without a limit of time, and leaves out impersonation.
"""

import base64
import datetime as dt
import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit

import yaml

from kube import kubeconfig as kubeconfigs

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, Configuration
    from urllib3 import HTTPHeaderDict

_PLUGIN_SECONDS = 30
_EARLY = dt.timedelta(minutes=1)
_DATA = ("client-certificate-data", "client-key-data")


class UnansweredError(Exception):
    """The API server did not answer a query, or refused it."""

    def __init__(self, status: int | None, reason: str) -> None:
        super().__init__(reason if status is None else f"{status} {reason}")
        self.status = status
        """HTTP status; None where nothing came back."""


class CredentialsError(UnansweredError):
    """No query was sent, because the kubeconfig has no usable credentials; has the reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(None, reason)


_IMPORTING = threading.Lock()


def import_client() -> None:
    """Import the official client, in one thread at a time.

    Its package imports each of its modules when a name of it is first used. Two threads that begin
    with different names wait for each other's lock, and Python ends one with a _DeadlockError.
    """
    with _IMPORTING:
        import kubernetes.client

        for name in ("ApiClient", "ApiException", "Configuration"):
            getattr(kubernetes.client, name)


class Login:
    """One kubeconfig's user, logged in with the first query.

    Plugins of several clusters therefore run beside each other.
    """

    def __init__(self, kubeconfig: str) -> None:
        """`kubeconfig`: the content of one with one context.

        Raises:
            CredentialsError: the kubeconfig cannot be used.
        """
        import_client()
        try:
            connection = kubeconfigs.read(kubeconfig, None)
        except kubeconfigs.KubeconfigError as error:
            raise CredentialsError(f"its kubeconfig {error}") from None
        self._connection = connection
        document = yaml.safe_load(connection.kubeconfig)
        self._cluster = cast("Mapping[str, Any]", document["clusters"][0]["cluster"])
        self._user = cast("Mapping[str, Any]", document["users"][0]["user"])
        self._lock = threading.Lock()
        self._open = ExitStack()
        self._client: ApiClient | None = None
        self._token: str | None = None
        self._ends: dt.datetime | None = None

    @property
    def client(self) -> "ApiClient":
        """The official client, for this API server.

        Raises:
            CredentialsError: the user's plugin gives none, or they are of no use.
        """
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    @property
    def authorization(self) -> str | None:
        """The header with the user's token, if the user has one."""
        _ = self.client
        with self._lock:
            # A plugin's token may have ended since.
            if self._ends and dt.datetime.now(dt.UTC) > self._ends - _EARLY:
                self._sign_in()
        if self._token:
            return f"Bearer {self._token}"
        if "username" in self._user:
            pair = f"{self._user['username']}:{self._user.get('password', '')}"
            return f"Basic {base64.b64encode(pair.encode()).decode()}"
        return None

    @property
    def impersonates(self) -> bool:
        return "as" in self._user

    def headers(self) -> "HTTPHeaderDict":
        """What goes with each request: the token, and whom the user acts as."""
        from urllib3 import HTTPHeaderDict

        headers = HTTPHeaderDict()
        if authorization := self.authorization:
            headers["Authorization"] = authorization
        if self.impersonates:
            headers["Impersonate-User"] = str(self._user["as"])
            if uid := self._user.get("as-uid"):
                headers["Impersonate-Uid"] = str(uid)
            for group in self._user.get("as-groups") or ():
                headers.add("Impersonate-Group", str(group))
            for key, values in (self._user.get("as-user-extra") or {}).items():
                for value in values:
                    headers.add(f"Impersonate-Extra-{key}", str(value))
        return headers

    def close(self) -> None:
        """Forget keys and connections."""
        if self._client is not None:
            self._client.close()
        self._open.close()

    def _sign_in(self) -> Mapping[str, str]:
        """Take the token, and give the client's certificate and key in base64, if there are any."""
        if plugin := self._user.get("exec"):
            status = _run(plugin, self._cluster)
            self._token = str(status["token"]) if status.get("token") else None
            if ends := status.get("expirationTimestamp"):
                self._ends = _time(str(ends))
            named = zip(_DATA, ("clientCertificateData", "clientKeyData"), strict=True)
            return {
                ours: base64.b64encode(str(status[theirs]).encode()).decode()
                for ours, theirs in named
                if status.get(theirs)
            }
        provider = (self._user.get("auth-provider") or {}).get("config") or {}
        self._token = self._user.get("token") or provider.get("id-token")
        return {key: self._user[key] for key in _DATA if self._user.get(key)}

    def _connect(self) -> "ApiClient":
        from kubernetes.client import ApiClient, Configuration

        configuration = Configuration(host=self._connection.server.rstrip("/"))
        configuration.retries = False  # before the client exists, which copies it to its pool
        configuration.verify_ssl = not self._connection.insecure
        configuration.tls_server_name = self._connection.tls_server_name
        if self._connection.proxy:
            _use_proxy(configuration, self._connection.proxy)
        data = self._sign_in()
        if self._connection.certificate_authority:
            configuration.ssl_ca_cert = self._file(self._connection.certificate_authority.encode())
        if len(data) == len(_DATA):
            configuration.cert_file, configuration.key_file = (
                self._file(base64.b64decode(data[key])) for key in _DATA
            )
        try:
            return ApiClient(configuration)
        except (OSError, ValueError, ImportError) as error:
            raise CredentialsError(f"its kubeconfig is of no use: {type(error).__name__}") from None

    def _file(self, content: bytes) -> str:
        """A path to read the content from while this login is open; in memory, on Linux."""
        if hasattr(os, "memfd_create"):
            file = self._open.enter_context(os.fdopen(os.memfd_create("kubeconfig"), "wb"))
            path = f"/proc/self/fd/{file.fileno()}"
        else:
            file = self._open.enter_context(tempfile.NamedTemporaryFile())  # noqa: SIM115
            path = file.name
        file.write(content)
        file.flush()
        return path


def _use_proxy(configuration: "Configuration", url: str) -> None:
    """Any scheme that kubectl takes: http, https, socks5; a password goes into a header."""
    from urllib3 import make_headers

    parts = urlsplit(url)
    if parts.username is None or parts.scheme.startswith("socks"):
        configuration.proxy = url
        return
    configuration.proxy = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    configuration.proxy_headers = make_headers(proxy_basic_auth=pair)


def _run(plugin: Mapping[str, Any], cluster: Mapping[str, Any]) -> Mapping[str, Any]:
    """Run a credential plugin: its `status`.

    Protocol: https://kubernetes.io/docs/reference/config-api/client-authentication.v1/.

    Raises:
        CredentialsError: it is missing, does not end in 30 seconds, or gives nothing.
    """
    command = str(plugin["command"])
    version = plugin.get("apiVersion")
    spec: dict[str, Any] = {"interactive": False}
    if plugin.get("provideClusterInfo"):
        extensions = cast("list[Any]", cluster.get("extensions") or [])
        config = [
            e["extension"]
            for e in extensions
            if e.get("name") == "client.authentication.k8s.io/exec"
        ]
        spec["cluster"] = {
            "server": cluster["server"],
            **({"config": config[0]} if config else {}),
            **{
                key: cluster[key]
                for key in (
                    "certificate-authority-data",
                    "tls-server-name",
                    "insecure-skip-tls-verify",
                    "proxy-url",
                )
                if key in cluster
            },
        }
    asked = {"apiVersion": version, "kind": "ExecCredential", "spec": spec}
    variables = {str(e["name"]): str(e.get("value", "")) for e in plugin.get("env") or ()}
    try:
        process = subprocess.Popen(
            [command, *map(str, plugin.get("args") or ())],
            env={**os.environ, **variables, "KUBERNETES_EXEC_INFO": json.dumps(asked)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # it may hold what it was given
            start_new_session=True,  # so that its children end with it, and none asks a terminal
        )
    except OSError as error:
        raise CredentialsError(f"{command} gave no credentials: {error.strerror}") from None
    try:
        said, _ = process.communicate(timeout=_PLUGIN_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise CredentialsError(
            f"{command} gave no credentials in {_PLUGIN_SECONDS} s; it may wait for a login"
        ) from None
    try:
        status = json.loads(said)["status"] if process.returncode == 0 else {}
        if not (status.get("token") or status.get("clientCertificateData")):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CredentialsError(
            f"{command} gave no credentials (exit status {process.returncode})"
        ) from None
    return cast("Mapping[str, Any]", status)


def _time(text: str) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(text).astimezone(dt.UTC)
    except ValueError:
        return None
