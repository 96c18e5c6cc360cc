"""Requests to one Kubernetes API server."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import urlencode

from lab.stand_ins.kubernetes import fields
from lab.stand_ins.kubernetes.kubeconfig import Kubeconfig, UnreachableError, credentials
from lab.stand_ins.servicer import ProviderError
from lab.stand_ins.values import Object

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


class NoKindError(ProviderError):
    """The API server does not know the kind (yet): its CRD may come in the same update."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(f'no matches for kind "{kind}" in version "{api_version}"')


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

        self._configuration, pool = credentials(kubeconfig)
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

    def kind(self, api_version: str, kind: str) -> tuple[str, bool]:
        """Give the resource name of a kind (`deployments`) and whether it is namespaced.

        Raises NoKindError.
        """
        with self._lock:
            known = self._kinds.get(api_version, {})
        if kind not in known:
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
        place = f"/namespaces/{fields.namespace(obj) or 'default'}" if namespaced else ""
        path = f"{_version_path(obj['apiVersion'])}{place}/{plural}"
        return f"{path}/{fields.name(obj)}" if named else path

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

    def watch(self, obj: Object, seconds: int) -> Iterator[Object | None]:
        """Give the live object now and at each change, None once it is gone, for some seconds."""
        live = self.get(obj)
        yield live
        if live is None:
            return
        query = {
            "watch": "true",
            "fieldSelector": f"metadata.name={fields.name(obj)}",
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
