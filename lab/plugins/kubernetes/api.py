"""Requests to one Kubernetes API server, on the official client's credentials and pool."""

from __future__ import annotations

import copy
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from lab.plugins.kubernetes.objects import name, namespace
from lab.plugins.servicer import ProviderError
from lab.plugins.values import Object

if TYPE_CHECKING:
    from kubernetes.client import Configuration

CONNECT_SECONDS = 4
READ_SECONDS = 60
CONNECTIONS = 32


class ApiError(ProviderError):
    """The API server said no. `str(error)` is its own sentence."""

    def __init__(self, code: int, body: bytes) -> None:
        try:
            self.status = cast(Object, json.loads(body))
        except ValueError:
            self.status = {"message": body.decode(errors="replace")[:500]}
        self.code = code
        super().__init__(str(self.status.get("message") or f"HTTP status {code}"))

    @property
    def reason(self) -> str:
        return str(self.status.get("reason") or "")

    @property
    def details(self) -> Object:
        return cast(Object, self.status.get("details") or {})

    @property
    def causes(self) -> list[Object]:
        """What is wrong with which field: reason, message, field."""
        return cast(list[Object], self.details.get("causes") or [])


class UnreachableError(ProviderError):
    """No answer, or no usable credentials."""


class NoKindError(ProviderError):
    """The API server does not know the kind (yet): its CRD may come in the same update."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(f'no matches for kind "{kind}" in version "{api_version}"')


@dataclass(frozen=True)
class Kubeconfig:
    """A parsed kubeconfig and the place its relative paths start from."""

    content: Object
    directory: Path

    @staticmethod
    def load(path_or_content: str) -> Kubeconfig:
        """Read a kubeconfig given as file name or as text; empty means the ambient one.

        Raises UnreachableError with the cause. Source: provider/util.go parseKubeconfigString.
        """
        import yaml

        if not path_or_content:
            return _ambient()
        path = Path(path_or_content).expanduser() if "\n" not in path_or_content else None
        try:
            is_file = path is not None and path.is_file()
        except OSError:  # a long one-line JSON text is no file name
            is_file = False
        text = path.read_text() if path is not None and is_file else path_or_content
        try:
            content = yaml.safe_load(text)
        except yaml.YAMLError as error:
            # Never the text itself: it holds credentials.
            mark = getattr(error, "problem_mark", None)
            where = f" at line {mark.line + 1}" if mark else ""
            raise UnreachableError(f"the kubeconfig is not YAML{where}") from None
        if not isinstance(content, dict):
            what = f"no such file: {path}" if path and not is_file else "it is not a mapping"
            raise UnreachableError(f"cannot read the kubeconfig: {what}")
        directory = path.resolve().parent if path is not None and is_file else Path.cwd()
        return Kubeconfig(cast(Object, content), directory)

    def select(self, context: str, cluster: str) -> Kubeconfig:
        """Make the context the current one, with another cluster if one is named.

        Raises UnreachableError naming the contexts or clusters that exist.
        """
        content = copy.deepcopy(self.content)
        chosen = context or str(content.get("current-context") or "")
        contexts = self._named("contexts")
        if chosen not in contexts:
            raise UnreachableError(
                f'context "{chosen}" does not exist in the kubeconfig; it has '
                f"{', '.join(sorted(contexts)) or 'none'}"
            )
        entry = dict(contexts[chosen])
        entry["cluster"] = cluster or entry.get("cluster")
        if entry["cluster"] not in self._named("clusters"):
            raise UnreachableError(
                f'cluster "{entry["cluster"]}" does not exist in the kubeconfig; it has '
                f"{', '.join(sorted(self._named('clusters'))) or 'none'}"
            )
        content["current-context"] = chosen
        content["contexts"] = [{"name": chosen, "context": entry}]
        return Kubeconfig(content, self.directory)

    def _named(self, what: str) -> dict[str, Object]:
        entries = cast(list[Object], self.content.get(what) or [])
        return {entry["name"]: entry.get(what[:-1]) or {} for entry in entries}

    @property
    def namespace(self) -> str:
        contexts = self._named("contexts")
        chosen = contexts.get(str(self.content.get("current-context") or "")) or {}
        return str(chosen.get("namespace") or "")

    def absolute(self) -> Object:
        """Give the content with file names that hold from anywhere."""
        content = copy.deepcopy(self.content)
        for what, keys in (
            ("clusters", ("certificate-authority",)),
            ("users", ("client-certificate", "client-key", "tokenFile")),
        ):
            for entry in cast(list[Object], content.get(what) or []):
                inner = cast(Object, entry.get(what[:-1]) or {})
                for key in keys:
                    if inner.get(key):
                        inner[key] = str(self.directory / str(inner[key]))
        return content

    @property
    def active_cluster(self) -> Object | None:
        """What the current context's cluster entry says, for comparison."""
        chosen = self._named("contexts").get(str(self.content.get("current-context") or ""))
        return self._named("clusters").get(str((chosen or {}).get("cluster")))


def _ambient() -> Kubeconfig:
    from kubernetes.config.kube_config import KubeConfigMerger

    files = os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())
    merged = KubeConfigMerger(files).config
    if merged is None:
        raise UnreachableError(
            f"there is no kubeconfig at {files}; set `kubeconfig` or $KUBECONFIG"
        )
    # The merger leaves the entries of its lists in wrappers of its own.
    content = {
        key: [getattr(entry, "value", entry) for entry in value]
        if isinstance(value, list)
        else value
        for key, value in cast(Object, merged.value).items()
    }
    return Kubeconfig(content, Path.cwd())


class _Rate:
    """At most `qps` requests a second after a burst (kubeClientSettings)."""

    def __init__(self, qps: float, burst: int) -> None:
        self._lock = threading.Lock()
        self._qps, self._burst = qps, burst
        self._next = 0.0

    def wait(self) -> None:
        with self._lock:
            now = time.monotonic()
            self._next = max(self._next, now - self._burst / self._qps) + 1 / self._qps
            pause = self._next - now
        if pause > 0:
            time.sleep(pause)


class Api:
    """One API server. Every method may raise ApiError or UnreachableError."""

    def __init__(
        self,
        kubeconfig: Kubeconfig,
        *,
        timeout: float | None = None,
        qps: float | None = None,
        burst: int | None = None,
    ) -> None:
        import urllib3

        self._configuration, pool = _credentials(kubeconfig)
        self._pool = pool(
            maxsize=CONNECTIONS,
            retries=urllib3.Retry(
                total=4,
                connect=1,
                read=False,
                redirect=False,
                status=3,
                status_forcelist=[429],
                allowed_methods=None,
                backoff_factor=0.2,
                raise_on_status=False,
            ),
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=timeout or READ_SECONDS),
        )
        self.server = str(self._configuration.host).rstrip("/")
        self._rate = _Rate(qps or 50, burst or 120) if qps or burst else None
        self._kinds: dict[str, dict[str, tuple[str, bool]]] = {}
        self._lock = threading.Lock()

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        kind: str = "application/json",
        accept: str = "application/json",
        **query: str,
    ) -> Any:
        """Send one request and give the decoded answer; `kind` is the body's media type."""
        response = self._send(method, path, body, kind, query, stream=False, accept=accept)
        return json.loads(response.data) if response.data else None

    def _send(
        self,
        method: str,
        path: str,
        body: Any,
        kind: str,
        query: dict[str, str],
        *,
        stream: bool,
        accept: str = "application/json",
    ) -> Any:
        import urllib3

        if self._rate:
            self._rate.wait()
        headers = {"Accept": accept, "Content-Type": kind, "User-Agent": "isthmus-lab"}
        configuration = self._configuration
        if token := configuration.get_api_key_with_prefix("BearerToken"):
            headers["Authorization"] = token
        elif configuration.username:
            headers["Authorization"] = str(configuration.get_basic_auth_token())
        text = f"{self.server}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            response = self._pool.request(
                method,
                text,
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
                preload_content=not stream,
            )
        except urllib3.exceptions.HTTPError as error:
            raise UnreachableError(f"{self.server} does not answer: {_short(error)}") from None
        if response.status >= 400:
            raise ApiError(response.status, response.data)
        return response

    def kind(self, api_version: str, kind: str, *, fresh: bool = False) -> tuple[str, bool]:
        """Give the resource name of a kind (`deployments`) and whether it is namespaced.

        Raises NoKindError.
        """
        with self._lock:
            known = self._kinds.get(api_version, {})
        if kind not in known or fresh:
            try:
                found = self.request("GET", _version_path(api_version))["resources"]
            except ApiError as error:
                if error.code != 404:
                    raise
                raise NoKindError(api_version, kind) from None
            known = {r["kind"]: (r["name"], r["namespaced"]) for r in found if "/" not in r["name"]}
            with self._lock:
                self._kinds[api_version] = known
        if kind not in known:
            raise NoKindError(api_version, kind)
        return known[kind]

    def path(self, obj: Object, *, named: bool = True) -> str:
        """Give the URL path of an object, or of its collection."""
        plural, namespaced = self.kind(obj["apiVersion"], obj["kind"])
        place = f"/namespaces/{namespace(obj) or 'default'}" if namespaced else ""
        path = f"{_version_path(obj['apiVersion'])}{place}/{plural}"
        return f"{path}/{name(obj)}" if named else path

    def get(self, obj: Object) -> Object | None:
        """Read the live object, or None when there is none."""
        try:
            return cast(Object, self.request("GET", self.path(obj)))
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def create(self, obj: Object, *, manager: str, dry_run: bool) -> Object:
        query = {"fieldManager": manager, **({"dryRun": "All"} if dry_run else {})}
        return self.request("POST", self.path(obj, named=False), obj, **query)

    def replace(self, obj: Object, *, manager: str, dry_run: bool) -> Object:
        query = {"fieldManager": manager, **({"dryRun": "All"} if dry_run else {})}
        return self.request("PUT", self.path(obj), obj, **query)

    def apply(self, obj: Object, *, manager: str, force: bool, dry_run: bool) -> Object:
        """Server-side apply."""
        query = {"fieldManager": manager, "force": str(force).lower()}
        if dry_run:
            query["dryRun"] = "All"
        media = "application/apply-patch+yaml"
        return self.request("PATCH", self.path(obj), obj, kind=media, **query)

    def json_patch(self, obj: Object, operations: list[Object]) -> Object:
        return self.request("PATCH", self.path(obj), operations, kind="application/json-patch+json")

    def delete(self, obj: Object, policy: str) -> None:
        """Ask for deletion; an object that is gone already is fine."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy}
        try:
            self.request("DELETE", self.path(obj), options)
        except ApiError as error:
            if error.code != 404:
                raise

    def pods(self, space: str, selector: str) -> list[Object]:
        """List the pods of a namespace that a label selector picks."""
        path = f"/api/v1/namespaces/{space}/pods"
        return self.request("GET", path, labelSelector=selector)["items"]

    def pod_log(self, pod: Object, container: str, lines: int) -> str:
        """Give the last lines a container wrote."""
        path = f"/api/v1/namespaces/{namespace(pod)}/pods/{name(pod)}/log"
        query = {"container": container, "tailLines": str(lines)}
        return self._send("GET", path, None, "", query, stream=False).data.decode(errors="replace")

    def watch(self, obj: Object, seconds: int) -> Iterator[Object | None]:
        """Give the live object now and at each change, None once it is gone, for some seconds."""
        live = self.get(obj)
        yield live
        if live is None:
            return
        query = {
            "watch": "true",
            "fieldSelector": f"metadata.name={name(obj)}",
            "resourceVersion": metadata_version(live),
            "timeoutSeconds": str(seconds),
        }
        path = self.path(obj, named=False)
        try:
            response = self._send("GET", path, None, "application/json", query, stream=True)
        except ApiError as error:
            if error.code == 410:  # the version is too old: the caller reads again
                return
            raise
        try:
            for line in response:
                event = cast(Object, json.loads(line))
                if event["type"] == "ERROR":
                    return
                yield None if event["type"] == "DELETED" else event["object"]
        except Exception as error:
            if type(error).__module__.startswith("urllib3"):
                return
            raise
        finally:
            response.close()


def metadata_version(obj: Object) -> str:
    return str(obj["metadata"]["resourceVersion"])


def _version_path(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _short(error: Exception) -> str:
    cause: BaseException = error
    while cause.__cause__ or getattr(cause, "reason", None):
        inner = cause.__cause__ or getattr(cause, "reason", None)
        if not isinstance(inner, BaseException):
            break
        cause = inner
    return str(cause).rpartition(": ")[2] or type(cause).__name__


def _credentials(kubeconfig: Kubeconfig) -> tuple[Configuration, Callable[..., Any]]:
    """Let the official client read the credentials: certificates, tokens, exec plugins, OIDC.

    The loader writes certificates and keys to temporary files and removes them at exit, which a
    killed process never reaches: they are loaded into a TLS context and removed at once.
    """
    import ssl
    from functools import partial

    import urllib3
    from kubernetes.client import Configuration
    from kubernetes.client.rest import should_bypass_proxies
    from kubernetes.config import ConfigException, kube_config

    configuration = Configuration()
    with _LOADING:
        try:
            kube_config.KubeConfigLoader(
                config_dict=kubeconfig.content, config_base_path=str(kubeconfig.directory)
            ).load_and_set(configuration)
            context = ssl.create_default_context(
                cafile=configuration.ssl_ca_cert if configuration.verify_ssl else None
            )
            if not configuration.verify_ssl:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if configuration.cert_file:
                context.load_cert_chain(configuration.cert_file, configuration.key_file)
        except (ConfigException, OSError, ValueError) as error:
            raise UnreachableError(f"the kubeconfig cannot be used: {error}") from None
        finally:
            kube_config._cleanup_temp_files()  # pyright: ignore[reportPrivateUsage]
    options: dict[str, Any] = {"ssl_context": context}
    if configuration.tls_server_name:
        options["server_hostname"] = configuration.tls_server_name
        options["assert_hostname"] = configuration.tls_server_name
    proxy, direct = str(configuration.proxy or ""), str(configuration.no_proxy or "")
    if proxy and not should_bypass_proxies(configuration.host, direct):
        if proxy.startswith("socks"):
            raise UnreachableError("this stand-in reaches no cluster through a SOCKS proxy")
        return configuration, partial(urllib3.ProxyManager, proxy, **options)
    return configuration, partial(urllib3.PoolManager, **options)


_LOADING = threading.Lock()
