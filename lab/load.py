"""Requests from every cluster of a mesh to every version of its sample, every one counted.

In each cluster a pod has one `curl` for each version and kind of connection. Each version has its
own Services and routes, with Istio's retries off: two retries are its default, which hide outages.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Literal, NamedTuple, Self

from kubernetes.client import ApiException, CoreV1Api, CustomObjectsApi

from components import names
from lab.cluster import Cluster, ClusterError

Connections = Literal["new", "kept"]
"""`new`: each request has its own connections, from the caller to its proxy and from there on."""

ANY = "any"
"""In place of a version: whichever answers. Its Services have no DestinationRule, so the mesh's own
holds, and only connections to the caller's proxy are new."""
_POD = "load"
_KINDS: tuple[Connections, ...] = ("new", "kept")
_RATE = "12/s"
"""Of each stream: together more than 20 requests a second from each cluster to each version."""
_SECONDS = 30
"""A request that takes longer has failed; a shorter bound would count a busy machine as an outage.
The next request waits for it, so the longest gap shows a slow answer as well."""
_PATIENCE_SECONDS = 180
_ANSWER = "Hello version: "
_GOOD = "200 0"


class Stream(NamedTuple):
    """Requests of one kind."""

    caller: str
    """Cluster that the requests come from."""
    version: str
    """Version of `helloworld` that they are for, or ANY."""
    connections: Connections


@dataclass(frozen=True)
class Result:
    """What became of a stream's requests."""

    requests: int
    failures: Counter[str]
    """How many failed, by HTTP status or, without a whole answer, by `curl` and its exit status."""
    gap: float
    """Longest time without a successful request, in seconds."""
    answers: Mapping[str, int]
    """How many answers came from each version, which names the cluster."""


@dataclass(frozen=True)
class Report:
    """The results of all streams."""

    streams: Mapping[Stream, Result]

    @property
    def requests(self) -> int:
        return sum(r.requests for r in self.streams.values())

    @property
    def failures(self) -> Counter[str]:
        """All failures, by kind."""
        return sum((r.failures for r in self.streams.values()), Counter[str]())

    @property
    def failed(self) -> int:
        return self.failures.total()

    @property
    def gap(self) -> float:
        """Longest time in which a stream had no successful request, in seconds."""
        return max(r.gap for r in self.streams.values())

    def __str__(self) -> str:
        lines = [
            f"{s.caller} to {s.version}, {s.connections} connections: {r.requests} requests, "
            f"failed {dict(r.failures) or 0}, longest gap {r.gap:.1f} s, answers {dict(r.answers)}"
            for s, r in self.streams.items()
        ]
        return "\n".join(lines)


@dataclass
class Load:
    """Requests from when the context is entered, when each stream has had an answer, to its end.

    It lives in the namespace of the sample, which must be in every cluster. Clusters without
    automatic injection have no caller.
    """

    clusters: Sequence[Cluster]
    versions: Sequence[str]
    primaries: Sequence[str]
    """Names of the clusters where istiod reads routes."""
    _since: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def mark(self) -> None:
        """Let the next report begin here."""
        self._since = datetime.now(UTC)

    def report(self, since: datetime | None = None) -> Report:
        """The requests since then; since the load began, or the last mark, if left out."""
        since, until = since or self._since, datetime.now(UTC)
        streams = dict[Stream, Result]()
        for cluster in self.clusters:
            core = CoreV1Api(cluster.client())
            for stream in self._streams(cluster.name):
                streams[stream] = result(_lines(_log(core, stream)), since, until)
        return Report(streams)

    def stop(self) -> None:
        """Delete everything that was created for the load."""
        for cluster in self.clusters:
            client = cluster.client()
            core, custom = CoreV1Api(client), CustomObjectsApi(client)
            space = names.SAMPLE_NAMESPACE
            _if_there(core.delete_namespaced_pod, _POD, space, grace_period_seconds=0)
            for service in self._services():
                _if_there(core.delete_namespaced_service, service, space)
                if cluster.name in self.primaries:
                    for kind in ("virtualservices", "destinationrules"):  # ANY has no rule
                        _if_there(custom.delete_namespaced_custom_object, *_istio(kind), service)

    def _start(self) -> None:
        for cluster in self.clusters:
            client = cluster.client()
            core, custom = CoreV1Api(client), CustomObjectsApi(client)
            addresses = dict[tuple[str, Connections], str]()
            for version in self.versions:
                for connections in _KINDS:
                    service = _service(version, connections)
                    created: Any = core.create_namespaced_service(names.SAMPLE_NAMESPACE, service)
                    addresses[version, connections] = created.spec.cluster_ip
                    if cluster.name in self.primaries:
                        name = service["metadata"]["name"]
                        for kind, rule in _rules(name, version, connections).items():
                            custom.create_namespaced_custom_object(*_istio(kind), rule)
            core.create_namespaced_pod(names.SAMPLE_NAMESPACE, self._pod(cluster.name, addresses))
        deadline = time.monotonic() + _PATIENCE_SECONDS
        for cluster in self.clusters:
            core = CoreV1Api(cluster.client())
            for stream in self._streams(cluster.name):
                while not any(said == _GOOD for _, said in _lines(_log(core, stream))):
                    if time.monotonic() > deadline:
                        raise ClusterError(
                            f"{stream.caller}: no request to {stream.version} succeeded in "
                            f"{_PATIENCE_SECONDS} s; look at: kubectl --context {stream.caller} "
                            f"-n {names.SAMPLE_NAMESPACE} describe pod {_POD}"
                        )
                    time.sleep(0.5)
        self.mark()

    def _streams(self, caller: str) -> Iterator[Stream]:
        return (Stream(caller, v, c) for v in self.versions for c in _KINDS)

    def _services(self) -> Iterator[str]:
        return (_name(v, c) for v in self.versions for c in _KINDS)

    def _pod(self, caller: str, addresses: Mapping[tuple[str, Connections], str]) -> Any:
        return {
            "metadata": {"name": _POD, "labels": {"app": _POD}},
            "spec": {
                "terminationGracePeriodSeconds": 1,
                "automountServiceAccountToken": False,
                "containers": [
                    {
                        "name": _name(stream.version, stream.connections),
                        "image": names.CLIENT_IMAGE,
                        "command": _curl(stream, addresses[stream.version, stream.connections]),
                    }
                    for stream in self._streams(caller)
                ],
            },
        }


def result(lines: Iterable[tuple[datetime, str]], since: datetime, until: datetime) -> Result:
    """Count the lines of a stream's log in a span of time."""
    within = [(at, said) for at, said in lines if since <= at <= until]
    answers = Counter(
        said.removeprefix(_ANSWER).partition(",")[0]
        for _, said in within
        if said.startswith(_ANSWER)
    )
    ends = [(at, said) for at, said in within if said[:3].isdigit()]
    failures = Counter(
        f"curl {said[4:]}" if said[:3] in ("000", "200") else said[:3]
        for _, said in ends
        if said != _GOOD
    )
    good = [since, *(at for at, said in ends if said == _GOOD), until]
    gap = max((b - a).total_seconds() for a, b in pairwise(good))
    return Result(len(ends), failures, gap, answers)


def _curl(stream: Stream, address: str) -> Sequence[str]:
    host = names.host(_name(stream.version, stream.connections), names.SAMPLE_NAMESPACE)
    return [
        *("curl", "--silent", "--no-buffer", "--rate", _RATE, "--max-time", str(_SECONDS)),
        # To standard error, which has no buffer, so that the node's timestamp is that of the end.
        *("--write-out", "%{stderr}%{http_code} %{exitcode}\n"),
        *(("--header", "Connection: close") if stream.connections == "new" else ()),
        # Looked up by the load, so that it measures the mesh and not the cluster's DNS server.
        *("--resolve", f"{host}:{names.SAMPLE_PORT}:{address}"),
        f"http://{host}:{names.SAMPLE_PORT}/hello?[1-1000000000]",
    ]


def _name(version: str, connections: Connections) -> str:
    return f"{_POD}-{version}-{connections}"


def _service(version: str, connections: Connections) -> Any:
    one = {} if version == ANY else {"version": version}
    return {
        "metadata": {"name": _name(version, connections)},
        "spec": {
            "selector": {"app": names.SAMPLE_SERVICE, **one},
            "ports": [{"name": "http", "port": names.SAMPLE_PORT}],
        },
    }


def _rules(name: str, version: str, connections: Connections) -> dict[str, dict[str, Any]]:
    """Istio's objects for a Service, by their plural."""
    host = names.host(name, names.SAMPLE_NAMESPACE)
    metadata = {"name": name}
    route = {"route": [{"destination": {"host": host}}], "retries": {"attempts": 0}}
    most = {"maxRequestsPerConnection": 1 if connections == "new" else 0}
    without_retries = {
        "virtualservices": {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": metadata,
            "spec": {"hosts": [host], "http": [route]},
        }
    }
    if version == ANY:
        return without_retries
    return without_retries | {
        "destinationrules": {
            "apiVersion": "networking.istio.io/v1",
            "kind": "DestinationRule",
            "metadata": metadata,
            "spec": {"host": host, "trafficPolicy": {"connectionPool": {"http": most}}},
        },
    }


def _istio(plural: str) -> tuple[str, str, str, str]:
    return "networking.istio.io", "v1", names.SAMPLE_NAMESPACE, plural


def _log(core: CoreV1Api, stream: Stream) -> str:
    """The log of a stream's container; empty before it runs."""
    try:
        return core.read_namespaced_pod_log(
            _POD,
            names.SAMPLE_NAMESPACE,
            container=_name(stream.version, stream.connections),
            timestamps=True,
        )
    except ApiException as error:
        if error.status == 400:  # the container is not running yet
            return ""
        raise


def _lines(log: str) -> Iterator[tuple[datetime, str]]:
    for line in log.splitlines():
        at, _, said = line.partition(" ")
        if said:
            yield datetime.fromisoformat(at), said


def _if_there(delete: Any, *arguments: Any, **options: Any) -> None:
    try:
        delete(*arguments, **options)
    except ApiException as error:
        if error.status != 404:
            raise
