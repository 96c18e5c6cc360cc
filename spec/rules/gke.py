"""Clusters that the stack creates on Google Cloud."""

from collections.abc import Iterator

from spec.gke import Gke
from spec.gke_network import vpc_of
from spec.mesh import Cluster, MeshSpec
from spec.problems import Problem

_LONGEST_NAME = 24
"""A service account's ID has at most 30 characters; ours is the cluster's name plus `-nodes`."""
_LONGEST_POOL = 31
"""A node pool's name has at most 40 characters, and Pulumi adds nine."""


def gke_clusters(spec: MeshSpec) -> Iterator[tuple[str, Cluster, Gke]]:
    """Clusters that the stack creates, each with its path and settings."""
    for path, cluster in spec.numbered():
        if cluster.gke is not None:
            yield path, cluster, cluster.gke


def _clusters_exist_or_are_created(spec: MeshSpec) -> Iterator[Problem]:
    for path, cluster in spec.numbered():
        if cluster.gke is None and cluster.kubeconfig is None:
            yield Problem(
                "cluster-has-no-source",
                f"{path}.kubeconfig",
                "is required, or gke",
                "Isthmus must know where the cluster is, or how to create it",
                "set kubeconfig for an existing cluster, or gke to create one",
            )
        for key in ("kubeconfig", "context"):
            if cluster.gke is not None and getattr(cluster, key) is not None:
                yield Problem(
                    "gke-with-connection",
                    f"{path}.{key}",
                    f"cannot be set where gke is, and {cluster.name} has both",
                    "Google Cloud reports how a cluster that the stack creates is reached",
                    f"remove {key}, or remove gke if the cluster exists",
                )


def _google_cloud_is_configured_where_it_is_used(spec: MeshSpec) -> Iterator[Problem]:
    paths = [path for path, _, _ in gke_clusters(spec)]
    if paths and spec.gcp is None:
        yield Problem(
            "gcp-missing",
            "isthmus:gcp",
            f"is required, because {paths[0]}.gke creates a cluster",
            "a cluster needs a project, and ranges that nothing else uses",
            "set isthmus:gcp with project and ranges",
        )
    if not paths and spec.gcp is not None:
        yield Problem(
            "gcp-unused",
            "isthmus:gcp",
            "is set, but no cluster has gke",
            "it would have no effect",
            "remove it, or add gke to a cluster",
        )


def _charts_are_releases(spec: MeshSpec) -> Iterator[Problem]:
    if spec.mesh.istio.install == "rendered" and any(gke_clusters(spec)):
        yield Problem(
            "gke-needs-releases",
            "isthmus:mesh.istio.install",
            "must be release if a cluster has gke",
            "rendering a chart queries its cluster, which does not exist in the first preview "
            "(pulumi-kubernetes, provider_construct.go)",
            "set it to release",
            spec.mesh.istio.install,
        )


def _names_fit(spec: MeshSpec) -> Iterator[Problem]:
    taken = dict[str, str]()
    for path, cluster, gke in gke_clusters(spec):
        if len(cluster.name) > _LONGEST_NAME or not cluster.name[0].isalpha():
            yield Problem(
                "gke-name-too-long",
                f"{path}.name",
                f"must begin with a letter and have at most {_LONGEST_NAME} characters",
                "names of resources on Google Cloud contain it",
                "choose a shorter name",
                cluster.name,
            )
        names = [p.name for p in gke.node_pools]
        for j, name in enumerate(names):
            here = f"{path}.gke.nodePools[{j}].name"
            if name in names[:j]:
                yield Problem(
                    "gke-pool-repeated",
                    here,
                    "must be unique in the cluster",
                    "it identifies the pool",
                    "rename one of the two",
                    name,
                )
            other = taken.setdefault(f"{cluster.name}-{name}", cluster.name)
            if other != cluster.name:
                yield Problem(
                    "gke-pool-repeated",
                    here,
                    f"must not be that of a pool of cluster {other}, with the clusters' names: "
                    f"both would be {cluster.name}-{name}",
                    "it identifies the pool in the stack",
                    "rename one of the two",
                    name,
                )
            if len(f"{cluster.name}-{name}") > _LONGEST_POOL:
                yield Problem(
                    "gke-pool-name-too-long",
                    here,
                    f"must have at most {_LONGEST_POOL} characters, with the cluster's name",
                    "the pool's name on Google Cloud contains both",
                    "choose a shorter name",
                    name,
                )


def _modes_have_their_own_settings(spec: MeshSpec) -> Iterator[Problem]:
    for path, cluster, gke in gke_clusters(spec):
        if gke.mode == "autopilot":
            for key, value in (("nodePools", gke.node_pools), ("zones", gke.zones)):
                if value:
                    yield Problem(
                        "gke-autopilot-setting",
                        f"{path}.gke.{key}",
                        f"cannot be set for an Autopilot cluster, which {cluster.name} is",
                        "Autopilot creates its nodes itself, in every zone of the region",
                        f"remove {key}, or set mode to standard",
                    )
        for j, zone in enumerate(gke.zones):
            if not zone.startswith(f"{gke.region}-"):
                yield Problem(
                    "gke-zone-of-another-region",
                    f"{path}.gke.zones[{j}]",
                    f"must be a zone of {gke.region}",
                    "a cluster's nodes are in its region",
                    f"use a zone such as {gke.region}-b",
                    zone,
                )
        for j, pool in enumerate(gke.node_pools):
            if pool.max_nodes < pool.min_nodes:
                yield Problem(
                    "gke-pool-limits",
                    f"{path}.gke.nodePools[{j}].maxNodes",
                    f"must be at least minNodes, which is {pool.min_nodes}",
                    "a pool starts with minNodes nodes",
                    "raise maxNodes, or lower minNodes",
                    pool.max_nodes,
                )


def _one_network_is_one_vpc(spec: MeshSpec) -> Iterator[Problem]:
    first: dict[str, Cluster] = {}
    for path, cluster, _ in gke_clusters(spec):
        other = first.setdefault(cluster.network, cluster)
        if vpc_of(other) != vpc_of(cluster):
            yield Problem(
                "gke-network-has-two-vpcs",
                f"{path}.gke.vpc",
                f"must be the VPC of {other.name}, {vpc_of(other)}: both are on the network "
                f"{cluster.network}",
                "pods of one network call each other directly, and routes end at the VPC",
                "name the same VPC, or give each cluster its own network, with gateways",
                vpc_of(cluster),
            )


def _load_balancers_are_google_clouds(spec: MeshSpec) -> Iterator[Problem]:
    for path, cluster, _ in gke_clusters(spec):
        cloud = cluster.control_plane and cluster.control_plane.cloud
        if cloud not in (None, "gke"):
            yield Problem(
                "gke-control-plane-cloud",
                f"{path}.controlPlane.cloud",
                "must be gke for a cluster on GKE",
                "with another cloud's annotations the load balancer would be on the internet",
                "remove it",
                cloud,
            )


def _given_vpcs_are_used(spec: MeshSpec) -> Iterator[Problem]:
    used = {vpc_of(c) for _, c, _ in gke_clusters(spec)}
    for i, vpc in enumerate(spec.gcp.vpcs if spec.gcp else ()):
        if vpc.name not in used:
            yield Problem(
                "gke-vpc-unused",
                f"isthmus:gcp.vpcs[{i}].name",
                "must be the VPC of a cluster",
                "Isthmus would create new VPCs for the clusters, and not use this one",
                f"remove it, or name one of: {', '.join(sorted(used)) or 'none'}",
                vpc.name,
            )


RULES = (
    _clusters_exist_or_are_created,
    _google_cloud_is_configured_where_it_is_used,
    _charts_are_releases,
    _names_fit,
    _modes_have_their_own_settings,
    _one_network_is_one_vpc,
    _load_balancers_are_google_clouds,
    _given_vpcs_are_used,
)
