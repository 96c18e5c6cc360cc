"""What has been built of a mesh. Steps add to it in order; later steps and the outputs read it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi

from components.charts import ChartSource
from components.cluster_aware_gateway import ClusterAwareGateway
from components.mesh_member import MeshMember
from components.ownership import written_by_name
from components.remote_secret import RemoteSecret
from components.sample import Sample
from components.shared_services import SharedServices
from components.webhooks import Webhooks
from preflight.facts import ClusterFacts
from spec.mesh import Cluster, Istio, MeshSpec
from spec.shared import SharedObjects
from stacks.connections import Connections
from stacks.kept import Left


@dataclass(frozen=True)
class Discovery:
    """Where remotes reach a primary's control plane."""

    addresses: pulumi.Output[Sequence[str]]
    """IP addresses that answer on istiod's ports."""
    exposed_by: pulumi.Resource | None
    """The resource that exposes it; None if another stack owns that resource."""

    @property
    def address(self) -> pulumi.Output[str]:
        return self.addresses[0]

    @property
    def further(self) -> pulumi.Output[Sequence[str]]:
        return self.addresses.apply(lambda found: found[1:])


@dataclass(frozen=True)
class Built:
    """One stack's part of a mesh. The mappings are by cluster name and grow with each step."""

    spec: MeshSpec
    """The whole mesh."""
    present: tuple[Cluster, ...]
    """Clusters that exist when this stack is updated: its own, and those it depends on, without
    absent ones."""
    facts: Mapping[str, ClusterFacts]
    mesh_uuid: pulumi.Input[str]
    """See stacks/identity.py."""
    shared: SharedObjects
    """Namespaces and Services that every cluster gets."""
    connections: Connections
    left: Left = field(default_factory=Left)
    promoted: frozenset[str] = frozenset()
    """Names of the primaries that were remotes at the last update."""
    changes_istio: bool = False
    """Whether this is an update to another version of Istio."""
    members: dict[str, MeshMember] = field(default_factory=dict[str, MeshMember])
    tokens_created: dict[str, pulumi.Output[str | None]] = field(
        default_factory=dict[str, pulumi.Output[str | None]]
    )
    """When the token was created with which others read a cluster; none where no other does."""
    remote_secrets: dict[str, list[RemoteSecret]] = field(
        default_factory=lambda: defaultdict[str, list[RemoteSecret]](list)
    )
    """By the name of the reader."""
    webhooks: dict[str, Webhooks] = field(default_factory=dict[str, Webhooks])
    gateways: dict[str, ClusterAwareGateway] = field(default_factory=dict[str, ClusterAwareGateway])
    discovery: dict[str, Discovery] = field(default_factory=dict[str, Discovery])
    shared_services: dict[str, SharedServices] = field(default_factory=dict[str, SharedServices])
    samples: dict[str, Sample] = field(default_factory=dict[str, Sample])

    @property
    def istio(self) -> Istio:
        return self.spec.mesh.istio

    @property
    def charts(self) -> ChartSource:
        return ChartSource(self.istio.charts, self.istio.version, self.istio.install)

    @property
    def sample_versions(self) -> Mapping[str, Cluster]:
        """Versions of `helloworld` by name, and the cluster that each runs in."""
        return {f"v{i}": c for i, c in enumerate(self.spec.clusters, 1)}

    @property
    def answering(self) -> Mapping[str, Cluster]:
        """Versions of `helloworld` that must answer. Clusters that users inject by hand are left
        out: their pods get sidecars only after the update. So are remotes of an absent primary."""
        absent = {c.name for c in self.spec.absent}
        return {
            version: cluster
            for version, cluster in self.sample_versions.items()
            if cluster.injection == "automatic"
            and cluster in self.present
            and self.spec.control_plane_of(cluster) not in absent
        }

    def adopts(self, cluster: Cluster, namespace: str) -> bool:
        """Whether a namespace is the user's, so that it is neither created nor deleted."""
        facts = self.facts.get(cluster.name)
        return facts is not None and namespace in facts.adopted

    def options(
        self, cluster: Cluster, *depends_on: pulumi.Resource | None
    ) -> pulumi.ResourceOptions:
        """Options of a component in that cluster. Dependencies that do not exist are skipped."""
        return pulumi.ResourceOptions(
            provider=self.connections.provider(cluster.name),
            depends_on=[x for x in depends_on if x is not None],
            transforms=[written_by_name],
        )
