"""The API servers that kubeconfigs lead to.

Credentials can be of any kind. istiod refuses those that run programs or read files (`exec`,
`tokenFile`, client-key files; istio/istio#12376), but a remote secret never holds the user's own:
it has the token of the cluster's reader account.
"""

import ipaddress
import socket
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

from kube.kubeconfig import Connection
from spec.mesh import Cluster, MeshSpec, cluster_path
from spec.problems import MISSING, Problem

_OWN_NAMES = ("ip6-localhost", "ip6-loopback", "kubernetes", "kubernetes.default")
_OWN_DOMAINS = (
    ".localhost",
    ".docker.internal",
    ".minikube.internal",
    ".kubernetes.default.svc",
    ".kubernetes.default.svc.cluster.local",
)
_SERVER = "https://<address that other clusters' pods reach>:6443"


def _api_servers_given_are_not_loopback(spec: MeshSpec) -> Iterator[Problem]:
    for path, cluster in spec.numbered():
        server = cluster.api_server.server
        if server is not None and _is_this_machine(server) and spec.callers_of(cluster):
            yield _unreachable(spec, f"{path}.apiServer.server", cluster, server)


def check_kubeconfigs(
    spec: MeshSpec,
    connections: Mapping[int, Connection],
    uids: Mapping[int, str] = MappingProxyType({}),
) -> Iterator[Problem]:
    """Report problems with the kubeconfigs of a mesh.

    Args:
        connections: how clusters are reached from here, by their index in `isthmus:clusters`.
        uids: UIDs of kube-system where known, to distinguish clusters behind one URL.
    """
    first: dict[tuple[str, str | None], int] = {}
    for i, connection in connections.items():
        cluster = spec.clusters[i]
        server = connection.server
        one = first.setdefault((server, connection.tls_server_name), i)
        # A proxy such as Teleport's has one URL for all clusters and goes by the user.
        different = one in uids and i in uids and uids[one] != uids[i]
        if one != i and not different:
            yield one_cluster_twice(spec, one, i, f"the same API server {server}")
        if connection.insecure:
            yield Problem(
                "api-server-unverified",
                f"{cluster_path(i)}.kubeconfig",
                "should not have `insecure-skip-tls-verify`",
                f"an attacker on the network path to {cluster.name} could read the credentials of "
                "the operator and of the reader's account",
                "put the API server's CA into the kubeconfig as `certificate-authority-data`",
                refuses=False,
            )
        if not spec.callers_of(cluster) or cluster.api_server.server is not None:
            continue
        if _is_this_machine(server):
            yield _unreachable(spec, f"{cluster_path(i)}.kubeconfig", cluster, server)
        elif connection.proxy is not None:
            yield Problem(
                "api-server-behind-proxy",
                f"{cluster_path(i)}.apiServer.server",
                "should be set, because the kubeconfig reaches the API server through a proxy",
                f"istiod of {_names(spec, cluster)} uses no proxy to {cluster.name}",
                f"set it to the URL that pods of {_names(spec, cluster)} reach, even if that is "
                f"{server}",
                refuses=False,
            )


def one_cluster_twice(spec: MeshSpec, first: int, second: int, how: str) -> Problem:
    """Two entries of the configuration are one cluster."""
    return Problem(
        "cluster-listed-twice",
        f"{cluster_path(second)}.context",
        f"must lead to another cluster than {spec.clusters[first].name} ({how})",
        "one cluster would be built twice, and each build would undo the other",
        "name another context or kubeconfig",
        spec.clusters[second].context or MISSING,
    )


def _unreachable(spec: MeshSpec, path: str, cluster: Cluster, server: str) -> Problem:
    i = spec.clusters.index(cluster)
    return Problem(
        "api-server-loopback",
        path,
        f"must lead to an address that other clusters reach: istiod of {_names(spec, cluster)} "
        f"watches {cluster.name}",
        "this address always means the local machine, so istiod would report the cluster as "
        "`timeout` (istio/istio#58047)",
        f"set {cluster_path(i)}.apiServer.server to {_SERVER}",
        server,
    )


def _names(spec: MeshSpec, cluster: Cluster) -> str:
    return ", ".join(c.name for c in spec.readers_of(cluster))


def _is_this_machine(url: str) -> bool:
    """Whether the URL leads to the machine that uses it; k3d writes 0.0.0.0."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host in _OWN_NAMES or f".{host}".endswith(_OWN_DOMAINS):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            address = ipaddress.IPv4Address(socket.inet_aton(host))  # 127.1, 0, 2130706433
        except OSError:
            return False
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    return address.is_loopback or address.is_unspecified


RULES = (_api_servers_given_are_not_loopback,)
