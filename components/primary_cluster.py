"""The control plane of a primary cluster."""

from collections.abc import Mapping
from typing import Any, TypedDict

import pulumi

from components import charts, values


class PrimaryClusterArgs(TypedDict):
    """Identity of the cluster and what its istiod serves."""

    cluster: str
    """Istio's cluster ID."""
    network: str
    """Network of the cluster's pods."""
    mesh_id: str
    """ID that all clusters of the mesh share."""
    namespace: str
    """Istio's namespace."""
    has_remotes: bool
    """Whether istiod leads other clusters too (chart value `global.externalIstiod`)."""
    source: charts.ChartSource
    """Istio's charts."""
    istiod_values: Mapping[str, Any]
    """The user's own values for the chart `istiod`."""


class PrimaryCluster(pulumi.ComponentResource):
    """istiod, ready to serve. Its cluster must be a MeshMember."""

    def __init__(
        self, name: str, args: PrimaryClusterArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("isthmus:index:PrimaryCluster", name, {}, opts)
        charts.install(
            f"{name}-istiod",
            "istiod",
            args["source"],
            release="istiod",
            namespace=args["namespace"],
            values=values.merged(
                args["istiod_values"],
                values.primary(
                    namespace=args["namespace"],
                    mesh_id=args["mesh_id"],
                    cluster=args["cluster"],
                    network=args["network"],
                    has_remotes=args["has_remotes"],
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
