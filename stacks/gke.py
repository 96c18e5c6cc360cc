"""Components for the clusters on Google Cloud.

Only a mesh with such clusters imports this, because pulumi_gcp is slow to import.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_gcp
from pydantic.alias_generators import to_camel

from components.gke_cluster import GkeCluster, GkeClusterArgs
from components.gke_networks import GkeNetworks
from spec.gke import GoogleCloud
from spec.gke_network import NetworkPlan, settings, vpc_of
from spec.gke_ranges import KINDS
from spec.mesh import Cluster, MeshSpec


@dataclass(frozen=True)
class GkeClusters:
    """The created clusters, for the rest of the program."""

    plan: NetworkPlan
    networks: GkeNetworks
    clusters: Mapping[str, GkeCluster]
    """By name."""

    def needed_in(self, name: str) -> list[pulumi.Resource]:
        """Resources that must exist before any object in a cluster, and until all of them are gone:
        nodes, NAT, firewall, and peerings, which cannot be deleted while a load balancer exists."""
        return [self.networks, self.clusters[name]]

    def server(self, reader: Cluster, cluster: Cluster) -> pulumi.Output[str]:
        """URL at which one cluster's pods reach the API server of another, created one."""
        gke = self.clusters[cluster.name]
        return gke.private_server if self.is_near(reader, cluster) else gke.named_server

    def is_near(self, reader: Cluster, cluster: Cluster) -> bool:
        """Whether the reader reaches the API server's private address."""
        return self.plan.same_vpc(reader, cluster)

    def describe(self, cluster: Cluster) -> Mapping[str, str | Mapping[str, str]]:
        """Place and ranges for the stack's outputs; users can copy ranges to pin them."""
        ranges = self.plan.ranges[cluster.name]
        return {
            "region": settings(cluster).region,
            "vpc": vpc_of(cluster),
            "ranges": {to_camel(kind): ranges[kind] for kind in KINDS},
        }

    def login(self, cluster: Cluster) -> Sequence[str]:
        """Commands that create a context with the cluster's name."""
        project, region = self.plan.cloud.project, settings(cluster).region
        return [
            f"gcloud container clusters get-credentials {cluster.name} --location {region} "
            f"--project {project} --dns-endpoint",
            f"kubectl config rename-context gke_{project}_{region}_{cluster.name} {cluster.name}",
        ]


def create_clusters(
    spec: MeshSpec, cloud: GoogleCloud, former_ids: Sequence[str] = ()
) -> GkeClusters:
    """Create the clusters and their VPCs.

    Args:
        former_ids: IDs that the mesh had in earlier updates.
    """
    plan = NetworkPlan(spec, cloud)
    provider = pulumi_gcp.Provider("gcp", project=cloud.project)
    opts = pulumi.ResourceOptions(provider=provider)
    # The name was the mesh's ID once, and the ID can be edited.
    former = [pulumi.Alias(name=name) for name in dict.fromkeys((*former_ids, spec.mesh.id))]
    networks = GkeNetworks(
        "networks",
        {
            "project": cloud.project,
            "new_vpcs": [vpc for vpc in plan.vpcs if not plan.existing_vpc(vpc)],
            "existing_vpcs": [vpc for vpc in plan.vpcs if plan.existing_vpc(vpc)],
            "peered": cloud.peering,
        },
        pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(aliases=former)),
    )
    clusters = {
        c.name: GkeCluster(c.name, _arguments(plan, c, networks), opts) for c in plan.clusters
    }
    return GkeClusters(plan, networks, clusters)


def _arguments(plan: NetworkPlan, cluster: Cluster, networks: GkeNetworks) -> GkeClusterArgs:
    gke, ranges = settings(cluster), plan.ranges
    own = ranges[cluster.name]
    args: GkeClusterArgs = {
        "project": plan.cloud.project,
        "region": gke.region,
        "mesh_id": plan.spec.mesh.id,
        "network": networks.ids[vpc_of(cluster)],
        "ranges": {
            "nodes": own["nodes"],
            "pods": own["pods"],
            "services": own["services"],
            "control_plane": own["control_plane"],
        },
        "nat": plan.has_nat(cluster),
        "autopilot": gke.mode == "autopilot",
        "pools": [
            {
                "name": pool.name,
                "machine_type": pool.machine_type,
                "min_nodes": pool.min_nodes,
                "max_nodes": pool.max_nodes,
                "disk_gb": pool.disk_gb,
                "spot": pool.spot,
            }
            for pool in gke.pools
        ],
        "zones": gke.zones,
        "release_channel": gke.release_channel,
        "deletion_protection": gke.deletion_protection,
        "openings": [
            {"name": o.name, "sources": o.sources, "ports": o.ports, "why": o.why}
            for o in plan.openings(cluster)
        ],
        "api_readers": {name: ranges[name]["pods"] for name in plan.api_readers(cluster)},
        "read_by_name": plan.is_read_by_name(cluster),
    }
    if gke.version is not None:
        args["version"] = gke.version
    if (subnet := plan.subnet(cluster)) is not None:
        args["subnet"] = {
            "name": subnet.name,
            "pods": subnet.pods.name,
            "services": subnet.services.name,
        }
    return args
