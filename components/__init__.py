"""Pulumi components of one Istio mesh across many Kubernetes clusters.

Other programs install this package as `isthmus`, so its modules import each other relatively:
`from isthmus import SharedCA`, and all others of `__all__`; docs/components.md shows them used.
A name is imported when it is first used: a program that creates no cluster on GKE does not load
pulumi_gcp.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .charts import ChartSource
    from .cluster_aware_gateway import ClusterAwareGateway, ClusterAwareGatewayArgs
    from .cluster_identity import ClusterIdentity
    from .control_plane_pod import ControlPlanePod, ControlPlanePodArgs
    from .control_plane_service import ControlPlaneService, ControlPlaneServiceArgs
    from .gke_cluster import GkeCluster, GkeClusterArgs, NodePool, Opening, Subnet
    from .gke_networks import GkeNetworks, GkeNetworksArgs
    from .kiali_account import KialiAccount, KialiAccountArgs
    from .mesh_member import MeshMember, MeshMemberArgs
    from .mesh_policy import MeshPolicy, MeshPolicyArgs
    from .mesh_uuid import MeshUuid
    from .primary_cluster import PrimaryCluster, PrimaryClusterArgs
    from .remote_cluster import RemoteCluster, RemoteClusterArgs
    from .remote_secret import RemoteSecret, RemoteSecretArgs
    from .sample import Sample, SampleArgs
    from .service_entries import (
        GatewayEndpoint,
        ServiceEntries,
        ServiceEntriesArgs,
        ServicePort,
    )
    from .shared_ca import (
        IntermediateArgs,
        IntermediateCA,
        RootArgs,
        SharedCA,
        SharedCAArgs,
    )
    from .shared_configuration import (
        SharedConfiguration,
        SharedConfigurationArgs,
        SharedObjectArgs,
    )
    from .shared_services import (
        SharedPortArgs,
        SharedServiceArgs,
        SharedServices,
        SharedServicesArgs,
    )
    from .traffic_policies import (
        TrafficPolicies,
        TrafficPoliciesArgs,
        TrafficPolicyArgs,
    )
    from .verification import Verification, VerificationArgs
    from .webhooks import Webhooks, WebhooksArgs

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
    "kiali_account": ("KialiAccount", "KialiAccountArgs"),
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
    "traffic_policies": ("TrafficPolicies", "TrafficPoliciesArgs", "TrafficPolicyArgs"),
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
    "KialiAccount",
    "KialiAccountArgs",
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
    "TrafficPolicies",
    "TrafficPoliciesArgs",
    "TrafficPolicyArgs",
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
