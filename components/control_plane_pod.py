"""The address of istiod's pod, as the way to a control plane."""

from typing import Any, TypedDict

import pulumi
from pulumi_kubernetes import core


class ControlPlanePodArgs(TypedDict):
    """Where istiod is."""

    namespace: str
    """Istio's namespace."""


class ControlPlanePod(pulumi.ComponentResource):
    """Reads the address of an istiod pod that is ready, as the first documents of Istio did.

    It is read at every update, so a later `up` mends what breaks when the pod moves. Comes after
    the cluster's Webhooks, when istiod is ready.
    """

    address: pulumi.Output[str]
    """IP address of the pod."""

    def __init__(
        self, name: str, args: ControlPlanePodArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("isthmus:index:ControlPlanePod", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        # A patch of the Service that the chart made, so that its endpoints are read when it is
        # there and not in the first preview. It changes nothing but a label.
        mark = core.v1.ServicePatch(
            f"{name}-istiod",
            metadata={
                "name": "istiod",
                "namespace": args["namespace"],
                "labels": {"isthmus/exposure": "pod-ip"},
            },
            opts=child,
        )
        endpoints = core.v1.Endpoints.get(f"{name}-istiod", id=mark.id, opts=child)
        self.address = endpoints.subsets.apply(_first_ready)
        self.register_outputs({"address": self.address})


def _first_ready(subsets: Any) -> str:
    for subset in subsets or []:
        for address in subset.addresses or []:
            return str(address.ip)
    raise ValueError(
        "no pod of istiod is ready, so there is no address that its remotes could use; see "
        "`kubectl -n istio-system get pods`, then run `pulumi up` again"
    )
