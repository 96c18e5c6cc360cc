"""The spec, made into components. Outputs feed inputs, and so drive the order."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pulumi
import pulumi_tls as tls

from components import charts, sample, values
from components.cluster_aware_gateway import NAMES, ClusterAwareGateway
from components.control_plane_pod import ControlPlanePod
from components.control_plane_service import INTERNAL, ControlPlaneService
from components.federated_service import (
    FederatedService,
    GatewayEndpoint,
    ServicePort,
    protocol_of,
)
from components.mesh_member import MeshMember, MeshMemberArgs
from components.mesh_policy import MeshPolicy
from components.primary_cluster import PrimaryCluster
from components.remote_cluster import RemoteCluster
from components.remote_secret import RemoteSecret, RemoteSecretArgs
from components.replicated import ReplicatedService
from components.sameness import Sameness
from components.sample import Sample
from components.shared_ca import IntermediateCA, SharedCA, SharedCAArgs
from components.verification import Verification
from components.webhooks import Webhooks
from stacks import outputs, releases
from stacks.access import Access
from stacks.federation import MADE_BY_ISTHMUS, federation
from stacks.preflight.facts import ClusterFacts
from stacks.spec import Cluster, ControlPlane, MeshSpec

if TYPE_CHECKING:
    from stacks.gke.build import MadeClusters


@dataclass(frozen=True)
class Discovery:
    """Where a primary's control plane is reached, and what makes it so."""

    address: pulumi.Output[str]
    exposed_by: pulumi.Resource | None
    """None where it is of another stack."""


class MeshBuilder:
    """Builds one mesh, cluster by cluster; what one step makes, later steps take by name."""

    def __init__(self, spec: MeshSpec, facts: Mapping[str, ClusterFacts]) -> None:
        self.spec, self.facts = spec, facts
        self.shared = federation(spec, {name: f.inventory for name, f in facts.items()})
        self.istio = spec.mesh.istio
        self.source = charts.ChartSource(self.istio.charts, self.istio.version, self.istio.install)
        self.present = spec.in_mesh_stack
        """Clusters that are built when this stack is."""
        self.made = _made_clusters(spec)
        """Clusters that this stack makes, if there are any."""
        self.access = Access(facts, self.made, protected=spec.needed_by_other_stacks)
        self.members: dict[str, MeshMember] = {}
        self.webhooks: dict[str, Webhooks] = {}
        self.gateways: dict[str, ClusterAwareGateway] = {}
        self.discovery: dict[str, Discovery] = {}
        self.samples: dict[str, Sample] = {}
        self.versions = {f"v{i}": c for i, c in enumerate(spec.clusters, 1)}

    def build(self) -> dict[str, Any]:
        """Make every resource of the mesh, but those of clusters that have a stack of their own;
        returns the stack's outputs."""
        ca = self._shared_ca()
        self._clusters(self.spec.in_mesh_stack, ca.intermediates)
        if self.spec.sample.enabled:
            fingerprint = self._fingerprint(ca.root_certificate)
            for cluster in self.answering().values():
                self._verification(cluster, fingerprint)
        return outputs.of(self, ca)

    def _clusters(
        self, clusters: Sequence[Cluster], intermediates: Mapping[str, IntermediateCA]
    ) -> None:
        for cluster in clusters:
            self.members[cluster.name] = self._member(cluster, intermediates[cluster.name])
        # Primaries first: a remote's inputs are outputs of its primary's gateway.
        for cluster in sorted(clusters, key=lambda c: c.is_remote):
            self._control_plane(cluster)
            if self.spec.has_gateway(cluster):
                self.gateways[cluster.name] = self._gateway(cluster)
            if control_plane := self.spec.control_plane(cluster):
                self.discovery[cluster.name] = self._expose(cluster, control_plane)
        for cluster in clusters:
            self._sameness(cluster)
        if self.spec.sample.enabled:
            for version, cluster in self.versions.items():
                if cluster in clusters:
                    self.samples[cluster.name] = self._sample(cluster, version)

    def _in(self, cluster: str, *depends_on: pulumi.Resource | None) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            provider=self.access.provider(cluster),
            depends_on=[x for x in depends_on if x is not None],
        )

    def _installing_in(
        self, cluster: str, *depends_on: pulumi.Resource | None
    ) -> pulumi.ResourceOptions:
        """For a component that installs charts: each of its children is shown to the transform."""
        taking_up = releases.taking_up(cluster, self.access.kubeconfig(cluster))
        return pulumi.ResourceOptions.merge(
            self._in(cluster, *depends_on), pulumi.ResourceOptions(transforms=[taking_up])
        )

    def _shared_ca(self) -> SharedCA:
        ca = self.spec.mesh.ca
        args: SharedCAArgs = {
            "mesh_id": self.spec.mesh.id,
            "clusters": [c.name for c in self.spec.clusters],
            "namespace": self.istio.namespace,
            "algorithm": ca.algorithm,
            "root_days": ca.root_days,
            "intermediate_days": ca.intermediate_days,
            "renew_before_days": ca.renew_before_days,
            "brought": {
                c.name: {"certificate": c.ca.certificate, "key": pulumi.Output.secret(c.ca.key)}
                for c in self.spec.clusters
                if c.ca
            },
        }
        if ca.root is not None:
            args["root"] = {"certificate": ca.root.certificate}
            if ca.root.key is not None:
                args["root"]["key"] = pulumi.Output.secret(ca.root.key)
        provider = tls.Provider("tls")
        return SharedCA(self.spec.mesh.id, args, pulumi.ResourceOptions(provider=provider))

    def _member(self, cluster: Cluster, intermediate: IntermediateCA) -> MeshMember:
        args: MeshMemberArgs = {
            "namespace": self.istio.namespace,
            "intermediate_ca": intermediate,
            "is_read": bool(self.spec.readers_of(cluster)),
            "source": self.source,
            "base_values": self.istio.values.base,
            "leave_nothing_values": self.istio.values.leave_nothing,
        }
        if self.spec.mesh.gateways.announced_by == "labels":
            args["network"] = cluster.network
        if cluster.primary is not None:
            args["primary"] = cluster.primary
        return MeshMember(cluster.name, args, self._installing_in(cluster.name))

    def _control_plane(self, cluster: Cluster) -> None:
        """istiod or the way to it, the remote secrets for it, and its webhooks alive."""
        member = self.members[cluster.name]
        if cluster.primary is None:
            istiod = PrimaryCluster(
                cluster.name,
                {
                    "cluster": cluster.name,
                    "network": cluster.network,
                    "mesh_id": self.spec.mesh.id,
                    "namespace": self.istio.namespace,
                    "has_remotes": bool(self.spec.remotes_of(cluster)),
                    "injects": cluster.injection == "automatic",
                    "cluster_local": self.spec.mesh.cluster_local,
                    "mesh_networks": self._mesh_networks(),
                    "source": self.source,
                    "istiod_values": self.istio.values.istiod,
                },
                self._installing_in(cluster.name, member),
            )
        else:
            discovery = self.discovery[cluster.primary]
            istiod = RemoteCluster(
                cluster.name,
                {
                    "cluster": cluster.name,
                    "network": cluster.network,
                    "mesh_id": self.spec.mesh.id,
                    "namespace": self.istio.namespace,
                    "discovery_address": discovery.address,
                    "injects": cluster.injection == "automatic",
                    "source": self.source,
                    "istiod_values": self.istio.values.istiod,
                },
                self._installing_in(cluster.name, member, discovery.exposed_by),
            )
        secrets = [
            self._remote_secret(reader, cluster, istiod) for reader in self.spec.readers_of(cluster)
        ]
        self.webhooks[cluster.name] = Webhooks(
            cluster.name,
            {
                "namespace": self.istio.namespace,
                "injects": cluster.injection == "automatic",
                "validates": not cluster.is_remote,
            },
            self._in(cluster.name, istiod, *secrets),
        )
        if self.spec.mesh.mtls == "strict" and not cluster.is_remote:
            MeshPolicy(
                cluster.name,
                {"namespace": self.istio.namespace},
                self._in(cluster.name, self.webhooks[cluster.name]),
            )

    def _mesh_networks(self) -> Mapping[str, Any]:
        gateways = self.spec.mesh.gateways
        if gateways.announced_by == "labels":
            return {}
        host = f"{NAMES[gateways.pods]}.{self.istio.namespace}.svc.cluster.local"
        return values.mesh_networks(self.spec.mesh_networks, gateway=host, port=gateways.port)

    def _remote_secret(
        self, reader: Cluster, cluster: Cluster, istiod: pulumi.Resource
    ) -> RemoteSecret:
        token = self.members[cluster.name].reader_token
        if token is None:
            raise AssertionError(f"{reader.name} reads {cluster.name}, which made no token")
        watching = self.members.get(reader.name)  # none where it is of another stack
        api_server = cluster.api_server
        args: RemoteSecretArgs = {
            "cluster": cluster.name,
            "server": self.access.server(reader, cluster),
            "reader_token": token,
            "namespace": watching.namespace if watching else self.istio.namespace,
        }
        if api_server.certificate_authority is not None:
            args["certificate_authority"] = api_server.certificate_authority
        elif self.made and cluster.gke and api_server.server is None:
            args["trusts_public"] = not self.made.is_near(reader, cluster)
        if name := self.access.tls_server_name(cluster):
            args["tls_server_name"] = name
        return RemoteSecret(
            f"{reader.name}-reads-{cluster.name}",
            args,
            # The reader's ClusterRole comes with the cluster's istiod chart.
            self._in(reader.name, watching, istiod),
        )

    def _gateway(self, cluster: Cluster) -> ClusterAwareGateway:
        return ClusterAwareGateway(
            cluster.name,
            {
                "cluster": cluster.name,
                "network": cluster.network,
                "namespace": self.istio.namespace,
                "pods": self.spec.mesh.gateways.pods,
                "port": self.spec.mesh.gateways.port,
                "annotations": {**self._internal(cluster), **self.spec.mesh.gateways.annotations},
                "source_ranges": self._callers(cluster)
                if self.spec.mesh.gateways.pods == "own"
                else (),  # ingress is for more than the mesh
                "announced_by_label": self.spec.mesh.gateways.announced_by == "labels",
                "expose_services": self.spec.spans_networks and not cluster.is_remote,
                "expose_control_plane": self.spec.exposes_control_plane(cluster),
                "source": self.source,
                "gateway_values": self.istio.values.gateway,
            },
            self._installing_in(cluster.name, self.webhooks[cluster.name]),
        )

    def _expose(self, cluster: Cluster, control_plane: ControlPlane) -> Discovery:
        """Make the primary's control plane reachable for its remotes."""
        if control_plane.exposure == "gateway":
            gateway = self.gateways[cluster.name]
            return Discovery(gateway.address, gateway)
        if control_plane.exposure == "pod-ip":
            pod = ControlPlanePod(
                cluster.name,
                {"namespace": self.istio.namespace},
                self._in(cluster.name, self.webhooks[cluster.name]),
            )
            return Discovery(pod.address, pod)
        annotations = dict[str, str]()
        if control_plane.exposure == "internal-load-balancer":
            of_cloud = INTERNAL[control_plane.cloud] if control_plane.cloud else {}
            annotations = {**self._internal(cluster), **of_cloud}
        service = ControlPlaneService(
            cluster.name,
            {
                "cluster": cluster.name,
                "namespace": self.istio.namespace,
                "annotations": {**annotations, **control_plane.annotations},
                "source_ranges": self._callers(cluster),
            },
            self._in(cluster.name, self.webhooks[cluster.name]),
        )
        return Discovery(service.address, service)

    def _internal(self, cluster: Cluster) -> dict[str, str]:
        """Annotations of load balancers of a cluster whose peers reach it within Google Cloud."""
        return dict(INTERNAL["gke"]) if cluster.gke else {}

    def _callers(self, cluster: Cluster) -> Sequence[str]:
        """Ranges that the mesh calls a cluster's load balancers from, where that is known."""
        return self.made.crossings.callers(cluster) if self.made and cluster.gke else ()

    def _sameness(self, cluster: Cluster) -> None:
        """Namespaces and Services that every cluster has, and the ways to where their pods are."""
        if not self.shared.namespaces:
            return
        same = Sameness(
            cluster.name,
            {
                "namespaces": {
                    name: namespace.labels
                    for name, namespace in self.shared.namespaces.items()
                    if cluster.name not in namespace.stands_in
                },
                "services": [
                    ReplicatedService(*name, service.ports, service.selector)
                    for name, service in self.shared.services.items()
                    if cluster.name not in service.stands_in
                ],
                "mark": {MADE_BY_ISTHMUS: self.spec.mesh.id},
            },
            self._in(cluster.name, self.members[cluster.name]),
        )
        for (namespace, name), service in self.shared.services.items():
            ports = [
                ServicePort(p.port, p.name, protocol_of(p.name, p.app_protocol))
                for p in service.ports
                if p.protocol == "TCP"  # an entry has no other
            ]
            self._federate(cluster, namespace, name, ports, service.runs_in, same)

    def _federate(
        self,
        cluster: Cluster,
        namespace: str,
        service: str,
        ports: Sequence[ServicePort],
        runs_in: Sequence[str],
        after: pulumi.Resource,
    ) -> None:
        """Where control planes do not watch other clusters, enter the gateways that lead there."""
        if self.spec.mesh.discovery != "entries":
            return
        elsewhere = {
            other.name: GatewayEndpoint(
                self.gateways[other.name].address, self.spec.mesh.gateways.port, other.network
            )
            for other in self.spec.clusters
            if other.name in runs_in and other.name != cluster.name
        }
        if elsewhere:
            FederatedService(
                f"{cluster.name}-{namespace}-{service}",
                {
                    "namespace": namespace,
                    "service": service,
                    "ports": ports,
                    "elsewhere": elsewhere,
                },
                self._in(cluster.name, after, self.webhooks[cluster.name]),
            )

    def _sample(self, cluster: Cluster, version: str) -> Sample:
        made = Sample(
            cluster.name,
            {
                "version": version,
                "is_primary": not cluster.is_remote,
                "injects": cluster.injection == "automatic",
            },
            self._in(cluster.name, self.webhooks[cluster.name]),
        )
        self._federate(
            cluster,
            sample.NAMESPACE,
            sample.SERVICE,
            [ServicePort(sample.PORT, "http", "HTTP")],
            [c.name for c in self.answering().values()],
            made,
        )
        return made

    def answering(self) -> Mapping[str, Cluster]:
        """Versions of `helloworld` and their clusters, less those that the user injects by hand."""
        return {
            v: c
            for v, c in self.versions.items()
            if c.injection == "automatic" and c in self.present
        }

    def _verification(
        self, cluster: Cluster, fingerprint: pulumi.Output[str], job: str = "verify-mesh"
    ) -> Verification:
        return Verification(
            cluster.name,
            {
                "cluster": cluster.name,
                "job": job,
                "control_plane": self.spec.control_plane_of(cluster),
                "versions": {
                    v: c.name
                    for v, c in self.answering().items()
                    if c == cluster or not self.spec.is_local(sample.NAMESPACE, sample.SERVICE)
                },
                "fingerprint": fingerprint,
            },
            self._in(cluster.name, *self.samples.values(), *self.gateways.values()),
        )

    def _fingerprint(self, root: pulumi.Output[str]) -> pulumi.Output[str]:
        """A hash of all that traffic depends on: the spec, addresses and the common root."""
        clusters = [
            {k: v for k, v in asdict(c).items() if k not in ("kubeconfig", "context", "gke", "ca")}
            for c in self.present
        ]
        mesh = {k: v for k, v in asdict(self.spec.mesh).items() if k != "ca"}
        plain = json.dumps([clusters, mesh], sort_keys=True, default=str)

        def digest(parts: Sequence[str]) -> str:
            return hashlib.sha256("\n".join([plain, *parts]).encode()).hexdigest()[:16]

        return pulumi.Output.all(
            root,
            *(x.address for x in (*self.gateways.values(), *self.discovery.values())),
        ).apply(digest)


def _made_clusters(spec: MeshSpec) -> "MadeClusters | None":
    if spec.gcp is None:
        return None
    from stacks.gke import build  # costly, and of no use to other meshes

    return build.build(spec, spec.gcp)
