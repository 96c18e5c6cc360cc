"""The address of istiod's pod, as the path to a control plane."""

from typing import Any, TypedDict

import pulumi
from pulumi_kubernetes import core


class ControlPlanePodArgs(TypedDict):
    """Place of istiod."""

    namespace: str
    """Istio's namespace."""


class ControlPlanePod(pulumi.ComponentResource):
    """Reads the address of a ready istiod pod, as Istio's first documents did.

    Every update reads it, so the next `up` fixes remotes after the pod has moved. It depends on the
    cluster's Webhooks, when istiod is ready.
    """

    address: pulumi.Output[str]
    """IP address of the pod."""

    def __init__(
        self, name: str, args: ControlPlanePodArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("isthmus:index:ControlPlanePod", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        # A patch of the chart's Service, so that its endpoints are read when it exists and not
        # in the first preview. It only changes a label.
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
