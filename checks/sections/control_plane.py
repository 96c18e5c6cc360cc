"""istiod in the primaries, and the way to it from their remotes."""

from collections.abc import Iterator

from checks import istiod, paths
from checks.api import UnreachedError
from checks.model import Check, Finding, failed, ok, primaries, remotes, skipped, warning
from checks.view import Mesh, View
from components import names
from picture.state import Part


def _ready(_mesh: Mesh, view: View) -> Iterator[Finding]:
    pods = istiod.pods(view)
    ready = [p for p in pods if istiod.is_ready(p)]
    look = f"kubectl --context {view.name} -n {view.namespace} describe pod -l app=istiod"
    if not ready:
        why = "; ".join(istiod.waits_for(p) for p in pods) or "it has no pods"
        yield failed(
            f"no istiod is ready: {why}",
            f"{look}. Running proxies go on with what they know; no new pod is injected, and no "
            "certificate renewed",
            Part("istiod", view.name),
        )
    elif len(ready) < len(pods):
        why = "; ".join(istiod.waits_for(p) for p in pods if not istiod.is_ready(p))
        yield warning(f"{len(ready)} of {len(pods)} pods are ready: {why}", look)
    else:
        yield ok(f"{len(ready)} pod{'s' * (len(ready) != 1)}")


def _version(mesh: Mesh, view: View) -> Iterator[Finding]:
    wanted, found = mesh.spec.mesh.istio.version, istiod.version(view)
    if found == wanted:
        yield ok(f"Istio {found}")
    else:
        yield failed(
            f"istiod is {found}, where the stack has {wanted}",
            "someone else installs Istio here, or the update has not ended: kubectl --context "
            f"{view.name} -n {view.namespace} rollout status deploy/istiod, then `pulumi up`",
            Part("istiod", view.name),
        )


def _address(mesh: Mesh, view: View) -> Iterator[Finding]:
    """A remote's Service leads where its primary's control plane is."""
    part, primary = Part("control-plane", view.name), mesh.control_plane_of(view)
    told = mesh.description.control_planes.get(primary.name)
    if view.find(view.istio("services", "istiod")) is None:
        yield failed(
            "the Service istiod is not there",
            "webhooks and proxies of a remote look for istiod by that name; `pulumi up --refresh` "
            "makes it",
            part,
        )
        return
    found = paths.endpoints(view, f"{view.namespace}/istiod")
    if not found:
        yield failed(
            "the Service istiod leads nowhere: it has no endpoints",
            "`pulumi up --refresh` makes its EndpointSlice, which the chart istiod has with "
            "remotePilotAddress",
            part,
        )
        return
    wanted = {f"{told}:{port}" for port in paths.ISTIOD_PORTS}
    if told and set(found) != wanted:
        yield failed(
            f"the Service istiod leads to {', '.join(sorted(found))}, and {primary.name}'s "
            f"control plane is at {told}",
            "`pulumi up --refresh` passes the address on",
            part,
        )
        return
    now = _where_it_is(mesh, primary)
    if told and now is not None and told not in now:
        yield failed(
            f"istiod of {primary.name} has moved from {told} to {', '.join(now) or 'nowhere'}",
            "`pulumi up --refresh` passes the new address on. Of the ways to expose a control "
            "plane, pod-ip is the one that does not outlive a pod",
            part,
        )
    else:
        yield ok(f"leads to {primary.name} at {told or ', '.join(sorted(found))}")


def _where_it_is(mesh: Mesh, primary: View) -> list[str] | None:
    """Addresses of a control plane as its cluster tells now; None if it does not."""
    control_plane = mesh.spec.control_plane(primary.cluster)
    match control_plane and control_plane.exposure:
        case "pod-ip":
            return [str(p["status"].get("podIP")) for p in istiod.pods(primary)]
        case "gateway":
            return list(paths.load_balancer(primary, paths.gateway_name(mesh)))
        case "load-balancer" | "internal-load-balancer":
            return list(paths.load_balancer(primary, names.REMOTE_SERVICE))
        case _:
            return None


def _reached(mesh: Mesh, view: View) -> Iterator[Finding]:
    primary = mesh.control_plane_of(view)
    address = mesh.description.control_planes.get(primary.name)
    if address is None:
        yield skipped(f"the stack does not tell where {primary.name}'s control plane is reached")
        return
    for port, what in zip(paths.ISTIOD_PORTS, ("configuration and CA", "webhooks"), strict=True):
        try:
            view.probe_tls(paths.istiod_server(view, address, port), mesh.description.root)
        except UnreachedError as error:
            yield failed(
                f"{address}:{port} ({what}) from a pod: {error}",
                f"let {view.name}'s nodes, and for 15017 its API server, in to {address}, TCP "
                f"{port}; if that is open, see gateway-ready and istiod-ready of {primary.name}",
                Part("control-plane", view.name),
            )
        else:
            yield ok(f"{address}:{port}")


CHECKS = (
    Check(1101, "istiod-ready", "control plane", "istiod is ready", _ready, primaries),
    Check(
        1102,
        "istiod-version",
        "control plane",
        "istiod has the version of the stack",
        _version,
        primaries,
        ("istiod-ready",),
    ),
    Check(
        1103,
        "istiod-address",
        "control plane",
        "remotes are led to their primary",
        _address,
        remotes,
    ),
    Check(
        1104,
        "istiod-reached",
        "control plane",
        "pods of a remote reach its istiod",
        _reached,
        remotes,
        ("cluster-probe", "istiod-ready"),
    ),
)
