"""Policy for every workload that a control plane serves."""

from typing import TypedDict

import pulumi
from pulumi_kubernetes import apiextensions

from .ownership import mark


class MeshPolicyArgs(TypedDict):
    """Mesh-wide policy."""

    namespace: str
    """Istio's namespace, which is the root namespace of its configuration."""


class MeshPolicy(pulumi.ComponentResource):
    """Makes every workload refuse plain text.

    Create it in a primary, whose configuration its remotes share, after the cluster's Webhooks. A
    DestinationRule for clients is no longer needed: sidecars use mTLS by themselves.
    """

    def __init__(
        self, name: str, args: MeshPolicyArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("isthmus:index:MeshPolicy", name, {}, opts)
        apiextensions.CustomResource(
            f"{name}-mesh-strict",
            api_version="security.istio.io/v1",
            kind="PeerAuthentication",
            metadata={"name": "default", "namespace": args["namespace"], "annotations": mark()},
            spec={"mtls": {"mode": "STRICT"}},
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
