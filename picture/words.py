"""The texts of both forms of the picture."""

from collections.abc import Iterator

from components import names
from picture.state import State
from spec.mesh import Cluster, MeshSpec

CONTROL_PORT = names.XDS_PORT  # xDS and certificates; the webhooks' 15017 goes the same way

DIRECT = "within one network: pod to pod, mTLS"
CONTROL = f"to the control plane: configuration and certificates, port {CONTROL_PORT}"
SECRETS = "remote secret: istiod reads the endpoints of that cluster"

_PATHS = {
    "load-balancer": "load balancer",
    "internal-load-balancer": "internal load balancer",
    "pod-ip": "pod address",
}


def title(spec: MeshSpec) -> str:
    return f"Mesh {spec.mesh.id}"


def summary(spec: MeshSpec) -> str:
    clusters = _count(len(spec.clusters), "cluster")
    return f"{clusters} on {_count(len(spec.networks), 'network')}, Istio {spec.mesh.istio.version}"


def versions(spec: MeshSpec, cluster: Cluster, state: State) -> tuple[str, ...]:
    kubernetes = state.kubernetes.get(cluster.name)
    istio = f"Istio {spec.mesh.istio.version}"
    return (f"Kubernetes {kubernetes}", istio) if kubernetes else (istio,)


def between(spec: MeshSpec) -> str:
    return f"between networks: mTLS to port {spec.mesh.gateways.port} of the {gateway(spec)}"


def gateway(spec: MeshSpec) -> str:
    return "ingress gateway" if spec.mesh.gateways.pods == "ingress" else "east-west gateway"


def read_by(spec: MeshSpec, primary: Cluster) -> tuple[str, ...]:
    """Names of the clusters for which a primary's istiod holds remote secrets."""
    return tuple(c.name for c in spec.clusters if primary in spec.readers_of(c))


def how_it_finds_others(spec: MeshSpec, primary: Cluster) -> tuple[str, ...]:
    """Return how a primary's istiod finds other clusters; empty if there are none."""
    if spec.mesh.discovery == "entries":
        return ("entries lead to other clusters",)
    return ("remote secrets:",) if read_by(spec, primary) else ()


def path_to_control_plane(spec: MeshSpec, primary: Cluster) -> str:
    """Return the name of the path on which remotes reach a primary's control plane."""
    control_plane = spec.control_plane(primary)
    if control_plane is None:
        raise ValueError(f"{primary.name} has no remotes")
    return _PATHS.get(control_plane.exposure) or gateway(spec)


def entry_address(spec: MeshSpec, primary: Cluster, state: State) -> str | None:
    """Return the address at which remotes reach a primary's control plane, if it is known."""
    known = state.control_planes.get(primary.name)
    return known or (
        state.gateways.get(primary.name) if spec.exposes_control_plane(primary) else None
    )


def gateway_ports(spec: MeshSpec, cluster: Cluster) -> str:
    data, control = spec.spans_networks, spec.exposes_control_plane(cluster)
    ports = [spec.mesh.gateways.port] * data + [CONTROL_PORT] * control
    return f"port{'s' * (len(ports) > 1)} {', '.join(map(str, ports))}"


def failures(state: State) -> tuple[str, ...]:
    """Every failed part, whether or not the picture has a place for it."""
    return tuple(str(part) for part in sorted(state.failed))


def description(spec: MeshSpec, state: State) -> str:
    """The whole picture for those who do not see it."""
    return " ".join(sentences(spec, state))


def sentences(spec: MeshSpec, state: State) -> Iterator[str]:
    """Yield what the picture shows: networks, roles, gateways and failures."""
    by_name = {c.name: c for c in spec.clusters}
    for network in spec.networks:
        members = [c.name for c in spec.clusters if c.network == network]
        yield f"Network {network} has {_count(len(members), 'cluster')}: {', '.join(members)}."
    for cluster in spec.clusters:
        if cluster.primary:
            primary = by_name[cluster.primary]
            address = entry_address(spec, primary, state)
            yield (
                f"{cluster.name} is a remote of {primary.name}, whose istiod it reaches by the "
                f"{path_to_control_plane(spec, primary)}{f' at {address}' if address else ''}."
            )
        else:
            read = ", ".join(read_by(spec, cluster)) or "no other cluster"
            entries = "; entries lead to the others" * (spec.mesh.discovery == "entries")
            yield f"{cluster.name} is a primary; its istiod reads {read}{entries}."
        if spec.has_gateway(cluster):
            address = state.gateways.get(cluster.name)
            yield (
                f"{cluster.name} has an {gateway(spec)}{f' at {address}' if address else ''}, "
                f"{gateway_ports(spec, cluster)}."
            )
    for failure in failures(state):
        yield f"Failed: {failure}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
