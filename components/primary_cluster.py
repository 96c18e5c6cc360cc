"""The control plane of a primary cluster."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import pulumi

from components import charts, names, values


class PrimaryClusterArgs(TypedDict):
    """Identity of the cluster, and settings of its istiod."""

    cluster: str
    """Istio's cluster ID."""
    network: str
    """Network of the cluster's pods."""
    mesh_id: str
    """ID that all clusters of the mesh share."""
    namespace: str
    """Istio's namespace."""
    has_remotes: bool
    """Whether istiod serves other clusters too (chart value `global.externalIstiod`)."""
    injects: bool
    """Whether the cluster has an injection webhook."""
    cluster_local: Sequence[str]
    """Hosts that only the caller's own cluster answers (`meshConfig.serviceSettings`)."""
    mesh_networks: Mapping[str, Any]
    """Chart value `global.meshNetworks`; empty if labels name the networks."""
    source: charts.ChartSource
    """Istio's charts."""
    istiod_values: Mapping[str, Any]
    """User-provided values for the chart `istiod`."""


class PrimaryCluster(pulumi.ComponentResource):
    """A ready istiod. Its cluster must be a MeshMember."""

    def __init__(
        self, name: str, args: PrimaryClusterArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("isthmus:index:PrimaryCluster", name, {}, opts)
        charts.install(
            f"{name}-istiod",
            "istiod",
            args["source"],
            release=names.ISTIOD,
            namespace=args["namespace"],
            values=values.merged(
                args["istiod_values"],
                values.primary(
                    namespace=args["namespace"],
                    mesh_id=args["mesh_id"],
                    cluster=args["cluster"],
                    network=args["network"],
                    has_remotes=args["has_remotes"],
                    injects=args["injects"],
                    cluster_local=args["cluster_local"],
                    mesh_networks=args["mesh_networks"],
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
