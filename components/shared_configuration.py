"""Istio's objects that exist in every control plane."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import pulumi
from pulumi_kubernetes import apiextensions


class SharedObjectArgs(TypedDict):
    """One of Istio's objects."""

    api_version: str
    """For example `networking.istio.io/v1`."""
    kind: str
    """For example `VirtualService`."""
    namespace: str
    """Its namespace, which must exist."""
    name: str
    """Its name, unique within kind and namespace."""
    spec: Mapping[str, Any]
    """Its spec, the same in every control plane."""


class SharedConfigurationArgs(TypedDict):
    """Objects that this control plane shares with the others."""

    objects: Sequence[SharedObjectArgs]
    """Objects that the cluster lacks."""
    mark: Mapping[str, str]
    """Labels by which the next update recognizes copies."""


class SharedConfiguration(pulumi.ComponentResource):
    """One control plane's copies of Istio's objects that another control plane has.

    istiod reads rules for requests only in its own cluster, so each control plane needs them. Do
    not name existing objects of the user here: they would be adopted, and deleted in the end.
    """

    def __init__(
        self, name: str, args: SharedConfigurationArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("isthmus:index:SharedConfiguration", name, {}, opts)
        for one in args["objects"]:
            parts = (name, one["kind"].lower(), one["namespace"], one["name"])
            apiextensions.CustomResource(
                "/".join(parts),
                api_version=one["api_version"],
                kind=one["kind"],
                metadata={
                    "name": one["name"],
                    "namespace": one["namespace"],
                    "labels": args["mark"],
                },
                spec=one["spec"],
                # The former name could be that of two objects, as in SharedServices.
                opts=pulumi.ResourceOptions(
                    parent=self, aliases=[pulumi.Alias(name="-".join(parts))]
                ),
            )
        self.register_outputs({})
