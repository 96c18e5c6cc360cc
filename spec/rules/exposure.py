"""Who can reach the load balancers of the mesh."""

from collections.abc import Iterator, Mapping

from spec.mesh import Cluster, MeshSpec
from spec.problems import Problem

_REASON = (
    "istiod's CA, its configuration and its webhooks, or every service of the mesh, can be reached "
    "from the internet if the cloud gives a public address"
)


def _gateways_are_not_open_to_everyone(spec: MeshSpec) -> Iterator[Problem]:
    gateways = spec.mesh.gateways
    if gateways.source_ranges or gateways.cloud:
        return
    open_to_all = [
        c.name
        for c in spec.clusters
        if spec.has_gateway(c)
        and not c.gke
        and not _is_internal({**gateways.annotations, **c.gateway.annotations})
    ]
    if open_to_all:
        yield Problem(
            "load-balancer-open",
            "isthmus:mesh.gateways.sourceRanges",
            "should restrict the gateways' load balancers, which neither sourceRanges nor cloud "
            f"does in: {', '.join(open_to_all)}",
            _REASON,
            "list the ranges that other clusters call from, or set cloud to gke, aks or eks for "
            "internal load balancers",
            refuses=False,
        )


def _control_planes_are_not_open_to_everyone(spec: MeshSpec) -> Iterator[Problem]:
    for path, cluster in spec.numbered():
        control_plane = spec.control_plane(cluster)
        if (
            control_plane is not None
            and control_plane.exposure == "load-balancer"
            and not control_plane.source_ranges
            and not cluster.gke
            and not _is_internal(control_plane.annotations)
        ):
            yield Problem(
                "load-balancer-open",
                f"{path}.controlPlane.sourceRanges",
                f"should restrict the load balancer of {cluster.name}'s control plane",
                _REASON,
                "list the ranges that its remotes call from, or set exposure to "
                "internal-load-balancer",
                refuses=False,
            )


def _is_internal(annotations: Mapping[str, str]) -> bool:
    """Whether a cloud's annotation asks for an internal load balancer, in whatever words."""
    return any(
        "internal" in f"{key} {value}".lower() and value.lower() != "false"
        for key, value in annotations.items()
    )


def _advertised_addresses_are_known_to_istiod(spec: MeshSpec) -> Iterator[Problem]:
    for cluster_path, cluster in spec.numbered():
        path = f"{cluster_path}.gateway.address"
        if cluster.gateway.address is None:
            continue
        value = str(cluster.gateway.address)
        if spec.mesh.gateways.announced_by == "labels" and spec.mesh.discovery == "endpoints":
            yield Problem(
                "gateway-address-not-announced",
                path,
                "needs isthmus:mesh.gateways.announcedBy: mesh-networks",
                "a label lets istiod find the load balancer's own address only",
                "set announcedBy to mesh-networks, or remove the address",
                value,
            )
        if others := [c.name for c in _on_its_network(spec, cluster) if not c.gateway.address]:
            yield Problem(
                "gateway-address-not-announced",
                path,
                f"must be set for every cluster of the network {cluster.network}, and "
                f"{', '.join(others)} has none",
                "istiod would also use the addresses of load balancers that others cannot reach",
                "set gateway.address there too",
                value,
            )


def _on_its_network(spec: MeshSpec, cluster: Cluster) -> list[Cluster]:
    return [c for c in spec.clusters if c.network == cluster.network]


RULES = (
    _gateways_are_not_open_to_everyone,
    _control_planes_are_not_open_to_everyone,
    _advertised_addresses_are_known_to_istiod,
)
