"""The addresses of istiod's pods, as the path to a control plane."""

from collections.abc import Sequence
from typing import Any, TypedDict

import pulumi
from pulumi_kubernetes import core


class ControlPlanePodArgs(TypedDict):
    """Place of istiod."""

    namespace: str
    """Istio's namespace."""


class ControlPlanePod(pulumi.ComponentResource):
    """Reads the addresses of ready istiod pods, as Istio's first documents did for one.

    Every update reads it, so the next `up` fixes remotes after the pod has moved. It depends on the
    cluster's Webhooks, when istiod is ready.
    """

    addresses: pulumi.Output[Sequence[str]]
    """IP addresses of the pods."""

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
        self.addresses = endpoints.subsets.apply(_ready)
        self.register_outputs({"addresses": self.addresses})


def _ready(subsets: Any) -> Sequence[str]:
    found = [str(a.ip) for subset in subsets or [] for a in subset.addresses or []]
    if found:
        return found
    raise ValueError(
        "no pod of istiod is ready, so there is no address that its remotes could use; see "
        "`kubectl -n istio-system get pods`, then run `pulumi up` again"
    )
