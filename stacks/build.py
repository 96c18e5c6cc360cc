"""The order in which a mesh is built: a primary, then its gateway, then its remotes.

Outputs feed inputs, so Pulumi's dependency graph follows this order too.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pulumi
import pulumi_tls as tls

from components import names, values
from components.cluster_aware_gateway import ClusterAwareGateway, ClusterAwareGatewayArgs
from components.cluster_identity import ClusterIdentity
from components.control_plane_pod import ControlPlanePod
from components.control_plane_service import INTERNAL, ControlPlaneService
from components.kiali_account import KialiAccount
from components.mesh_member import MeshMember, MeshMemberArgs
from components.mesh_policy import MeshPolicy
from components.primary_cluster import PrimaryCluster
from components.remote_cluster import RemoteCluster
from components.remote_secret import RemoteSecret, RemoteSecretArgs
from components.shared_ca import IntermediateCA, RootArgs, SharedCA, SharedCAArgs
from components.webhooks import Webhooks
from preflight.facts import ClusterFacts
from preflight.last_update import LastUpdate
from spec.mesh import Cloud, Cluster, ControlPlane, MeshSpec, TrustedRoot
from spec.rules.ranges import IpNetwork
from spec.shared import shared_objects
from stacks import external_ca, outputs, trust, upgrade
from stacks import interrupted_releases as releases
from stacks.built import Built, Discovery
from stacks.connections import Connections
from stacks.former_istiod import forget_endpoints
from stacks.identity import MeshIdentity, marks
from stacks.kept import Left, keep
from stacks.shared_objects import create_shared_configuration, create_shared_objects
from stacks.traffic_policies import create_traffic_policies
from stacks.verification import create_sample, verify

if TYPE_CHECKING:
    from stacks.gke import GkeClusters


async def build_mesh(
    spec: MeshSpec,
    facts: Mapping[str, ClusterFacts],
    identity: MeshIdentity,
    left: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Build every cluster that has no own stack, and return the stack's outputs.

    Args:
        left: the outputs of the last update.

    Raises:
        MeshRefusedError: the clusters trust another root, or are not ready for this one; or an
            absent cluster cannot be kept.
    """
    reported, last = Left.read(spec, left), LastUpdate.read(left)
    changes_istio = last.istio not in (None, spec.mesh.istio.version)
    kept = upgrade.kept_addresses(spec, left) if changes_istio else {}
    connections = Connections(
        facts,
        _gke_clusters(spec, last),
        protected=spec.needed_by_other_stacks,
        absent=frozenset(c.name for c in spec.absent),
    )
    built = start(
        spec,
        facts,
        connections,
        mesh_uuid=identity.uuid,
        present=[c for c in spec.in_mesh_stack if not c.absent],
        left=reported,
        promoted=frozenset(
            c.name for c in spec.primaries if (was := last.clusters.get(c.name)) and was.primary
        ),
        changes_istio=changes_istio,
    )
    await keep(spec, connections.provider)
    built.discovery.update(
        {
            name: Discovery(pulumi.Output.from_input(addresses), None)
            for name, addresses in {**kept, **reported.control_planes}.items()
        }
    )
    ca = _create_shared_ca(spec, identity.provider)
    await trust.confirm_roots(spec, [*ca.roots.values()], ca.root_certificate, facts, last)
    build_clusters(built, built.present, ca.intermediates)
    observed = verify(built, built.answering.values(), ca.trusted)
    return outputs.stack_outputs(built, ca, observed)


def start(
    spec: MeshSpec,
    facts: Mapping[str, ClusterFacts],
    connections: Connections,
    *,
    mesh_uuid: pulumi.Input[str],
    present: Sequence[Cluster],
    left: Left | None = None,
    promoted: frozenset[str] = frozenset(),
    changes_istio: bool = False,
) -> Built:
    """The record of a stack of which nothing is built yet."""
    shared = shared_objects(spec, {name: f.inventory for name, f in facts.items()})
    return Built(
        spec,
        tuple(present),
        facts,
        mesh_uuid,
        shared,
        connections,
        left or Left(),
        promoted,
        changes_istio,
    )


def build_clusters(
    built: Built, clusters: Sequence[Cluster], intermediates: Mapping[str, IntermediateCA]
) -> None:
    """Build these clusters, each with its intermediate CA, up to the sample."""
    spec = built.spec
    for cluster in clusters:
        member = _create_member(built, cluster, intermediates.get(cluster.name))
        built.members[cluster.name] = member
        if member.reader_token_created is not None:
            built.tokens_created[cluster.name] = member.reader_token_created
    # A remote's inputs are outputs of its primary's gateway, unless its address is known already.
    early = [c for c in clusters if c.primary in built.discovery]
    for cluster in early:
        _create_control_plane(built, cluster)
    # Another Istio comes to one primary after the other, so that a failure stops it at the first.
    before: list[pulumi.Resource] = [built.webhooks[c.name] for c in early]
    # A remote that becomes a primary comes later, to know the others when its pods connect to it.
    for primary in sorted(spec.primaries, key=lambda c: c.name in built.promoted):
        served = [c for c in spec.remotes_of(primary) if c in clusters]
        if primary in clusters:
            _create_control_plane(built, primary, before if built.changes_istio else ())
            _create_gateway(built, primary)
            if control_plane := spec.control_plane(primary):
                built.discovery[primary.name] = _expose(built, primary, control_plane)
        for cluster in served:
            if cluster not in early:
                _create_control_plane(built, cluster)
            _create_gateway(built, cluster)
        parts = (built.webhooks, built.gateways)
        before += [part[c.name] for part in parts for c in (primary, *served) if c.name in part]
    for cluster in clusters:
        if kiali := spec.kiali_for(cluster):
            _show_in_kiali(built, cluster, kiali)
    for cluster in clusters:
        create_shared_objects(built, cluster)
    if spec.sample.enabled:
        for version, cluster in built.sample_versions.items():
            if cluster in clusters:
                built.samples[cluster.name] = create_sample(built, cluster, version)
    for cluster in clusters:
        if not cluster.is_remote:
            create_shared_configuration(built, cluster)
            create_traffic_policies(built, cluster)


def _options_for_charts(
    built: Built, cluster: Cluster, *depends_on: pulumi.Resource | None
) -> pulumi.ResourceOptions:
    """Options of a component that installs charts: the transform sees each of its children."""
    kubeconfig = built.connections.kubeconfig(cluster.name)
    transform = releases.adopt_interrupted_releases(
        cluster.name, kubeconfig, marked=built.connections.was_marked(cluster.name)
    )
    return pulumi.ResourceOptions.merge(
        built.options(cluster, *depends_on),
        pulumi.ResourceOptions(transforms=[transform]),
    )


def _identity(built: Built, cluster: Cluster) -> ClusterIdentity:
    return ClusterIdentity(
        cluster=cluster.name,
        network=cluster.network,
        mesh_id=built.spec.mesh.id,
        namespace=built.istio.namespace,
    )


def _create_shared_ca(spec: MeshSpec, provider: tls.Provider) -> SharedCA:
    ca = spec.mesh.ca
    args: SharedCAArgs = {
        "mesh_id": spec.mesh.id,
        "clusters": [] if ca.external else [c.name for c in spec.clusters],
        "namespace": spec.mesh.istio.namespace,
        "algorithm": ca.algorithm,
        "root_days": ca.root_days,
        "intermediate_days": ca.intermediate_days,
        "renew_before_days": ca.renew_before_days,
        "roots": {r.name: _root(r) for r in ca.trusted},
        "signs": ca.signer.name,
        "provided": {
            c.name: {"certificate": c.ca.certificate, "key": pulumi.Output.secret(c.ca.key)}
            for c in spec.clusters
            if c.ca
        },
    }
    # The name was the mesh's ID once, and the ID can be edited.
    former = [pulumi.Alias(name=spec.mesh.id)]
    options = pulumi.ResourceOptions(provider=provider, aliases=former)
    return SharedCA("ca", args, options)


def _root(root: TrustedRoot) -> RootArgs:
    args: RootArgs = {}
    if root.certificate is not None:
        args["certificate"] = root.certificate
    if root.key is not None:
        args["key"] = pulumi.Output.secret(root.key)
    return args


def _create_member(
    built: Built, cluster: Cluster, intermediate: IntermediateCA | None
) -> MeshMember:
    args: MeshMemberArgs = {
        "identity": _identity(built, cluster),
        "announced_by_label": built.spec.mesh.gateways.announced_by == "labels",
        "adopts_namespace": built.adopts(cluster, built.istio.namespace),
        "marks": marks(built.spec, cluster, _uid(built, cluster), built.mesh_uuid),
        "is_read": bool(built.spec.readers_of(cluster)),
        "token_generation": cluster.token_generation,
        "source": built.charts,
        "base_values": built.istio.values.base,
        "leave_nothing_values": {
            "image": built.spec.images.client,
            "imagePullSecrets": [{"name": s} for s in built.spec.images.pull_secrets],
            **built.istio.values.leave_nothing,
        },
    }
    options = _options_for_charts(built, cluster)
    if intermediate is not None:
        args["intermediate_ca"] = intermediate
    else:
        wait = external_ca.wait_for_cacerts(
            cluster.name, built.connections.kubeconfig(cluster.name)
        )
        options = pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(transforms=[wait]))
    if cluster.primary is not None:
        args["primary"] = cluster.primary
    return MeshMember(cluster.name, args, options)


def _is_redundant(built: Built, cluster: Cluster) -> bool:
    """Whether istiod and the gateway have two replicas."""
    if built.spec.mesh.redundant is not None:
        return built.spec.mesh.redundant
    facts = built.facts.get(cluster.name)
    return facts is None or facts.several_nodes


def _uid(built: Built, cluster: Cluster) -> str | None:
    facts = built.facts.get(cluster.name)
    return facts.uid if facts else None


def _create_control_plane(
    built: Built, cluster: Cluster, before: Sequence[pulumi.Resource] = ()
) -> None:
    """Build istiod or the path to it, the remote secrets for it, and wait for its webhooks.

    Args:
        before: what must be there before istiod.
    """
    member = built.members[cluster.name]
    if cluster.primary is None:
        istiod = PrimaryCluster(
            cluster.name,
            {
                "identity": _identity(built, cluster),
                "has_remotes": bool(built.spec.remotes_of(cluster)),
                "injects": cluster.injection == "automatic",
                "cluster_local": built.spec.mesh.cluster_local,
                "mesh_networks": _mesh_networks(built.spec),
                "source": built.charts,
                "istiod_values": values.merged(
                    values.istiod_pods(redundant=_is_redundant(built, cluster)),
                    built.istio.values.istiod,
                ),
            },
            # With its remote secrets there, istiod is only ready when it has read these clusters.
            # The pods are served by another istiod until then.
            _options_for_charts(
                built,
                cluster,
                member,
                *before,
                *(built.remote_secrets[cluster.name] if cluster.name in built.promoted else ()),
            ),
        )
    else:
        discovery = built.discovery[cluster.primary]
        istiod = RemoteCluster(
            cluster.name,
            {
                "identity": _identity(built, cluster),
                "discovery_address": discovery.address,
                "further_addresses": discovery.further,
                "injects": cluster.injection == "automatic",
                "source": built.charts,
                "istiod_values": built.istio.values.istiod,
            },
            pulumi.ResourceOptions.merge(
                _options_for_charts(built, cluster, member, discovery.exposed_by),
                pulumi.ResourceOptions(
                    transforms=[
                        forget_endpoints(
                            cluster.name,
                            built.connections.kubeconfig(cluster.name),
                            built.istio.namespace,
                        )
                    ]
                ),
            ),
        )
    readers = [reader for reader in built.spec.readers_of(cluster) if not reader.absent]
    secrets = [_create_remote_secret(built, reader, cluster, istiod) for reader in readers]
    for reader, secret in zip(readers, secrets, strict=True):
        built.remote_secrets[reader.name].append(secret)
    built.webhooks[cluster.name] = Webhooks(
        cluster.name,
        {
            "namespace": built.istio.namespace,
            "injects": cluster.injection == "automatic",
            "validates": not cluster.is_remote,
        },
        built.options(cluster, istiod, *secrets),
    )
    if built.spec.mesh.mtls == "strict" and not cluster.is_remote:
        MeshPolicy(
            cluster.name,
            {"namespace": built.istio.namespace},
            built.options(cluster, built.webhooks[cluster.name]),
        )


def _mesh_networks(spec: MeshSpec) -> Mapping[str, Any]:
    gateways = spec.mesh.gateways
    if gateways.announced_by == "labels":
        return {}
    host = names.host(names.GATEWAYS[gateways.pods], spec.mesh.istio.namespace)
    addresses = {c.name: str(c.gateway.address) for c in spec.clusters if c.gateway.address}
    return values.mesh_networks(
        spec.mesh_networks, gateway=host, port=gateways.port, addresses=addresses
    )


def _create_remote_secret(
    built: Built, reader: Cluster, cluster: Cluster, istiod: pulumi.Resource
) -> RemoteSecret:
    token = built.members[cluster.name].reader_token
    if token is None:
        raise AssertionError(f"{reader.name} reads {cluster.name}, which made no token")
    return RemoteSecret(
        f"{reader.name}/reads/{cluster.name}",
        _remote_secret(built, reader, cluster, token),
        # The reader's ClusterRole comes with the cluster's istiod chart.
        pulumi.ResourceOptions.merge(
            built.options(reader, built.members.get(reader.name), istiod),
            # The name until 0.1 could be that of two secrets: of `a` and `b-reads-c`, say.
            pulumi.ResourceOptions(
                aliases=[pulumi.Alias(name=f"{reader.name}-reads-{cluster.name}")]
            ),
        ),
    )


def _show_in_kiali(built: Built, cluster: Cluster, kiali: Cluster) -> None:
    """Give the Kiali of another cluster an account in this one, and a Secret there."""
    member = built.members[cluster.name]
    account = KialiAccount(
        cluster.name,
        {"namespace": member.namespace, "token_generation": cluster.token_generation},
        built.options(cluster, member),
    )
    if kiali.absent:
        return
    built.tokens_created.setdefault(cluster.name, account.token_created)
    RemoteSecret(
        f"{kiali.name}/kiali-reads/{cluster.name}",
        {**_remote_secret(built, kiali, cluster, account.token), "watcher": "kiali"},
        built.options(kiali, built.members.get(kiali.name), account),
    )


def _remote_secret(
    built: Built, reader: Cluster, cluster: Cluster, token: pulumi.Output[Mapping[str, str]]
) -> RemoteSecretArgs:
    """Where and how pods of the reader reach another cluster's API server."""
    watching = built.members.get(reader.name)  # none where it is of another stack
    api_server = cluster.api_server
    args: RemoteSecretArgs = {
        "cluster": cluster.name,
        "server": built.connections.server(reader, cluster),
        "reader_token": token,
        "namespace": watching.namespace if watching else built.istio.namespace,
    }
    if api_server.certificate_authority is not None:
        args["certificate_authority"] = api_server.certificate_authority
    elif built.connections.gke and cluster.gke and api_server.server is None:
        args["trusts_public"] = not built.connections.gke.is_near(reader, cluster)
    elif (authority := built.connections.certificate_authority(cluster)) is not None:
        # Behind Rancher, Teleport or any other proxy it is another CA than the cluster's own.
        if authority:
            args["certificate_authority"] = authority
        args["trusts_public"] = not authority
    if name := built.connections.tls_server_name(cluster):
        args["tls_server_name"] = name
    return args


def _create_gateway(built: Built, cluster: Cluster) -> None:
    if not built.spec.has_gateway(cluster):
        return
    gateways = built.spec.mesh.gateways
    args: ClusterAwareGatewayArgs = {
        "identity": _identity(built, cluster),
        "kind": gateways.pods,
        "port": gateways.port,
        "annotations": {
            **_internal_annotations(cluster, gateways.cloud),
            **gateways.annotations,
            **cluster.gateway.annotations,
        },
        "source_ranges": _source_ranges(built, cluster, gateways.source_ranges)
        # An ingress gateway is called by more than the mesh.
        if gateways.pods == "own" or gateways.source_ranges
        else (),
        "status_port": gateways.status_port,
        "announced_by_label": gateways.announced_by == "labels",
        # In a remote nothing reads it. If the remote becomes a primary, its gateway keeps its port.
        "expose_services": built.spec.spans_networks,
        "expose_control_plane": built.spec.exposes_control_plane(cluster),
        "source": built.charts,
        "gateway_values": values.merged(
            values.gateway_pods(
                names.GATEWAYS[gateways.pods], redundant=_is_redundant(built, cluster)
            ),
            built.istio.values.gateway,
        ),
    }
    if cluster.gateway.address:
        args["address"] = str(cluster.gateway.address)
    # A remote's pods and Istio's objects need the istiod there, also when they are deleted: the
    # webhooks of the remote call it.
    serving = built.discovery[cluster.primary].exposed_by if cluster.primary else None
    built.gateways[cluster.name] = ClusterAwareGateway(
        cluster.name,
        args,
        _options_for_charts(built, cluster, built.webhooks[cluster.name], serving),
    )


def _expose(built: Built, cluster: Cluster, control_plane: ControlPlane) -> Discovery:
    """Make the primary's control plane reachable for its remotes."""
    if control_plane.exposure == "gateway":
        gateway = built.gateways[cluster.name]
        return Discovery(gateway.addresses, gateway)
    if control_plane.exposure == "pod-ip":
        pod = ControlPlanePod(
            cluster.name,
            {"namespace": built.istio.namespace},
            built.options(cluster, built.webhooks[cluster.name]),
        )
        return Discovery(pod.addresses, pod)
    annotations = dict[str, str]()
    if control_plane.exposure == "internal-load-balancer":
        annotations = _internal_annotations(cluster, control_plane.cloud)
    service = ControlPlaneService(
        cluster.name,
        {
            "cluster": cluster.name,
            "namespace": built.istio.namespace,
            "annotations": {**annotations, **control_plane.annotations},
            "source_ranges": _source_ranges(built, cluster, control_plane.source_ranges),
        },
        built.options(cluster, built.webhooks[cluster.name]),
    )
    return Discovery(service.addresses, service)


def _internal_annotations(cluster: Cluster, cloud: Cloud | None) -> dict[str, str]:
    """Annotations of an internal load balancer: of a cloud that is named, or of a cluster that is
    created here, whose peers reach it within Google Cloud."""
    return {**(INTERNAL["gke"] if cluster.gke else {}), **(INTERNAL[cloud] if cloud else {})}


def _source_ranges(
    built: Built, cluster: Cluster, configured: Sequence[IpNetwork]
) -> Sequence[str]:
    """Source ranges for a cluster's load balancers: the configured ones, or those of the mesh if
    they are known."""
    if configured:
        return [str(r) for r in configured]
    return (
        built.connections.gke.plan.callers(cluster) if built.connections.gke and cluster.gke else ()
    )


def _gke_clusters(spec: MeshSpec, last: LastUpdate) -> "GkeClusters | None":
    if spec.gcp is None:
        return None
    from stacks.gke import create_clusters  # costly, and of no use to other meshes

    return create_clusters(spec, spec.gcp, [last.mesh_id] if last.mesh_id else [])
