"""Pulumi components of one Istio mesh across many Kubernetes clusters.

`from components import SharedCA` and all others of `__all__`; docs/components.md shows them used.
A name is imported when it is first used: a program that creates no cluster on GKE does not load
pulumi_gcp.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from components.charts import ChartSource
    from components.cluster_aware_gateway import ClusterAwareGateway, ClusterAwareGatewayArgs
    from components.cluster_identity import ClusterIdentity
    from components.control_plane_pod import ControlPlanePod, ControlPlanePodArgs
    from components.control_plane_service import ControlPlaneService, ControlPlaneServiceArgs
    from components.gke_cluster import GkeCluster, GkeClusterArgs, NodePool, Opening, Subnet
    from components.gke_networks import GkeNetworks, GkeNetworksArgs
    from components.mesh_member import MeshMember, MeshMemberArgs
    from components.mesh_policy import MeshPolicy, MeshPolicyArgs
    from components.mesh_uuid import MeshUuid
    from components.primary_cluster import PrimaryCluster, PrimaryClusterArgs
    from components.remote_cluster import RemoteCluster, RemoteClusterArgs
    from components.remote_secret import RemoteSecret, RemoteSecretArgs
    from components.sample import Sample, SampleArgs
    from components.service_entries import (
        GatewayEndpoint,
        ServiceEntries,
        ServiceEntriesArgs,
        ServicePort,
    )
    from components.shared_ca import (
        IntermediateArgs,
        IntermediateCA,
        RootArgs,
        SharedCA,
        SharedCAArgs,
    )
    from components.shared_configuration import (
        SharedConfiguration,
        SharedConfigurationArgs,
        SharedObjectArgs,
    )
    from components.shared_services import (
        SharedPortArgs,
        SharedServiceArgs,
        SharedServices,
        SharedServicesArgs,
    )
    from components.verification import Verification, VerificationArgs
    from components.webhooks import Webhooks, WebhooksArgs

_HOMES = {
    "charts": ("ChartSource",),
    "cluster_aware_gateway": ("ClusterAwareGateway", "ClusterAwareGatewayArgs"),
    "cluster_identity": ("ClusterIdentity",),
    "control_plane_pod": ("ControlPlanePod", "ControlPlanePodArgs"),
    "control_plane_service": ("ControlPlaneService", "ControlPlaneServiceArgs"),
    "service_entries": (
        "ServiceEntries",
        "ServiceEntriesArgs",
        "GatewayEndpoint",
        "ServicePort",
    ),
    "gke_cluster": ("GkeCluster", "GkeClusterArgs", "NodePool", "Opening", "Subnet"),
    "gke_networks": ("GkeNetworks", "GkeNetworksArgs"),
    "mesh_member": ("MeshMember", "MeshMemberArgs"),
    "mesh_policy": ("MeshPolicy", "MeshPolicyArgs"),
    "mesh_uuid": ("MeshUuid",),
    "primary_cluster": ("PrimaryCluster", "PrimaryClusterArgs"),
    "remote_cluster": ("RemoteCluster", "RemoteClusterArgs"),
    "remote_secret": ("RemoteSecret", "RemoteSecretArgs"),
    "shared_configuration": (
        "SharedConfiguration",
        "SharedConfigurationArgs",
        "SharedObjectArgs",
    ),
    "shared_services": (
        "SharedPortArgs",
        "SharedServiceArgs",
        "SharedServices",
        "SharedServicesArgs",
    ),
    "sample": ("Sample", "SampleArgs"),
    "shared_ca": ("IntermediateArgs", "IntermediateCA", "RootArgs", "SharedCA", "SharedCAArgs"),
    "verification": ("Verification", "VerificationArgs"),
    "webhooks": ("Webhooks", "WebhooksArgs"),
}

__all__ = [
    "ChartSource",
    "ClusterAwareGateway",
    "ClusterAwareGatewayArgs",
    "ClusterIdentity",
    "ControlPlanePod",
    "ControlPlanePodArgs",
    "ControlPlaneService",
    "ControlPlaneServiceArgs",
    "GatewayEndpoint",
    "GkeCluster",
    "GkeClusterArgs",
    "GkeNetworks",
    "GkeNetworksArgs",
    "IntermediateArgs",
    "IntermediateCA",
    "MeshMember",
    "MeshMemberArgs",
    "MeshPolicy",
    "MeshPolicyArgs",
    "MeshUuid",
    "NodePool",
    "Opening",
    "PrimaryCluster",
    "PrimaryClusterArgs",
    "RemoteCluster",
    "RemoteClusterArgs",
    "RemoteSecret",
    "RemoteSecretArgs",
    "RootArgs",
    "Sample",
    "SampleArgs",
    "ServiceEntries",
    "ServiceEntriesArgs",
    "ServicePort",
    "SharedCA",
    "SharedCAArgs",
    "SharedConfiguration",
    "SharedConfigurationArgs",
    "SharedObjectArgs",
    "SharedPortArgs",
    "SharedServiceArgs",
    "SharedServices",
    "SharedServicesArgs",
    "Subnet",
    "Verification",
    "VerificationArgs",
    "Webhooks",
    "WebhooksArgs",
]

_MODULES = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
