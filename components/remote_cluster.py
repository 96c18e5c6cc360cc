"""A cluster that a primary in another cluster serves."""

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

import pulumi

from . import charts, names, values
from .cluster_identity import ClusterIdentity


class RemoteClusterArgs(TypedDict):
    """Identity of the cluster, and the address of its control plane."""

    identity: ClusterIdentity
    """Names of the cluster and its mesh."""
    discovery_address: pulumi.Input[str]
    """IP address of the primary's control plane, ports 15012 and 15017 (`remotePilotAddress`)."""
    source: charts.ChartSource
    """Istio's charts."""
    injects: NotRequired[bool]
    """Whether the cluster has an injection webhook. Default: true."""
    istiod_values: NotRequired[Mapping[str, Any]]
    """User-provided values for the chart `istiod`."""


class RemoteCluster(pulumi.ComponentResource):
    """The remote profile of the istiod chart: webhooks and a Service that leads to the primary.

    It has no istiod. The reader's ClusterRole is in this chart, so the remote secret is created
    after it, and deleted before it.
    """

    def __init__(
        self, name: str, args: RemoteClusterArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        # The chart keeps its URN, and is updated in place, when the cluster changes its role.
        former = pulumi.Alias(type_="isthmus:index:PrimaryCluster")
        opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(aliases=[former]))
        super().__init__("isthmus:index:RemoteCluster", name, {}, opts)
        identity = args["identity"]
        charts.install(
            f"{name}-istiod",
            "istiod",
            args["source"],
            release=names.ISTIOD,
            namespace=identity.namespace,
            values=values.merged(
                args.get("istiod_values", {}),
                values.remote(
                    identity,
                    discovery_address=args["discovery_address"],
                    injects=args.get("injects", True),
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
