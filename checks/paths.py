"""Which ways lead from one cluster to another, and what is at their ends."""

import socket
from collections.abc import Mapping, Sequence

from checks.view import Mesh, View
from components import names
from kube.api import UnansweredError
from kube.pods import Server

ISTIOD_PORTS = (names.XDS_PORT, names.WEBHOOK_PORT)
"""At which remotes reach a control plane: xDS and CA, webhooks."""


def gateway_name(mesh: Mesh) -> str:
    """Return the name of the gateways' Services and Deployments."""
    return names.GATEWAYS[mesh.spec.mesh.gateways.pods]


def gateway_address(mesh: Mesh, view: View) -> str:
    """Return the address of a cluster's gateway: from the stack, or else from its Service."""
    recorded = mesh.description.gateways.get(view.name)
    return recorded or (load_balancer(view, gateway_name(mesh)) or [""])[0]


def load_balancer(view: View, service: str) -> Sequence[str]:
    """Addresses of a Service of Istio's namespace; none if it has none or is not there.

    A host name is given as the addresses that it leads to, and as itself if it leads nowhere.
    """
    found = view.find(view.istio("services", service)) or {}
    ingress = found.get("status", {}).get("loadBalancer", {}).get("ingress", [])
    return [a for i in ingress for a in ([i["ip"]] if i.get("ip") else _resolved(i["hostname"]))]


def is_behind_gateway(mesh: Mesh, view: View, there: View) -> bool:
    """Whether `view` reaches pods of the cluster `there` through a gateway."""
    return there.cluster.network != view.cluster.network or mesh.spec.mesh.discovery == "entries"


def gateway_addresses(mesh: Mesh, view: View) -> frozenset[str]:
    """Return all addresses that istiod can have for a cluster's gateway."""
    recorded = mesh.description.gateways.get(view.name)
    return frozenset([*load_balancer(view, gateway_name(mesh)), *([recorded] if recorded else [])])


def gateway_server(mesh: Mesh, view: View, name: str) -> Server:
    """Return the server behind a cluster's gateway for a name from `sni_of_a_service`."""
    return Server(gateway_address(mesh, view), mesh.spec.mesh.gateways.port, name, "istio")


def istiod_server(view: View, host: str, port: int) -> Server:
    """Return istiod as a server, under the name that pods of a cluster use."""
    return Server(host, port, f"istiod.{view.namespace}.svc", "h2")


def peers_behind_gateways(mesh: Mesh, view: View) -> Sequence[View]:
    """Return the clusters that pods of this one reach through a gateway."""
    return [
        v
        for v in mesh.others(view)
        if mesh.spec.has_gateway(v.cluster) and is_behind_gateway(mesh, view, v)
    ]


def gateways_used(mesh: Mesh, view: View) -> Sequence[View]:
    """Return `peers_behind_gateways`, and the primary if its gateway leads to the control plane."""
    found = list(peers_behind_gateways(mesh, view))
    primary = mesh.control_plane_of(view)
    if (
        primary is not view
        and primary not in found
        and mesh.spec.exposes_control_plane(primary.cluster)
    ):
        found.append(primary)
    return found


def services(mesh: Mesh) -> Mapping[str, Sequence[int]]:
    """Ports of the Services that every cluster has, by `namespace/name`."""
    own = {f"{names.SAMPLE_NAMESPACE}/{names.SAMPLE_SERVICE}": [names.SAMPLE_PORT]}
    return {**mesh.description.services, **(own if mesh.description.versions else {})}


def namespaces(mesh: Mesh) -> Mapping[str, Mapping[str, str]]:
    """Labels about injection of the namespaces that every cluster has, by name."""
    own = {names.SAMPLE_NAMESPACE: {names.INJECTION: "enabled"}}
    return {**mesh.description.namespaces, **(own if mesh.description.versions else {})}


def endpoints(view: View, service: str) -> Sequence[str]:
    """Return addresses and ports of a Service's ready pods in this cluster."""
    namespace, _, name = service.partition("/")
    slices = view.items(
        f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices",
        labelSelector=f"kubernetes.io/service-name={name}",
    )
    return [
        f"{address}:{port['port']}"
        for s in slices
        for e in s.get("endpoints") or []
        if e.get("conditions", {}).get("ready", True)
        for address in e["addresses"]
        for port in s.get("ports") or []
    ]


def sni_of_a_service(mesh: Mesh, view: View) -> str | None:
    """Return an SNI that a cluster's gateway forwards to a pod; None if no service has pods."""
    for service, ports in services(mesh).items():
        if _runs_in(view, service):
            namespace, _, name = service.partition("/")
            return f"outbound_.{ports[0]}_._.{names.host(name, namespace)}"
    return None


def _runs_in(view: View, service: str) -> bool:
    """Whether a cluster has pods for a Service, or does not answer."""
    try:
        return bool(endpoints(view, service))
    except UnansweredError:
        return True


def _resolved(hostname: str) -> Sequence[str]:
    try:
        found = socket.getaddrinfo(hostname, None, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return [hostname]
    return sorted({str(address[0]) for *_, address in found})
