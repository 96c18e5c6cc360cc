"""Traffic between clusters that Google Cloud must let through. Pure, like the spec.

Sources, as of 2026: automatically created firewall rules
(cloud.google.com/kubernetes-engine/docs/concepts/firewall-rules), health checks
(cloud.google.com/load-balancing/docs/health-check-concepts#ip-ranges), and the ports of istio.io's
"Ports used by Istio".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components import names
from spec.gke import GivenSubnet, GivenVpc, Gke, GoogleCloud
from spec.gke_ranges import ClusterRanges, plan
from spec.mesh import Cluster, MeshSpec

HEALTH_CHECKS = ("35.191.0.0/16", "130.211.0.0/22")
"""Where Google Cloud's load balancers check health from."""
_KUBE_PROXY_HEALTH = 10256


@dataclass(frozen=True)
class Opening:
    """One firewall rule: TCP to the nodes and pods of a cluster."""

    name: str
    sources: tuple[str, ...]
    ports: tuple[int, ...]
    """Source ranges; empty for all sources."""
    why: str
    """The purpose of the traffic."""


class NetworkPlan:
    """Networks, ranges and firewall rules of clusters on Google Cloud, derived from the spec."""

    def __init__(self, spec: MeshSpec, cloud: GoogleCloud) -> None:
        self.spec, self.cloud = spec, cloud
        self.clusters = tuple(c for c in spec.clusters if c.gke is not None)
        self.ranges: Mapping[str, ClusterRanges] = plan(
            cloud, [(c.name, settings(c), self.subnet(c)) for c in self.clusters]
        )

    @property
    def vpcs(self) -> tuple[str, ...]:
        """Every VPC once, in the order of the clusters."""
        return tuple(dict.fromkeys(vpc_of(c) for c in self.clusters))

    def existing_vpc(self, vpc: str) -> GivenVpc | None:
        """The existing VPC from the configuration; None if Isthmus creates it."""
        return next((v for v in self.cloud.vpcs if v.name == vpc), None)

    def subnets(self, cluster: Cluster) -> tuple[GivenSubnet, ...]:
        """Existing subnets that fit the cluster; the rules ensure at most one."""
        vpc = self.existing_vpc(vpc_of(cluster))
        return subnets_for(settings(cluster), vpc) if vpc else ()

    def subnet(self, cluster: Cluster) -> GivenSubnet | None:
        """The existing subnet of a cluster; None if it gets a new one."""
        found = self.subnets(cluster)
        return found[0] if len(found) == 1 else None

    def has_nat(self, cluster: Cluster) -> bool:
        vpc = self.existing_vpc(vpc_of(cluster))
        return vpc is None or vpc.nat

    def api_readers(self, cluster: Cluster) -> tuple[str, ...]:
        """Clusters whose pods reach this API server at its private address: in the same VPC,
        because a Private Service Connect endpoint is not reached across a peering."""
        return tuple(r.name for r in self.spec.callers_of(cluster) if self.same_vpc(r, cluster))

    def is_read_by_name(self, cluster: Cluster) -> bool:
        """Whether pods of any cluster reach this API server only by its DNS name."""
        return any(not self.same_vpc(r, cluster) for r in self.spec.callers_of(cluster))

    def same_vpc(self, one: Cluster, other: Cluster) -> bool:
        both_made = one.gke is not None and other.gke is not None
        return both_made and vpc_of(one) == vpc_of(other)

    def balances_load(self, cluster: Cluster) -> bool:
        """Whether the mesh creates a load balancer in the cluster."""
        control_plane = self.spec.control_plane(cluster)
        own = control_plane is not None and control_plane.has_load_balancer
        return own or self.spec.has_gateway(cluster)

    def openings(self, cluster: Cluster) -> tuple[Opening, ...]:
        """Firewall rules, in addition to those that GKE creates for the cluster itself."""
        port = self.spec.mesh.gateways.port
        on_network = [
            c for c in self.spec.clusters if c.network == cluster.network and c != cluster
        ]
        elsewhere = [c for c in self.spec.clusters if c.network != cluster.network]
        remotes = self.spec.remotes_of(cluster)
        found = [
            Opening(
                "webhooks",
                (self.ranges[cluster.name]["control_plane"],),
                (names.WEBHOOK_PORT,),
                "The API server asks istiod's webhooks",
            ),
            Opening(
                "pods",
                self._pods(on_network),
                (),
                "Pods of clusters on the same network of the mesh",
            ),
            Opening(
                "gateway", self._pods(elsewhere), (port,), "Pods on other networks, by gateway"
            ),
            Opening(
                "discovery", self._pods(remotes), (names.XDS_PORT,), "Proxies of remote clusters"
            ),
            Opening(
                "remotes",
                self._api_servers(remotes),
                (names.WEBHOOK_PORT,),
                "API servers of remote clusters ask istiod's webhooks",
            ),
        ]
        if self.balances_load(cluster):
            # Load balancers probe kube-proxy, or the gateway (externalTrafficPolicy: Local).
            checked = (names.STATUS_PORT, _KUBE_PROXY_HEALTH)
            found.append(Opening("health", HEALTH_CHECKS, checked, "Health checks of Google Cloud"))
        return tuple(o for o in found if o.sources)

    def callers(self, cluster: Cluster) -> tuple[str, ...]:
        """Source ranges for the mesh's load balancers in this cluster."""
        remotes = self.spec.remotes_of(cluster)
        elsewhere = [c for c in self.spec.clusters if c.network != cluster.network]
        return _once(*self._pods(elsewhere), *self._pods(remotes), *self._api_servers(remotes))

    def _pods(self, clusters: Sequence[Cluster]) -> tuple[str, ...]:
        return self._of(clusters, "pods")

    def _api_servers(self, clusters: Sequence[Cluster]) -> tuple[str, ...]:
        """Source ranges of API servers: their own, or those of agents on nodes or in pods."""
        return self._of(clusters, "control_plane", "nodes", "pods")

    def _of(self, clusters: Sequence[Cluster], *kinds: str) -> tuple[str, ...]:
        new = [self.ranges[c.name][kind] for c in clusters if c.gke for kind in kinds]
        others = self.cloud.other_ranges if any(c.gke is None for c in clusters) else ()
        return _once(*new, *others)


def settings(cluster: Cluster) -> Gke:
    """The cluster's `gke` settings. Call it only for a cluster that has them."""
    if cluster.gke is None:
        raise AssertionError(f"{cluster.name} is not created by this stack")
    return cluster.gke


def subnets_for(gke: Gke, vpc: GivenVpc) -> tuple[GivenSubnet, ...]:
    """Subnets of an existing VPC that fit a cluster."""
    in_region = (s for s in vpc.subnets if s.region == gke.region)
    return tuple(s for s in in_region if gke.subnet in (None, s.name))


def vpc_of(cluster: Cluster) -> str:
    return settings(cluster).vpc or cluster.network


def _once(*ranges: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ranges))
