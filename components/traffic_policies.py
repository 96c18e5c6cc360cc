"""Rules about which pods of a Service answer first."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import pulumi
from pulumi_kubernetes import apiextensions

from .ownership import mark


class TrafficPolicyArgs(TypedDict):
    """One DestinationRule."""

    namespace: str
    """Istio's namespace for all Services, or the Service's own."""
    name: str
    """Its name, unique within the namespace."""
    host: str
    """A Service's host, or a pattern."""
    traffic_policy: Mapping[str, Any]
    """Istio's `trafficPolicy`."""


class TrafficPoliciesArgs(TypedDict):
    """Rules of one control plane."""

    rules: Sequence[TrafficPolicyArgs]
    """A DestinationRule each."""


class TrafficPolicies(pulumi.ComponentResource):
    """DestinationRules of one control plane.

    Create it in every primary, whose configuration its remotes share, after the cluster's Webhooks.
    A proxy uses one rule for a host, from the first of these namespaces that has any: the caller's,
    the Service's, Istio's. So a rule of the user replaces one for all Services, and is not merged
    with it (`destinationRule` in pilot/pkg/model/push_context.go of istio/istio).
    """

    def __init__(
        self, name: str, args: TrafficPoliciesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("isthmus:index:TrafficPolicies", name, {}, opts)
        for rule in args["rules"]:
            apiextensions.CustomResource(
                f"{name}/{rule['namespace']}/{rule['name']}",
                api_version="networking.istio.io/v1",
                kind="DestinationRule",
                metadata={
                    "name": rule["name"],
                    "namespace": rule["namespace"],
                    "annotations": mark(),
                },
                spec={"host": rule["host"], "trafficPolicy": rule["traffic_policy"]},
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
