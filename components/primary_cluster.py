"""The control plane of a primary cluster."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi

from . import charts, names, values
from .cluster_identity import ClusterIdentity


class PrimaryClusterArgs(TypedDict):
    """Identity of the cluster, and settings of its istiod."""

    identity: ClusterIdentity
    """Names of the cluster and its mesh."""
    source: charts.ChartSource
    """Istio's charts."""
    has_remotes: NotRequired[bool]
    """Whether istiod serves other clusters too (chart value `global.externalIstiod`). Default:
    false."""
    injects: NotRequired[bool]
    """Whether the cluster has an injection webhook. Default: true."""
    cluster_local: NotRequired[Sequence[str]]
    """Hosts that only the caller's own cluster answers (`meshConfig.serviceSettings`)."""
    mesh_networks: NotRequired[Mapping[str, Any]]
    """Chart value `global.meshNetworks`. Left out if labels name the networks."""
    istiod_values: NotRequired[Mapping[str, Any]]
    """User-provided values for the chart `istiod`."""


class PrimaryCluster(pulumi.ComponentResource):
    """A ready istiod. Its cluster must be a MeshMember."""

    def __init__(
        self, name: str, args: PrimaryClusterArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        # The chart keeps its URN, and is updated in place, when the cluster changes its role.
        former = pulumi.Alias(type_="isthmus:index:RemoteCluster")
        opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(aliases=[former]))
        super().__init__("isthmus:index:PrimaryCluster", name, {}, opts)
        identity = args["identity"]
        charts.install(
            f"{name}-istiod",
            "istiod",
            args["source"],
            release=names.ISTIOD,
            namespace=identity.namespace,
            values=values.merged(
                args.get("istiod_values", {}),
                values.primary(
                    identity,
                    has_remotes=args.get("has_remotes", False),
                    injects=args.get("injects", True),
                    cluster_local=args.get("cluster_local", ()),
                    mesh_networks=args.get("mesh_networks", {}),
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
