"""Namespaces and Services that exist in every cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import pulumi
from pulumi_kubernetes import core


@dataclass(frozen=True)
class ReplicatedPort:
    """A port of a Service."""

    name: str
    port: int
    target_port: int


@dataclass(frozen=True)
class ReplicatedService:
    """A Service as every cluster has it."""

    namespace: str
    name: str
    ports: Sequence[ReplicatedPort]
    selector: Mapping[str, str]


class SamenessArgs(TypedDict):
    """What this cluster has in common with the others."""

    namespaces: Mapping[str, bool]
    """By name, whether its pods are injected."""
    services: Sequence[ReplicatedService]
    """Services in these namespaces."""


class Sameness(pulumi.ComponentResource):
    """One cluster's copies of the mesh's namespaces and Services.

    A caller resolves a name in its own cluster, wherever the pods are (istio/istio#31760).
    """

    def __init__(
        self, name: str, args: SamenessArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("isthmus:index:Sameness", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        namespaces = {
            namespace: core.v1.Namespace(
                f"{name}-{namespace}",
                metadata={
                    "name": namespace,
                    "labels": {"istio-injection": "enabled" if injected else "disabled"},
                },
                opts=child,
            )
            for namespace, injected in args["namespaces"].items()
        }
        for service in args["services"]:
            core.v1.Service(
                f"{name}-{service.namespace}-{service.name}",
                metadata={
                    "name": service.name,
                    "namespace": namespaces[service.namespace].metadata.name,
                    # Most clusters have no pods for it, and need none.
                    "annotations": {"pulumi.com/skipAwait": "true"},
                },
                spec={
                    "selector": service.selector,
                    "ports": [
                        {"name": p.name, "port": p.port, "target_port": p.target_port}
                        for p in service.ports
                    ],
                },
                opts=child,
            )
        self.register_outputs({})
