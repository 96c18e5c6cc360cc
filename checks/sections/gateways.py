"""The gateways between networks, and the paths to them."""

from collections.abc import Iterator
from functools import partial

from checks import istiod, paths
from checks.model import Check, Finding, between_networks, failed, ok, warning, with_gateway
from checks.view import Mesh, View
from components import names
from kube.pods import UnreachedError
from picture.state import Part
from spec.mesh import Cluster, MeshSpec

_KUBERNETES_GATEWAYS = "/apis/gateway.networking.k8s.io/v1/gateways"


def _ready(mesh: Mesh, view: View) -> Iterator[Finding]:
    name = paths.gateway_name(mesh)
    pods = view.pods(view.namespace, labelSelector=f"app={name}")
    unready = [p for p in pods if not istiod.is_ready(p)]
    why = "; ".join(istiod.waits_for(p) for p in unready) or "it has no pods"
    look = f"kubectl --context {view.name} -n {view.namespace} describe pod -l app={name}"
    if len(unready) == len(pods):
        stuck = any(c["image"] == "auto" for p in pods for c in p["spec"]["containers"])
        label = _label_against_injection(view) if stuck else None
        yield failed(
            f"no pod of {name} is ready: {why}",
            f"the label {label} of namespace {view.namespace} excludes it from injection. "
            f"Remove it: kubectl --context {view.name} label namespace {view.namespace} {label}-; "
            "then delete the pod"
            if label
            else "it was created before the injector answered, so it has no image. Delete it: "
            f"kubectl --context {view.name} -n {view.namespace} delete pod -l app={name}"
            if stuck
            else look,
            Part("gateway", view.name),
        )
    elif unready:
        yield warning(f"{len(unready)} of {len(pods)} pods are not ready: {why}", look)
    else:
        yield ok(f"{name}: {len(pods)} pod{'s' * (len(pods) != 1)}")


def _label_against_injection(view: View) -> str | None:
    """Key of the label by which the injector passes over pods of Istio's namespace."""
    namespace = view.find(f"/api/v1/namespaces/{view.namespace}") or {"metadata": {}}
    labels = namespace["metadata"].get("labels", {})
    if labels.get(names.INJECTION) == "disabled":
        return names.INJECTION
    return names.REVISION if labels.get(names.REVISION, "default") != "default" else None


def _service(mesh: Mesh, view: View) -> Iterator[Finding]:
    part, name = Part("gateway", view.name), paths.gateway_name(mesh)
    service = view.find(view.istio("services", name))
    if service is None:
        yield failed(f"the Service {name} does not exist", "`pulumi up --refresh` creates it", part)
        return
    addresses = paths.load_balancer(view, name)
    recorded = mesh.description.gateways.get(view.name)
    labels, gateways = service["metadata"].get("labels", {}), mesh.spec.mesh.gateways
    if not addresses:
        yield failed(
            f"the Service {name} has no address",
            "no other network can reach this cluster. The Service's events have the cloud's "
            f"reason: kubectl --context {view.name} -n {view.namespace} describe service {name}",
            part,
        )
    elif recorded and recorded not in addresses:
        yield failed(
            f"the address is {', '.join(addresses)}, but was {recorded} at the last update",
            "remotes and entries still lead to the old address. `pulumi up --refresh` writes the "
            "new one",
            part,
        )
    else:
        yield ok(f"{addresses[0]}")
    if gateways.announced_by == "labels":
        wanted = {names.NETWORK: view.cluster.network}
        if gateways.port != names.GATEWAY_PORT:
            wanted[names.LISTENER_PORT] = str(gateways.port)
        for label, value in wanted.items():
            if labels.get(label) != value:
                yield failed(
                    f"the label {label} of the Service {name} is {labels.get(label)!r}, not "
                    f"{value!r}",
                    "istiod reads from it which network is behind the gateway, so other clusters "
                    "send this one no traffic, or the wrong traffic. `pulumi up --refresh` sets it",
                    part,
                )


def _alone(mesh: Mesh, view: View) -> Iterator[Finding]:
    found = [*_labelled_services(mesh, view), *_labelled_gateways(view)]
    yield from found or [ok("nothing else has the label")]


def _labelled_services(mesh: Mesh, view: View) -> Iterator[Finding]:
    for service in view.items("/api/v1/services", labelSelector=names.NETWORK):
        metadata = service["metadata"]
        if (metadata["namespace"], metadata["name"]) == (view.namespace, paths.gateway_name(mesh)):
            continue
        yield failed(
            f"the Service {metadata['namespace']}/{metadata['name']} also has the label "
            f"{names.NETWORK}={metadata['labels'][names.NETWORK]}",
            "istiod sends traffic of other networks to every Service with that label, and this one "
            "does not accept it (istio/istio#54909). Remove the label: kubectl --context "
            f"{view.name} -n {metadata['namespace']} label service {metadata['name']} "
            f"{names.NETWORK}-",
            Part("gateway", view.name),
        )


def _labelled_gateways(view: View) -> Iterator[Finding]:
    """istiod takes addresses from the spec alone; other Gateways have a Service with the label."""
    for gateway in (view.find(_KUBERNETES_GATEWAYS) or {}).get("items", []):
        metadata, addresses = gateway["metadata"], gateway["spec"].get("addresses", [])
        network = metadata.get("labels", {}).get(names.NETWORK)
        if network and addresses:
            yield failed(
                f"the Kubernetes Gateway {metadata['namespace']}/{metadata['name']} has the label "
                f"{names.NETWORK}={network}, and leads to "
                f"{', '.join(str(a.get('value')) for a in addresses)}",
                "istiod sends traffic for this network there too, beside the mesh's own gateways. "
                f"Remove the label: kubectl --context {view.name} -n {metadata['namespace']} label "
                f"gateways.gateway.networking.k8s.io {metadata['name']} {names.NETWORK}-",
                Part("gateway", view.name),
            )


def _health(mesh: Mesh, view: View) -> Iterator[Finding]:
    for there in paths.gateways_used(mesh, view):
        address = paths.gateway_address(mesh, there)
        host = f"[{address}]" if ":" in address else address
        url = f"http://{host}:{names.STATUS_PORT}/healthz/ready"
        ran = view.probe_run(
            *("curl", "-sS", "--max-time", "5", "-o", "/dev/null", "-w", "%{http_code}", url)
        )
        if ran.stdout == "200":
            yield ok(f"{there.name} at {address}")
        else:
            reason = ran.stderr.strip() or f"HTTP status {ran.stdout}"
            yield failed(
                f"{url} (of {there.name}): {reason}",
                "the load balancer checks the gateway's health there, and sends it no traffic if "
                f"that fails. See gateway-ready of {there.name}. If that passes, a firewall is in "
                f"between: allow {view.name}'s nodes to connect to {address}, TCP 15021 and "
                f"{mesh.spec.mesh.gateways.port}",
                Part("gateway", there.name),
            )


def _port(mesh: Mesh, view: View) -> Iterator[Finding]:
    port = mesh.spec.mesh.gateways.port
    for there in paths.peers_behind_gateways(mesh, view):
        address, name = paths.gateway_address(mesh, there), paths.sni_of_a_service(mesh, there)
        try:
            view.probe_tls(
                paths.gateway_server(mesh, there, name or "none.local"), mesh.description.root
            )
        except UnreachedError as error:
            # The gateway closes a connection without a target. So it is reachable.
            if name is None and not error.said:
                yield ok(f"{there.name} at {address}:{port}; no service is behind it yet")
                continue
            yield failed(
                f"{address}:{port} (of {there.name}), SNI {name}: {error}",
                f"if it does not answer, a firewall is in between: allow {view.name}'s nodes to "
                f"connect to {address}, TCP {port}. If it closes the connection, the Gateway "
                "cross-network-gateway is missing or wrong in "
                f"{mesh.control_plane_of(there).name}, istiod there does not watch {there.name} "
                "(remote-registry), or the pods behind it have no sidecar",
                # A gateway that closes the connection is reachable, but does not know the name.
                Part("gateway", there.name)
                if error.said
                else Part("traffic", view.name, there.name),
            )
        else:
            yield ok(f"{there.name} at {address}:{port}")


def _has_status_ports(spec: MeshSpec, cluster: Cluster) -> bool:
    """Whether pods of a cluster use another cluster's gateway, and it reports its health."""
    if not spec.mesh.gateways.status_port:
        return False
    exposed = [p for p in spec.primaries if p.name == cluster.primary]
    return spec.spans_networks or any(map(spec.exposes_control_plane, exposed))


_check = partial(Check, "gateways")

CHECKS = (
    _check(1401, "gateway-ready", "gateway is ready", _ready, with_gateway),
    _check(
        1402,
        "gateway-service",
        "the Service has an address and the network label",
        _service,
        with_gateway,
    ),
    _check(1403, "gateway-label", "no other Service or Gateway claims the network", _alone),
    _check(
        1404,
        "gateway-health",
        "pods reach the other gateways' health port",
        _health,
        _has_status_ports,
        ("cluster-probe",),
    ),
    _check(
        1405,
        "gateway-port",
        "pods reach services through the other gateways",
        _port,
        between_networks,
        ("cluster-probe",),
    ),
)
