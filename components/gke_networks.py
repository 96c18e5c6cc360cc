"""The VPCs of a mesh on Google Cloud, and their connections."""

import itertools
from collections.abc import Mapping, Sequence
from typing import TypedDict

import pulumi
from pulumi_gcp import compute


class GkeNetworksArgs(TypedDict):
    """The VPCs to create or to use."""

    project: str
    """Project of the VPCs."""
    new_vpcs: Sequence[str]
    """Names of VPCs to create."""
    existing_vpcs: Sequence[str]
    """Names of existing VPCs."""
    peered: bool
    """Whether every VPC is to be peered with every other one."""


class GkeNetworks(pulumi.ComponentResource):
    """VPCs without subnets, peered with each other.

    A peering carries routes of subnets, with secondary ranges, and of internal load balancers. The
    firewall rules of each cluster limit which traffic can use it.
    """

    ids: Mapping[str, pulumi.Output[str]]
    """ID of each VPC by name."""

    def __init__(
        self, name: str, args: GkeNetworksArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("isthmus:index:GkeNetworks", name, {}, opts)
        created = {
            vpc: compute.Network(
                f"{name}-{vpc}",
                name=vpc,
                auto_create_subnetworks=False,
                routing_mode="GLOBAL",
                opts=pulumi.ResourceOptions(parent=self),
            )
            for vpc in args["new_vpcs"]
        }
        project = args["project"]
        self.ids = {vpc: network.id for vpc, network in created.items()} | {
            vpc: pulumi.Output.from_input(f"projects/{project}/global/networks/{vpc}")
            for vpc in args["existing_vpcs"]
        }
        if args["peered"]:
            self._peer(name)
        self.register_outputs({"ids": self.ids})

    def _peer(self, name: str) -> None:
        """Peer every two VPCs, from both sides: a peering is up when there are both.

        One after another: Google Cloud changes the peerings of a network one at a time.
        """
        before: list[pulumi.Resource] = []
        for here, there in itertools.permutations(self.ids, 2):
            peering = compute.NetworkPeering(
                f"{name}/{here}/{there}",
                # A generated one would contain a slash, which Google Cloud refuses. It must be
                # unique among the peerings of the one VPC.
                name=there,
                network=self.ids[here],
                peer_network=self.ids[there],
                opts=pulumi.ResourceOptions(
                    parent=self,
                    depends_on=before,
                    # The former name could be that of two peerings: `a-b` with `c`, `a` with `b-c`.
                    aliases=[pulumi.Alias(name=f"{name}-{here}-{there}")],
                    ignore_changes=["name"],  # Peerings of 0.1 have generated ones.
                ),
            )
            before = [peering]
