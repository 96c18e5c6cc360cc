"""A cluster on Google Kubernetes Engine, with all that is its own: subnet, NAT, firewall, nodes."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict

import pulumi
from pulumi_gcp import compute, container, projects, serviceaccount

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
"""The roles of a node's service account limit its permissions, not scopes."""
_ROLES = {
    # Logs, metrics and nothing else; and images of the project's own registries.
    "nodes": "roles/container.defaultNodeServiceAccount",
    "images": "roles/artifactregistry.reader",
}
_PODS, _SERVICES = "pods", "services"


class Subnet(TypedDict):
    """A subnet that exists, with secondary ranges for one cluster."""

    name: str
    pods: str
    """Name of the secondary range for pods."""
    services: str
    """Name of the secondary range for Services."""


class NodePool(TypedDict):
    """Nodes of one kind."""

    name: str
    machine_type: str
    min_nodes: int
    """In each zone."""
    max_nodes: int
    """In each zone."""
    disk_gb: int
    spot: bool


class Opening(TypedDict):
    """TCP connections that the firewall allows to the cluster's nodes and pods."""

    name: str
    sources: Sequence[str]
    """Source ranges."""
    ports: Sequence[int]
    """Ports; empty for all."""
    why: str


class GkeClusterArgs(TypedDict):
    """Settings of the cluster, and which sources can reach it."""

    project: str
    region: str
    mesh_id: str
    network: pulumi.Input[str]
    """ID of its VPC."""
    ranges: Mapping[Literal["nodes", "pods", "services", "control_plane"], str]
    """Its ranges; those of a given subnet are there already."""
    subnet: NotRequired[Subnet]
    """Left out if the component creates one."""
    nat: bool
    """Whether its nodes, which have no external addresses, get a Cloud NAT."""
    autopilot: bool
    pools: Sequence[NodePool]
    """None for Autopilot."""
    zones: Sequence[str]
    """Zones of its nodes; empty for Google Cloud's choice."""
    release_channel: str
    version: NotRequired[str]
    """Lowest version of the control plane."""
    deletion_protection: bool
    openings: Sequence[Opening]
    api_readers: Mapping[str, str]
    """Ranges of pods that reach the API server's private endpoint, by their cluster's name."""
    read_by_name: bool
    """Whether the API server's DNS name also accepts tokens of service accounts."""


class GkeCluster(pulumi.ComponentResource):
    """A private, VPC-native, regional cluster.

    Its API server has two endpoints. The DNS name, for this program and for people, is on the
    internet, but Google Cloud checks IAM first. The private address is for the istiods of the same
    VPC, in any region. There is no public address.
    """

    kubeconfig: pulumi.Output[str]
    """Kubeconfig that uses the caller's login to Google Cloud; contains no credentials."""
    private_server: pulumi.Output[str]
    """URL of the API server within the VPC; the cluster's own CA has signed for it."""
    named_server: pulumi.Output[str]
    """URL of the API server by DNS name; a public CA has signed for it."""

    def __init__(
        self, name: str, args: GkeClusterArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("isthmus:index:GkeCluster", name, {}, opts)
        tag = f"isthmus-{name}"
        given = args.get("subnet")
        subnet = (
            f"projects/{args['project']}/regions/{args['region']}/subnetworks/{given['name']}"
            if given
            else self._subnet(name, args)
        )
        ready: list[pulumi.Resource] = [self._nat(name, args, subnet)] if args["nat"] else []
        for opening in args["openings"]:
            self._open(name, args["network"], tag, opening)
        account = serviceaccount.Account(
            f"{name}-nodes",
            account_id=f"{name}-nodes",
            display_name=f"Nodes of {name}, mesh {args['mesh_id']}",
            opts=pulumi.ResourceOptions(parent=self),
        )
        for what, role in _ROLES.items():
            ready.append(
                projects.IAMMember(
                    f"{name}-{what}",
                    project=args["project"],
                    role=role,
                    member=account.member,
                    opts=pulumi.ResourceOptions(parent=self),
                )
            )
        cluster = container.Cluster(
            f"{name}-cluster",
            name=name,
            location=args["region"],
            network=args["network"],
            subnetwork=subnet,
            ip_allocation_policy={
                "cluster_secondary_range_name": given["pods"] if given else _PODS,
                "services_secondary_range_name": given["services"] if given else _SERVICES,
            },
            private_cluster_config={
                "enable_private_nodes": True,
                "enable_private_endpoint": True,
                "master_ipv4_cidr_block": args["ranges"]["control_plane"],
                "master_global_access_config": {"enabled": True},
            },
            master_authorized_networks_config={
                # Left out if there is none, which admits only the cluster's own nodes.
                "cidr_blocks": [
                    {"display_name": reader, "cidr_block": pods}
                    for reader, pods in args["api_readers"].items()
                ]
                or None,
                "gcp_public_cidrs_access_enabled": False,
                "private_endpoint_enforcement_enabled": True,
            },
            control_plane_endpoints_config={
                "dns_endpoint_config": {
                    "allow_external_traffic": True,
                    "enable_k8s_tokens_via_dns": args["read_by_name"],
                },
            },
            release_channel={"channel": args["release_channel"].upper()},
            min_master_version=args.get("version"),
            resource_labels={"mesh": args["mesh_id"]},
            deletion_protection=args["deletion_protection"],
            **(_autopilot(account, tag) if args["autopilot"] else _standard(account, args)),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=ready,
                # Of the pool that a Standard cluster is born with, which is removed at once; a
                # change of them would replace the cluster.
                ignore_changes=["initialNodeCount", "nodeConfig"],
            ),
        )
        for pool in args["pools"]:
            self._pool(name, args, pool, cluster, account, tag)
        self.named_server = cluster.control_plane_endpoints_config.apply(_named_server)
        self.private_server = cluster.private_cluster_config.apply(
            lambda config: _https(config.private_endpoint, "private address")
        )
        self.kubeconfig = self.named_server.apply(lambda server: _kubeconfig(name, server))
        self.register_outputs({"server": self.named_server})

    def _subnet(self, name: str, args: GkeClusterArgs) -> pulumi.Output[str]:
        return compute.Subnetwork(
            f"{name}-subnet",
            region=args["region"],
            network=args["network"],
            ip_cidr_range=args["ranges"]["nodes"],
            private_ip_google_access=True,
            secondary_ip_ranges=[
                {"range_name": _PODS, "ip_cidr_range": args["ranges"]["pods"]},
                {"range_name": _SERVICES, "ip_cidr_range": args["ranges"]["services"]},
            ],
            opts=pulumi.ResourceOptions(parent=self),
        ).id

    def _nat(self, name: str, args: GkeClusterArgs, subnet: pulumi.Input[str]) -> compute.RouterNat:
        """Create internet access for this subnet alone, so that clusters do not share a NAT."""
        child = pulumi.ResourceOptions(parent=self)
        router = compute.Router(
            f"{name}-router", region=args["region"], network=args["network"], opts=child
        )
        return compute.RouterNat(
            f"{name}-nat",
            router=router.name,
            region=args["region"],
            nat_ip_allocate_option="AUTO_ONLY",
            source_subnetwork_ip_ranges_to_nat="LIST_OF_SUBNETWORKS",
            subnetworks=[{"name": subnet, "source_ip_ranges_to_nats": ["ALL_IP_RANGES"]}],
            opts=child,
        )

    def _open(self, name: str, network: pulumi.Input[str], tag: str, opening: Opening) -> None:
        ports = [str(port) for port in opening["ports"]] or None
        compute.Firewall(
            f"{name}-{opening['name']}",
            description=opening["why"],
            network=network,
            direction="INGRESS",
            source_ranges=opening["sources"],
            target_tags=[tag],
            allows=[{"protocol": "tcp", "ports": ports}],
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _pool(
        self,
        name: str,
        args: GkeClusterArgs,
        pool: NodePool,
        cluster: container.Cluster,
        account: serviceaccount.Account,
        tag: str,
    ) -> None:
        """Create a pool with a generated name, so that a new one exists before the old one goes."""
        container.NodePool(
            f"{name}-{pool['name']}",
            cluster=cluster.id,
            location=args["region"],
            node_locations=list(args["zones"]) or None,
            initial_node_count=pool["min_nodes"],
            autoscaling={
                "min_node_count": pool["min_nodes"],
                "max_node_count": pool["max_nodes"],
            },
            management={"auto_repair": True, "auto_upgrade": True},
            network_config={"enable_private_nodes": True},
            node_config={
                "machine_type": pool["machine_type"],
                "disk_size_gb": pool["disk_gb"],
                "spot": pool["spot"],
                "service_account": account.email,
                "oauth_scopes": [_SCOPE],
                "tags": [tag],
                # For node selectors: GKE's own label ends with random characters.
                "labels": {"isthmus/pool": pool["name"]},
                "shielded_instance_config": {"enable_secure_boot": True},
                "workload_metadata_config": {"mode": "GKE_METADATA"},
            },
            # The size is the autoscaler's, the version the release channel's.
            opts=pulumi.ResourceOptions(
                parent=self, ignore_changes=["initialNodeCount", "nodeCount", "version"]
            ),
        )


def _standard(account: serviceaccount.Account, args: GkeClusterArgs) -> dict[str, Any]:
    return {
        # Pools are resources of their own: as part of the cluster they would replace it.
        "remove_default_node_pool": True,
        "initial_node_count": 1,
        "node_config": {"service_account": account.email, "oauth_scopes": [_SCOPE]},
        "node_locations": list(args["zones"]) or None,
        "enable_l4_ilb_subsetting": True,
        "workload_identity_config": {"workload_pool": f"{args['project']}.svc.id.goog"},
    }


def _autopilot(account: serviceaccount.Account, tag: str) -> dict[str, Any]:
    """Workload Identity and subsetting of load balancers are always on there."""
    return {
        "enable_autopilot": True,
        # The sidecar's init container sets iptables.
        "allow_net_admin": True,
        "cluster_autoscaling": {
            "auto_provisioning_defaults": {
                "service_account": account.email,
                "oauth_scopes": [_SCOPE],
            }
        },
        "node_pool_auto_config": {"network_tags": {"tags": [tag]}},
    }


def _named_server(config: container.outputs.ClusterControlPlaneEndpointsConfig) -> str:
    named = config.dns_endpoint_config
    return _https(named.endpoint if named else None, "DNS name")


def _https(host: str | None, what: str) -> str:
    if not host:
        raise ValueError(f"Google Cloud has given an API server no {what}; run `pulumi up` again")
    return f"https://{host}"


def _kubeconfig(name: str, server: str) -> str:
    """As `gcloud container clusters get-credentials --dns-endpoint` writes it.

    JSON, which is YAML too. No CA: the name's certificate is from a public one.
    """
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "gke-gcloud-auth-plugin",
            "installHint": "gcloud components install gke-gcloud-auth-plugin",
            "provideClusterInfo": True,
        }
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": server}}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        }
    )
