"""A cluster that a primary in another cluster serves."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
from pulumi_kubernetes import discovery

from . import charts, names, values
from .cluster_identity import ClusterIdentity


class RemoteClusterArgs(TypedDict):
    """Identity of the cluster, and the address of its control plane."""

    identity: ClusterIdentity
    """Names of the cluster and its mesh."""
    discovery_address: pulumi.Input[str]
    """IP address of the primary's control plane, ports 15012 and 15017 (`remotePilotAddress`)."""
    further_addresses: NotRequired[pulumi.Input[Sequence[str]]]
    """Its other addresses, such as those of a load balancer in other zones. Default: none."""
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
        # The chart takes one address. What connects through the Service tries one of all. The
        # chart's is among them: of an empty list, the API server keeps nothing, which each refresh
        # would show as a change.
        addresses = pulumi.Output.all(args["discovery_address"], args.get("further_addresses", []))
        discovery.v1.EndpointSlice(
            f"{name}-istiod-addresses",
            metadata={
                "name": names.ADDRESSES,
                "namespace": identity.namespace,
                "labels": {
                    "kubernetes.io/service-name": names.ISTIOD,
                    "endpointslice.kubernetes.io/managed-by": "isthmus",
                },
            },
            address_type=addresses.apply(lambda x: "IPv6" if ":" in x[0] else "IPv4"),
            endpoints=addresses.apply(lambda x: _endpoints([x[0], *x[1]])),
            ports=[
                {"name": "tcp-istiod", "port": names.XDS_PORT, "protocol": "TCP"},
                {"name": "tcp-webhook", "port": names.WEBHOOK_PORT, "protocol": "TCP"},
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def _endpoints(addresses: Sequence[str]) -> Sequence[discovery.v1.EndpointArgs]:
    return [discovery.v1.EndpointArgs(addresses=[address]) for address in addresses]
