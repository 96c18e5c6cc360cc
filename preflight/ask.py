"""Queries to each cluster's API server, as the user of its kubeconfig.

If a query is refused or unanswered, the cluster is reported as unchecked in this point. The mesh is
refused if that is the cluster's identity, the owner of existing objects or the root of trust, and
if a cluster cannot be reached at all or does not know the user: its part of the mesh could neither
be previewed nor built.
"""

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network
from typing import TypeVar

from components import names
from kube.api import ClusterApi, CredentialsError, UnansweredError
from kube.kubeconfig import Connection
from preflight import (
    balancers,
    foreign,
    identity,
    marks,
    namespaces,
    network_gateways,
    own_names,
    practice,
)
from preflight.facts import ClusterFacts
from preflight.identity import Expected
from preflight.kubeconfigs import shown
from preflight.permissions import (
    GRANTING,
    NEEDED,
    Permission,
    cannot_grant,
    is_granted,
    lacking,
)
from spec.mesh import Cluster, MeshSpec, cluster_path
from spec.problems import Problem
from spec.rules import certificates, versions
from spec.rules.ranges import IpNetwork

T = TypeVar("T")

_CACERTS = "a cacerts of another owner"
_OWNERSHIP = {
    "an Istio of another owner": foreign.istio,
    _CACERTS: foreign.cacerts,
    "CRDs and releases of another owner": foreign.releases,
}
_IDENTITY, _MARKS, _ROOT = "its identity", "its marks", "its root of trust"
_NEEDED_ANSWERS = frozenset({*_OWNERSHIP, _IDENTITY, _MARKS, _ROOT, "existing namespaces"})
"""Without answers to these queries, no existing object in a cluster is adopted."""
PAUSES_SECONDS = (0.5, 2.0)
"""Between the tries to reach an API server."""
_AT_ONCE = 6
"""Connections to one API server: most of a question's time is spent on the way."""
_PODS = "50"
_NODES = "50"
"""Nodes whose ranges are read. Two clusters with the same range share its first addresses."""


@dataclass(frozen=True)
class Answers:
    """Answers of one cluster."""

    facts: ClusterFacts
    problems: tuple[Problem, ...] = ()
    unchecked: str = ""
    """The queries that it did not answer, with the reasons."""


def ask(
    spec: MeshSpec, index: int, cluster: Cluster, connection: Connection, expected: Expected
) -> Answers:
    """Send all queries to one cluster.

    Args:
        index: the cluster's, in `isthmus:clusters`.
        expected: what the stack knows of its mesh.
    """
    try:
        with ClusterApi.connect(connection.kubeconfig) as api:
            return _ask(spec, index, cluster, connection, expected, api)
    except CredentialsError as error:
        return _silent(index, cluster, connection, str(error))


def _silent(index: int, cluster: Cluster, connection: Connection, why: str) -> Answers:
    facts, path = ClusterFacts(connection, None), cluster_path(index)
    if cluster.unchecked == "accept":
        return Answers(facts, (), f"anything ({why})")
    return Answers(facts, (_unknown_owner(path, cluster, {"anything": why}),))


def _ask(
    spec: MeshSpec,
    index: int,
    cluster: Cluster,
    connection: Connection,
    expected: Expected,
    api: ClusterApi,
) -> Answers:
    path, istio = cluster_path(index), spec.mesh.istio
    owner = identity.owner(expected.stack, cluster)
    try:
        version = _version(api)
    except CredentialsError:
        raise
    except UnansweredError as error:
        return _unanswered(error, index, cluster, connection)
    unchecked: dict[str, str] = {}

    def answer(what: str, question: Callable[[], T]) -> T | None:
        try:
            return question()
        except UnansweredError as error:
            unchecked[what] = str(error)
            return None

    def allowed(permission: Permission) -> bool | None:
        return answer("permissions", lambda: is_granted(api, permission, istio.namespace))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        uid = pool.submit(answer, _IDENTITY, lambda: _uid(api))
        marked = pool.submit(answer, _MARKS, lambda: marks.read(api, istio.namespace))
        pods = pool.submit(
            answer, "ranges of its pods", lambda: _pod_ranges(spec, path, cluster, api)
        )
        nodes = pool.submit(answer, "its nodes", lambda: _has_several_nodes(spec, api))
        root = pool.submit(answer, _ROOT, lambda: _root(api, istio.namespace, owner))
        existing = pool.submit(
            answer,
            "existing namespaces",
            lambda: namespaces.look(
                api,
                path,
                cluster,
                wanted=own_names.of(spec, cluster),
                stack=owner,
                last=expected.last,
            ),
        )
        others = [
            pool.submit(answer, what, lambda question=question: list(question()))
            for what, question in _questions(spec, path, cluster, api, owner).items()
        ]
        wanted = (*NEEDED, *GRANTING)
        denied = [
            p for p, yes in zip(wanted, pool.map(allowed, wanted), strict=True) if yes is False
        ]
    problems = list(versions.check_kubernetes(istio.version, version, f"{path}.kubeconfig"))
    problems += [p for other in others for p in other.result() or ()]
    known = existing.result() or namespaces.Existing()
    problems += known.problems
    unknown = unchecked.keys() & _NEEDED_ANSWERS
    if unknown and cluster.unchecked != "accept":
        problems.append(_unknown_owner(path, cluster, {x: unchecked[x] for x in unknown}))
    if missing := [p for p in denied if p in NEEDED]:
        problems.append(lacking(missing, path, cluster.name, istio.namespace))
    elif denied:
        problems.append(cannot_grant(denied, path, cluster.name))
    return Answers(
        ClusterFacts(
            connection,
            version,
            uid.result(),
            pods.result() or (),
            several_nodes=nodes.result() is not False,
            marks=marked.result(),
            adoptable=not unknown,
            root=root.result(),
            adopted=known.adopted,
        ),
        tuple(problems),
        ", ".join(f"{what} ({why})" for what, why in unchecked.items()),
    )


def _version(api: ClusterApi) -> str:
    """The version, after more tries: one lost packet must not stop an update of thirty clusters.

    Raises:
        UnansweredError: of the last try.
    """
    for pause in (*PAUSES_SECONDS, None):
        try:
            return str(api.get("/version")["gitVersion"]).removeprefix("v")
        except UnansweredError as error:
            if error.status is not None or isinstance(error, CredentialsError) or pause is None:
                raise
            time.sleep(pause)
    raise AssertionError("the last try returns or raises")


def _unanswered(
    error: UnansweredError, index: int, cluster: Cluster, connection: Connection
) -> Answers:
    facts, path = ClusterFacts(connection, None), cluster_path(index)
    if error.status == 401:
        name = "credentials-refused"
        rule = f"must hold credentials that cluster {cluster.name} accepts ({error})"
        fix = "renew them, or log in again; `kubectl auth whoami` must work"
    elif error.status is None:
        name = "api-server-unreachable"
        rule = f"the API server {connection.server} of cluster {cluster.name} must answer ({error})"
        fix = (
            "start the cluster, correct the address, or connect to its network (in the lab: make "
            f"up). To update the other clusters meanwhile: {path}.absent: true, or "
            f"ISTHMUS_ABSENT={cluster.name} for one command"
        )
    else:
        return _silent(index, cluster, connection, str(error))
    reason = "Isthmus can neither preview nor build its part of the mesh"
    value = shown(cluster.kubeconfig or "{}")
    return Answers(facts, (Problem(name, f"{path}.kubeconfig", rule, reason, fix, value),))


def _unknown_owner(path: str, cluster: Cluster, unanswered: Mapping[str, str]) -> Problem:
    said = ", ".join(f"{what} ({why})" for what, why in sorted(unanswered.items()))
    return Problem(
        "ownership-unknown",
        f"{path}.kubeconfig",
        f"cluster {cluster.name} must say what exists there; it did not answer about {said}",
        "objects of another owner or another mesh would be overwritten, the root that its proxies "
        "trust too, and all of it would be deleted with the mesh",
        f"use credentials that can read it, or set {path}.unchecked to accept",
    )


def _questions(
    spec: MeshSpec, path: str, cluster: Cluster, api: ClusterApi, owner: str
) -> Mapping[str, Callable[[], Iterable[Problem]]]:
    """Return queries whose answers are problems, by topic."""
    namespace = spec.mesh.istio.namespace
    asked: dict[str, Callable[[], Iterable[Problem]]] = {
        question: lambda found=found: found(api, path, namespace, owner)
        for question, found in _OWNERSHIP.items()
    }
    asked["what stops pods from starting"] = lambda: practice.obstacles(api, path, spec, cluster)
    if spec.mesh.ca.external:
        del asked[_CACERTS]
    if spec.spans_networks:
        asked["other gateways"] = lambda: network_gateways.labelled(api, path, spec)
    control_plane = spec.control_plane(cluster)
    own_balancer = control_plane and control_plane.has_load_balancer
    if spec.has_gateway(cluster) or own_balancer:
        asked["load balancers"] = lambda: balancers.pending(api, path, cluster.name)
    return asked


def is_marked(connection: Connection, namespace: str) -> bool:
    """Whether a cluster was seen to be in the mesh of an Isthmus stack."""
    try:
        with ClusterApi.connect(connection.kubeconfig) as api:
            return marks.read(api, namespace).stack is not None
    except UnansweredError:
        return False


def _uid(api: ClusterApi) -> str:
    uid = (api.metadata("/api/v1/namespaces/kube-system") or {}).get("uid")
    if not uid:
        raise UnansweredError(None, "its namespace kube-system has no UID")
    return uid


def _has_several_nodes(spec: MeshSpec, api: ClusterApi) -> bool:
    if spec.mesh.redundant is not None:
        return False  # nothing depends on it
    return len(api.get("/api/v1/nodes", limit="2")["items"]) > 1


def _root(api: ClusterApi, namespace: str, owner: str) -> str | None:
    """The root that istiod has given to the proxies of the owner's mesh; None if it has not yet."""
    if marks.read(api, namespace).stack != owner:
        return None
    path = f"/api/v1/namespaces/{namespace}/configmaps/{names.ROOT_CONFIG_MAP}"
    try:
        data = api.get(path).get("data") or {}
    except UnansweredError as error:
        if error.status == 404:
            return None
        raise
    if not certificates.read_pem(found := str(data.get("root-cert.pem", ""))):
        raise UnansweredError(None, f"its ConfigMap {names.ROOT_CONFIG_MAP} has no certificate")
    return found


def _pod_ranges(
    spec: MeshSpec, path: str, cluster: Cluster, api: ClusterApi
) -> tuple[IpNetwork, ...]:
    """What its nodes have, where other clusters are on its network and nothing is configured."""
    alone = len(spec.mesh_networks[cluster.network]) == 1
    if alone or cluster.ranges.pods:
        return ()
    nodes = api.get("/api/v1/nodes", limit=_NODES)["items"]
    ranges = [ip_network(text) for node in nodes for text in node["spec"].get("podCIDRs") or ()]
    if nodes and not ranges:  # as on EKS, where pods have addresses of the VPC
        raise UnansweredError(None, f"its nodes have none; set {path}.ranges.pods")
    if ranges and (stranger := _pod_elsewhere(api, ranges)):
        # Calico and Cilium have an address management of their own (projectcalico/calico#2592).
        raise UnansweredError(
            None,
            f"its pods are not in its nodes' ranges, {stranger} is one; set {path}.ranges.pods",
        )
    both = (
        collapse_addresses(r for r in ranges if isinstance(r, IPv4Network)),
        collapse_addresses(r for r in ranges if isinstance(r, IPv6Network)),
    )
    return tuple(itertools.chain(*both))


def _pod_elsewhere(api: ClusterApi, ranges: Sequence[IpNetwork]) -> str | None:
    """Address of a pod that is in none of the ranges."""
    pods = api.get("/api/v1/pods", limit=_PODS, fieldSelector="status.phase=Running")["items"]
    addresses = [
        pod["status"]["podIP"]
        for pod in pods
        if not pod["spec"].get("hostNetwork") and pod["status"].get("podIP")
    ]
    return next((a for a in addresses if not any(ip_address(a) in r for r in ranges)), None)
