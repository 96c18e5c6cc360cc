"""Namespaces and Services that exist in every cluster."""

from collections.abc import Collection, Mapping, Sequence
from typing import NotRequired, TypedDict

import pulumi
from pulumi_kubernetes import core


class SharedPortArgs(TypedDict):
    """A port of a shared Service."""

    name: str
    """Empty if the Service's only port has none."""
    port: int
    """Port that callers dial."""
    target_port: int | str
    """Number or name of the pods' port."""
    protocol: NotRequired[str]
    """TCP if left out."""
    app_protocol: NotRequired[str | None]
    """As in Kubernetes."""


class SharedServiceArgs(TypedDict):
    """A Service that every cluster has."""

    namespace: str
    """Namespace of the Service, the same in every cluster."""
    name: str
    """Name of the Service, the same in every cluster."""
    ports: Sequence[SharedPortArgs]
    """Its ports, the same in every cluster."""
    selector: Mapping[str, str]
    """Labels of its pods, in whichever clusters they run."""


class SharedServicesArgs(TypedDict):
    """Objects that this cluster shares with the others."""

    namespaces: Mapping[str, Mapping[str, str]]
    """Namespaces that the cluster lacks, with their labels."""
    services: Sequence[SharedServiceArgs]
    """Services that it lacks, in these namespaces or in existing ones."""
    occupied: Collection[str]
    """Namespaces of these that hold objects of users, and stay when the mesh goes."""
    mark: Mapping[str, str]
    """Labels by which the next update recognizes copies."""


class SharedServices(pulumi.ComponentResource):
    """One cluster's copies of the mesh's namespaces and Services.

    A caller resolves a name in its own cluster, wherever the pods are (istio/istio#31760). Do not
    name existing objects of the user here: they would be adopted, and deleted in the end.
    """

    def __init__(
        self, name: str, args: SharedServicesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(
            "isthmus:index:SharedServices",
            name,
            {},
            pulumi.ResourceOptions.merge(
                # The component's name until 0.1; without the alias its objects would be replaced.
                pulumi.ResourceOptions(aliases=[pulumi.Alias(type_="isthmus:index:Sameness")]),
                opts,
            ),
        )
        namespaces = {
            namespace: core.v1.Namespace(
                f"{name}/{namespace}",
                metadata={"name": namespace, "labels": {**labels, **args["mark"]}},
                opts=_named_before(f"{name}-{namespace}", self, keep=namespace in args["occupied"]),
            )
            for namespace, labels in args["namespaces"].items()
        }
        for service in args["services"]:
            core.v1.Service(
                f"{name}/{service['namespace']}/{service['name']}",
                metadata={
                    "name": service["name"],
                    "namespace": namespaces[service["namespace"]].metadata.name
                    if service["namespace"] in namespaces
                    else service["namespace"],
                    "labels": args["mark"],
                    # Most clusters have no pods for it, and need none.
                    "annotations": {"pulumi.com/skipAwait": "true"},
                },
                spec={
                    "selector": service["selector"],
                    "ports": [_port(p) for p in service["ports"]],
                },
                opts=_named_before(f"{name}-{service['namespace']}-{service['name']}", self),
            )
        self.register_outputs({})


def _named_before(
    name: str, parent: pulumi.Resource, *, keep: bool = False
) -> pulumi.ResourceOptions:
    """The name until 0.1 could be that of two objects: `eu` has `west-shop`, `eu-west` has `shop`.

    A slash is in no name of Kubernetes, so that the new names are unique.
    """
    return pulumi.ResourceOptions(
        parent=parent, aliases=[pulumi.Alias(name=name)], retain_on_delete=keep
    )


def _port(port: SharedPortArgs) -> core.v1.ServicePortArgsDict:
    args: core.v1.ServicePortArgsDict = {
        "port": port["port"],
        "target_port": port["target_port"],
        "protocol": port.get("protocol", "TCP"),
    }
    if port["name"]:
        args["name"] = port["name"]
    if app_protocol := port.get("app_protocol"):
        args["app_protocol"] = app_protocol
    return args
