"""Endpoints that a proxy has for shared Services, compared with the pods in the clusters."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from checks import istiod, paths
from checks.model import Check, Finding, between_networks, failed, ok, skipped, warning
from checks.sections.proxies import sidecar
from checks.view import Json, Mesh, View
from components import names
from kube.api import UnansweredError
from kube.pods import Container
from picture.state import Part


@dataclass(frozen=True)
class _Host:
    """An endpoint as Envoy uses it."""

    healthy: bool
    weight: int
    """Its part of the requests, compared with the others of the same priority."""
    priority: int
    """Requests go to the healthy hosts with the lowest one."""


_Hosts = Mapping[str, _Host]
"""Hosts of one Service by address and port."""


def _endpoints(mesh: Mesh, view: View) -> Iterator[Finding]:
    services = paths.services(mesh)
    if not services:
        yield skipped("no Service is shared: isthmus:sample and isthmus:services are empty")
        return
    caller = _caller(mesh, view)
    if caller is None:
        yield skipped("no workload with a sidecar runs here, so there is no proxy to query")
        return
    for service, _, found in _asked(mesh, view, caller):
        yield from _compared(mesh, view, service, found)


def _weights(mesh: Mesh, view: View) -> Iterator[Finding]:
    """Compare how requests are divided among clusters with how many pods each has."""
    caller = _caller(mesh, view)
    if caller is None:
        yield skipped("no workload with a sidecar runs here, so there is no proxy to query")
        return
    for service, port, found in _asked(mesh, view, caller):
        if found is not None:
            yield from _divided(
                mesh, view, f"{service}:{port}", _places(mesh, view, service, found)
            )


def _asked(mesh: Mesh, view: View, caller: Container) -> Iterator[tuple[str, int, _Hosts | None]]:
    """Return the hosts that a proxy has for each port of each shared Service, or None."""
    known = _known(view, caller)
    for service, ports in paths.services(mesh).items():
        namespace, _, name = service.partition("/")
        for port in ports:
            host = names.host(name, namespace)
            yield service, port, known.get(f"outbound|{port}||{host}")


@dataclass(frozen=True)
class _Share:
    """What a cluster has, and gets, of one Service."""

    cluster: str
    pods: int
    weight: int
    """Of all addresses that lead to these pods."""


def _places(mesh: Mesh, view: View, service: str, found: _Hosts) -> Mapping[int, Sequence[_Share]]:
    """Return what each cluster has of a Service, by the priority of its hosts."""
    shares = defaultdict[int, list[_Share]](list)
    for there in mesh.views.values():
        try:
            ready = paths.endpoints(there, service)
        except UnansweredError:
            continue
        behind = there is not view and paths.is_behind_gateway(mesh, view, there)
        leads = _gateways(mesh, there) if behind else ready
        hosts = [found[address] for address in leads if address in found]
        pods = len({address.rpartition(":")[0] for address in ready})
        # Pods of one cluster have several priorities where zones matter. No sum describes those.
        if pods and len({h.priority for h in hosts}) == 1:
            weight = sum(h.weight for h in hosts)
            shares[hosts[0].priority].append(_Share(there.name, pods, weight))
    return shares


def _divided(
    mesh: Mesh, view: View, service: str, places: Mapping[int, Sequence[_Share]]
) -> Iterator[Finding]:
    fair = True
    for shares in places.values():
        most = max(s.weight / s.pods for s in shares)
        pods, weight = sum(s.pods for s in shares), sum(s.weight for s in shares)
        for share in shares:
            if share.weight / share.pods < most:
                fair = False
                yield warning(
                    f"{service}: {share.cluster} has {share.pods} of {pods} pods, but gets "
                    f"{share.weight / weight:.0%} of the requests",
                    _remedy(mesh),
                    Part("traffic", view.name, share.cluster),
                )
    if fair:
        yield ok(f"{service}: each cluster gets its part")


def _remedy(mesh: Mesh) -> str:
    if mesh.spec.mesh.discovery == "entries":
        return "`pulumi up` weights the entries by the pods that are ready then"
    return (
        "of pods in several zones, istiod counts only those in the first zone by name "
        "(istio/istio#56355): keep most of them there, or, in a mesh of primaries, set "
        "`isthmus:mesh: {discovery: entries}`, whose weights count all. If one of the pods has "
        "just started, run the checks again"
    )


def _compared(mesh: Mesh, view: View, service: str, found: _Hosts | None) -> Iterator[Finding]:
    """Compare the endpoints of a Service with what a proxy has."""
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
        if not any(a in found and found[a].healthy for a in addresses):
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


def _known(view: View, caller: Container) -> Mapping[str, _Hosts]:
    """Envoy's clusters by name, and their hosts."""
    ran = view.run(caller, "pilot-agent", "request", "GET", "clusters?format=json")
    try:
        statuses: Sequence[Json] = json.loads(ran.stdout)["cluster_statuses"]
    except (json.JSONDecodeError, KeyError):
        raise UnansweredError(None, f"the proxy of {caller.pod}: {ran.stderr.strip()}") from None
    return {s["name"]: dict(map(_host, s.get("host_statuses", []))) for s in statuses}


def _host(status: Mapping[str, Any]) -> tuple[str, _Host]:
    socket = status["address"].get("socket_address", {})
    health = status.get("health_status", {})
    healthy = health.get("eds_health_status") == "HEALTHY" and not health.get(
        "failed_outlier_check", False
    )
    # Envoy leaves out what is zero.
    host = _Host(healthy, int(status.get("weight", 0)), int(status.get("priority", 0)))
    return f"{socket.get('address')}:{socket.get('port_value')}", host


_check = partial(Check, "endpoints")

CHECKS = (
    _check(1701, "endpoints", "proxies know local pods and remote gateways", _endpoints),
    _check(
        1702,
        "endpoint-weights",
        "each cluster gets requests as it has pods",
        _weights,
        between_networks,
        ("endpoints",),
    ),
)
