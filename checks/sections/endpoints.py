"""Endpoints that a proxy has for shared Services, compared with the pods in the clusters."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from checks import istiod, paths
from checks.model import Check, Finding, failed, ok, skipped
from checks.sections.proxies import sidecar
from checks.view import Json, Mesh, View
from components import names
from kube.api import UnansweredError
from kube.pods import Container
from picture.state import Part


def _endpoints(mesh: Mesh, view: View) -> Iterator[Finding]:
    services = paths.services(mesh)
    if not services:
        yield skipped("no Service is shared: isthmus:sample and isthmus:services are empty")
        return
    caller = _caller(mesh, view)
    if caller is None:
        yield skipped("no workload with a sidecar runs here, so there is no proxy to query")
        return
    known = _known(view, caller)
    for service, ports in services.items():
        namespace, _, name = service.partition("/")
        for port in ports:
            found = known.get(f"outbound|{port}||{name}.{namespace}.{names.CLUSTER_DOMAIN}")
            yield from _compared(mesh, view, service, found)


def _compared(
    mesh: Mesh, view: View, service: str, found: Mapping[str, bool] | None
) -> Iterator[Finding]:
    """Compare the endpoints of a Service; `found` maps a proxy's addresses to their health."""
    wanted, silent = _wanted(mesh, view, service)
    if found is None:
        yield failed(
            f"the proxy does not know {service}",
            "a Sidecar object hides it, or the Service does not exist: see same-services",
            Part("cluster", view.name),
        )
        return
    well = True
    for addresses, cluster in wanted:
        if not any(found.get(a, False) for a in addresses):
            well = False
            shown = " or ".join(sorted(addresses)) or "a gateway without an address"
            known = any(a in found for a in addresses)
            state = "which is unhealthy" if known else "which the proxy does not know"
            yield failed(
                f"{service} runs in {cluster} at {shown}, {state}",
                _hint(mesh, view, cluster),
                Part("traffic", view.name, cluster),
            )
    strange = found.keys() - {a for addresses, _ in wanted for a in addresses}
    if mesh.spec.mesh.discovery == "entries":
        # Entries exist for all configured clusters, even if no pods run there yet.
        strange -= {a for there in mesh.others(view) for a in _gateways(mesh, there)}
    for address in sorted(strange) if not silent else ():
        well = False
        yield failed(
            f"the proxy has {address} for {service}, which is neither a pod here nor a gateway",
            "it sends requests to pods of another network, or of a cluster that is gone. See "
            "gateway-service, same-network and remote-secret; then proxy-identity",
            Part("traffic", view.name, view.name),
        )
    if silent:
        yield skipped(f"{service}: it is unknown whether it runs in {', '.join(silent)}")
    elif well:
        yield ok(f"{service}: {', '.join(sorted(found)) or 'no pods'}")


def _hint(mesh: Mesh, view: View, cluster: str) -> str:
    control_plane = mesh.spec.control_plane_of(view.cluster)
    if cluster == view.name:
        return f"istiod of {control_plane} does not watch {cluster}: see remote-registry"
    if mesh.spec.mesh.discovery == "entries":
        return f"`pulumi up --refresh` writes the entry for the gateway of {cluster} again"
    return (
        f"istiod of {control_plane} must watch {cluster} (remote-registry) and know its gateway "
        f"(gateway-service), and the pods there need sidecars (proxy-missing of {cluster})"
    )


_Place = tuple[frozenset[str], str]
"""Alternative addresses, and the cluster that they lead to."""


def _wanted(mesh: Mesh, view: View, service: str) -> tuple[Sequence[_Place], Sequence[str]]:
    """Return where a cluster must find a Service's pods, and which clusters did not answer."""
    wanted, silent = list[_Place](), list[str]()
    for there in mesh.views.values():
        if there is not view and mesh.spec.is_local(*service.split("/")):
            continue
        try:
            pods = paths.endpoints(there, service)
            if there is view or not paths.is_behind_gateway(mesh, view, there):
                wanted += [(frozenset([pod]), there.name) for pod in pods]
            elif pods:
                wanted.append((_gateways(mesh, there), there.name))
        except UnansweredError:
            silent.append(there.name)
    return wanted, silent


def _gateways(mesh: Mesh, there: View) -> frozenset[str]:
    port = mesh.spec.mesh.gateways.port
    return frozenset(f"{address}:{port}" for address in paths.gateway_addresses(mesh, there))


def _caller(mesh: Mesh, view: View) -> Container | None:
    """The sidecar of a ready pod in a shared namespace."""
    for namespace in paths.namespaces(mesh):
        for pod in view.pods(namespace):
            if istiod.is_ready(pod) and sidecar(pod) is not None:
                return Container(namespace, str(pod["metadata"]["name"]), names.PROXY)
    return None


def _known(view: View, caller: Container) -> Mapping[str, Mapping[str, bool]]:
    """Envoy's clusters by name, and their hosts: address → whether healthy."""
    ran = view.run(caller, "pilot-agent", "request", "GET", "clusters?format=json")
    try:
        statuses: Sequence[Json] = json.loads(ran.stdout)["cluster_statuses"]
    except (json.JSONDecodeError, KeyError):
        raise UnansweredError(None, f"the proxy of {caller.pod}: {ran.stderr.strip()}") from None
    return {s["name"]: dict(map(_host, s.get("host_statuses", []))) for s in statuses}


def _host(status: Mapping[str, Any]) -> tuple[str, bool]:
    socket = status["address"].get("socket_address", {})
    health = status.get("health_status", {})
    healthy = health.get("eds_health_status") == "HEALTHY" and not health.get(
        "failed_outlier_check", False
    )
    return f"{socket.get('address')}:{socket.get('port_value')}", healthy


_check = partial(Check, "endpoints")

CHECKS = (_check(1701, "endpoints", "proxies know local pods and remote gateways", _endpoints),)
