"""A mesh as the checks see it: what was meant, and each cluster, where everything is read once."""

from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeVar, cast

from checks.api import Container, PodApi, Ran, Served, Server
from checks.probe import Probe
from kube.api import UnansweredError
from spec.description import Description
from spec.mesh import Cluster, MeshSpec

Json = Mapping[str, Any]
_T = TypeVar("_T")


class Memo:
    """Remembers the answer for each key, also a failure. Threads that want the same key wait."""

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
    """One cluster."""

    cluster: Cluster
    namespace: str
    """Istio's."""
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
        """The API server's clock, as a header of HTTP, asked now."""
        return self._api.date()

    def get(self, path: str, **query: str) -> Json:
        """The JSON at a path of the API server.

        Raises:
            UnansweredError: the server is not there, or refuses.
        """
        # A server that did not answer once is not waited for again.
        self._memo.get(("get", "/version"), lambda: self._api.get("/version"))
        return self._memo.get(("get", path, *query.items()), lambda: self._api.get(path, **query))

    def find(self, path: str) -> Json | None:
        """The same, and None for what is not there."""
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
        """Pods of a namespace, or of all, less those on their way out."""
        path = f"/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/pods"
        return [p for p in self.items(path, **query) if "deletionTimestamp" not in p["metadata"]]

    def istio(self, kind: str, name: str = "") -> str:
        """Path of objects of the core group in Istio's namespace."""
        return f"/api/v1/namespaces/{self.namespace}/{kind}" + (f"/{name}" if name else "")

    def post(self, path: str, body: Json) -> Json:
        """The answer to an object that is sent; used for reviews and dry runs only."""
        return self._api.post(path, body)

    def run(self, container: Container, *command: str) -> Ran:
        """Run a command in a container, once for all who ask for the same."""
        return self._memo.get(
            ("run", container, *command), lambda: self._api.run(container, *command)
        )

    def start_probe(self) -> None:
        """Start the pod from which ways are tried.

        Raises:
            UnansweredError: it does not start, with the reason.
        """
        self.get("/version")
        self._memo.get("probe", self._probe.start)

    def probe_run(self, *command: str) -> Ran:
        """Run a command in the probe."""
        self.start_probe()
        return self._memo.get(("probe", *command), lambda: self._probe.run(*command))

    def probe_tls(self, server: Server, root: str) -> Served:
        """The certificate that a server shows to the probe; see `PodApi.tls`."""
        self.start_probe()
        return self._memo.get(("tls", server, root), lambda: self._probe.tls(server, root))


@dataclass(frozen=True)
class Mesh:
    """What was meant, and what there is."""

    description: Description
    views: Mapping[str, View]
    """By name of the cluster."""

    @property
    def spec(self) -> MeshSpec:
        return self.description.spec

    def others(self, view: View) -> Sequence[View]:
        return [v for v in self.views.values() if v.name != view.name]

    def control_plane_of(self, view: View) -> View:
        """The cluster whose istiod serves this one."""
        return self.views[self.spec.control_plane_of(view.cluster)]

    @classmethod
    @contextmanager
    def look_at(
        cls, description: Description, api_type: type[PodApi] = PodApi
    ) -> Generator["Mesh"]:
        """Connect to every cluster; what was made to look is removed at the end."""
        namespace = description.spec.mesh.istio.namespace
        with ExitStack() as stack:
            views = dict[str, View]()
            for cluster in description.spec.clusters:
                api = stack.enter_context(api_type.connect(description.kubeconfigs[cluster.name]))
                probe = Probe(api, namespace, description.spec.images)
                stack.callback(probe.remove)
                views[cluster.name] = View(cluster, namespace, api, probe)
            yield cls(description, views)
