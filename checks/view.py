"""A mesh for the checks: its description, and its clusters, in which everything is read once."""

from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeVar, cast

from checks.probe import Probe
from kube.api import UnansweredError
from kube.pods import Container, PodApi, Ran, Served, Server
from spec.description import Description
from spec.mesh import Cluster, MeshSpec

Json = Mapping[str, Any]
_T = TypeVar("_T")


class Memo:
    """Remembers the result for each key, even a failure. Other threads wait for a computation."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._answers: dict[Hashable, Future[Any]] = {}

    def get(self, key: Hashable, compute: Callable[[], _T]) -> _T:
        with self._lock:
            first = key not in self._answers
            future = self._answers.setdefault(key, Future())
        if first:
            try:
                future.set_result(compute())
            except Exception as error:
                future.set_exception(error)
        return future.result()


@dataclass(frozen=True)
class View:
    """Access to one cluster; each query runs once."""

    cluster: Cluster
    namespace: str
    """Istio's namespace."""
    _api: PodApi
    _probe: Probe
    _memo: Memo = field(default_factory=Memo)

    @property
    def name(self) -> str:
        return self.cluster.name

    @property
    def server(self) -> str:
        """URL of the API server, as this machine reaches it."""
        return self._api.server

    def date(self) -> str:
        """Return the API server's current time, as an HTTP header."""
        return self._api.date()

    def get(self, path: str, **query: str) -> Json:
        """The JSON at a path of the API server.

        Raises:
            UnansweredError: the server does not answer, or refuses.
        """
        # Do not wait again for a server that did not answer once.
        self._memo.get(("get", "/version"), lambda: self._api.get("/version"))
        return self._memo.get(("get", path, *query.items()), lambda: self._api.get(path, **query))

    def find(self, path: str) -> Json | None:
        """Return the same as `get`, or None if there is no such object."""
        try:
            return self.get(path)
        except UnansweredError as error:
            if error.status == 404:
                return None
            raise

    def items(self, path: str, **query: str) -> Sequence[Json]:
        """The objects of a list."""
        return cast("Sequence[Json]", self.get(path, **query)["items"])

    def pods(self, namespace: str = "", **query: str) -> Sequence[Json]:
        """Return the pods of one or all namespaces, without those that are being deleted."""
        path = f"/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/pods"
        return [p for p in self.items(path, **query) if "deletionTimestamp" not in p["metadata"]]

    def istio(self, kind: str, name: str = "") -> str:
        """Path of objects of the core group in Istio's namespace."""
        return f"/api/v1/namespaces/{self.namespace}/{kind}" + (f"/{name}" if name else "")

    def post(self, path: str, body: Json) -> Json:
        """Send an object and return the response; only for reviews and dry runs."""
        return self._api.post(path, body)

    def run(self, container: Container, *command: str) -> Ran:
        """Run a command in a container, once for all callers."""
        return self._memo.get(
            ("run", container, *command), lambda: self._api.run(container, *command)
        )

    def start_probe(self) -> None:
        """Start the pod from which paths are tested.

        Raises:
            UnansweredError: the pod does not start, with the reason.
        """
        self.get("/version")
        self._memo.get("probe", self._probe.start)

    def probe_run(self, *command: str) -> Ran:
        """Run a command in the probe."""
        self.start_probe()
        return self._memo.get(("probe", *command), lambda: self._probe.run(*command))

    def probe_tls(self, server: Server, root: str) -> Served:
        """Return the certificate that a server presents to the probe; see `PodApi.tls`."""
        self.start_probe()
        return self._memo.get(("tls", server, root), lambda: self._probe.tls(server, root))


@dataclass(frozen=True)
class Mesh:
    """The description of a mesh, and access to its clusters."""

    description: Description
    views: Mapping[str, View]
    """Clusters by name."""

    @property
    def spec(self) -> MeshSpec:
        return self.description.spec

    def others(self, view: View) -> Sequence[View]:
        return [v for v in self.views.values() if v.name != view.name]

    def control_plane_of(self, view: View) -> View:
        """Return the cluster whose istiod serves this one."""
        return self.views[self.spec.control_plane_of(view.cluster)]

    @classmethod
    @contextmanager
    def look_at(
        cls, description: Description, api_type: type[PodApi] = PodApi
    ) -> Generator["Mesh"]:
        """Connect to every cluster; the probes' Jobs are deleted at the end."""
        namespace = description.spec.mesh.istio.namespace
        with ExitStack() as stack:
            views = dict[str, View]()
            for cluster in description.spec.clusters:
                api = stack.enter_context(api_type.connect(description.kubeconfigs[cluster.name]))
                probe = Probe(api, namespace, description.spec.images)
                stack.callback(probe.remove)
                views[cluster.name] = View(cluster, namespace, api, probe)
            yield cls(description, views)
