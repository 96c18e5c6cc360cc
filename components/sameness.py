"""Namespaces and Services that exist in every cluster."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

import pulumi
from pulumi_kubernetes import core

from components.replicated import ReplicatedPort, ReplicatedService


class SamenessArgs(TypedDict):
    """What this cluster has in common with the others."""

    namespaces: Mapping[str, Mapping[str, str]]
    """Namespaces that the cluster lacks, with their labels."""
    services: Sequence[ReplicatedService]
    """Services that it lacks, in these namespaces or in some that it has."""
    mark: Mapping[str, str]
    """Labels by which the next update knows them for copies."""


class Sameness(pulumi.ComponentResource):
    """One cluster's copies of the mesh's namespaces and Services.

    A caller resolves a name in its own cluster, wherever the pods are (istio/istio#31760). What the
    user has made there must not be named here: it would be taken over, and deleted in the end.
    """

    def __init__(
        self, name: str, args: SamenessArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("isthmus:index:Sameness", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        namespaces = {
            namespace: core.v1.Namespace(
                f"{name}-{namespace}",
                metadata={"name": namespace, "labels": {**labels, **args["mark"]}},
                opts=child,
            )
            for namespace, labels in args["namespaces"].items()
        }
        for service in args["services"]:
            core.v1.Service(
                f"{name}-{service.namespace}-{service.name}",
                metadata={
                    "name": service.name,
                    "namespace": namespaces[service.namespace].metadata.name
                    if service.namespace in namespaces
                    else service.namespace,
                    "labels": args["mark"],
                    # Most clusters have no pods for it, and need none.
                    "annotations": {"pulumi.com/skipAwait": "true"},
                },
                spec={
                    "selector": service.selector,
                    "ports": [_port(p) for p in service.ports],
                },
                opts=child,
            )
        self.register_outputs({})


def _port(port: ReplicatedPort) -> core.v1.ServicePortArgsDict:
    made: core.v1.ServicePortArgsDict = {
        "port": port.port,
        "target_port": port.target_port,
        "protocol": port.protocol,
    }
    if port.name:
        made["name"] = port.name
    if port.app_protocol:
        made["app_protocol"] = port.app_protocol
    return made
