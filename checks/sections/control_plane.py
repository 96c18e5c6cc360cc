"""istiod in the primaries, and the path to it from their remotes."""

from collections.abc import Iterator
from functools import partial
from itertools import product

from checks import istiod, paths
from checks.model import Check, Finding, failed, ok, primaries, remotes, skipped, warning
from checks.view import Mesh, View
from components import names
from kube.pods import UnreachedError
from picture.state import Part
from spec.support import described, end_of_istio

_PORTS = ("configuration and CA", "webhooks")
"""What `paths.ISTIOD_PORTS` are for."""


def _ready(_mesh: Mesh, view: View) -> Iterator[Finding]:
    pods = istiod.pods(view)
    ready = [p for p in pods if istiod.is_ready(p)]
    look = f"kubectl --context {view.name} -n {view.namespace} describe pod -l app=istiod"
    if not ready:
        why = "; ".join(istiod.waits_for(p) for p in pods) or "it has no pods"
        yield failed(
            f"no istiod is ready: {why}",
            f"{look}. Running proxies keep their last configuration, but no new pod is injected "
            "and no certificate is renewed",
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
        yield ok(f"Istio {found}{described(end_of_istio(found))}")
    else:
        yield failed(
            f"istiod has version {found}, but the stack has {wanted}",
            "another tool installs Istio here, or the update has not finished: kubectl --context "
            f"{view.name} -n {view.namespace} rollout status deploy/istiod, then `pulumi up`",
            Part("istiod", view.name),
        )


def _address(mesh: Mesh, view: View) -> Iterator[Finding]:
    """Check that a remote's Service `istiod` leads to its primary's control plane."""
    part, primary = Part("control-plane", view.name), mesh.control_plane_of(view)
    recorded = mesh.description.control_planes.get(primary.name)
    if view.find(view.istio("services", "istiod")) is None:
        yield failed(
            "the Service istiod does not exist",
            "webhooks and proxies of a remote find istiod by that name. `pulumi up --refresh` "
            "creates it",
            part,
        )
        return
    found = paths.endpoints(view, f"{view.namespace}/istiod")
    if not found:
        yield failed(
            "the Service istiod has no endpoints",
            "`pulumi up --refresh` creates its EndpointSlices, one of them by the chart istiod",
            part,
        )
        return
    known = mesh.description.addresses(primary.name)
    wanted = {f"{address}:{port}" for address in known for port in paths.ISTIOD_PORTS}
    if recorded and set(found) != wanted:
        yield failed(
            f"the Service istiod leads to {', '.join(sorted(found))}, but {primary.name}'s "
            f"control plane is at {', '.join(known)}",
            "`pulumi up --refresh` corrects the address",
            part,
        )
        return
    now = _where_it_is(mesh, primary)
    if recorded and now is not None and recorded not in now:
        yield failed(
            f"istiod of {primary.name} has moved from {recorded} to "
            f"{', '.join(now) or 'no address'}",
            "`pulumi up --refresh` writes the new address. The exposure pod-ip needs this whenever "
            "istiod's pod moves; the other exposures do not",
            part,
        )
    else:
        yield ok(f"leads to {primary.name} at {recorded or ', '.join(sorted(found))}")


def _where_it_is(mesh: Mesh, primary: View) -> list[str] | None:
    """Return the current addresses of a control plane from its cluster; None if unknown."""
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
    known = mesh.description.addresses(primary.name)
    if not known:
        yield skipped(f"the stack's outputs have no address of {primary.name}'s control plane")
    for address, (port, what) in product(known, zip(paths.ISTIOD_PORTS, _PORTS, strict=True)):
        try:
            view.probe_tls(paths.istiod_server(view, address, port), mesh.description.root)
        except UnreachedError as error:
            yield failed(
                f"{address}:{port} ({what}) from a pod: {error}",
                f"allow {view.name}'s nodes, and for 15017 its API server, to connect to "
                f"{address}, "
                f"TCP {port}. If a firewall allows it, see gateway-ready and istiod-ready of "
                f"{primary.name}",
                Part("control-plane", view.name),
            )
        else:
            yield ok(f"{address}:{port}")


_check = partial(Check, "control plane")

CHECKS = (
    _check(1101, "istiod-ready", "istiod is ready", _ready, primaries),
    _check(
        1102,
        "istiod-version",
        "istiod has the version of the stack",
        _version,
        primaries,
        ("istiod-ready",),
    ),
    _check(
        1103,
        "istiod-address",
        "remotes lead to their primary",
        _address,
        remotes,
    ),
    _check(
        1104,
        "istiod-reached",
        "pods of a remote reach its istiod",
        _reached,
        remotes,
        ("cluster-probe", "istiod-ready"),
    ),
)
