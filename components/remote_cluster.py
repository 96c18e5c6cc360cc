"""A cluster that a primary in another cluster serves."""

from collections.abc import Mapping
from typing import Any, TypedDict

import pulumi

from components import charts, names, values


class RemoteClusterArgs(TypedDict):
    """Identity of the cluster, and the address of its control plane."""

    cluster: str
    """Istio's cluster ID, equal to the key of its remote secret."""
    network: str
    """Network of the cluster's pods."""
    mesh_id: str
    """ID that all clusters of the mesh share."""
    namespace: str
    """Istio's namespace."""
    discovery_address: pulumi.Input[str]
    """IP address of the primary's control plane, ports 15012 and 15017 (`remotePilotAddress`)."""
    injects: bool
    """Whether the cluster has an injection webhook."""
    source: charts.ChartSource
    """Istio's charts."""
    istiod_values: Mapping[str, Any]
    """User-provided values for the chart `istiod`."""


class RemoteCluster(pulumi.ComponentResource):
    """The remote profile of the istiod chart: webhooks and a Service that leads to the primary.

    It has no istiod. The reader's ClusterRole is in this chart, so the remote secret is created
    after it, and deleted before it.
    """

    def __init__(
        self, name: str, args: RemoteClusterArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("isthmus:index:RemoteCluster", name, {}, opts)
        charts.install(
            f"{name}-istiod",
            "istiod",
            args["source"],
            release=names.ISTIOD,
            namespace=args["namespace"],
            values=values.merged(
                args["istiod_values"],
                values.remote(
                    namespace=args["namespace"],
                    mesh_id=args["mesh_id"],
                    cluster=args["cluster"],
                    network=args["network"],
                    discovery_address=args["discovery_address"],
                    injects=args["injects"],
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
