"""The mark in a cluster that names the stack whose mesh it is in.

Names and labels cannot show the owner: they are those of Istio's charts, the same in every mesh.
Nor can the state: a killed update has created objects that the state does not contain.
"""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from . import names

FIELD_MANAGER = "pulumi.com/patchFieldManager"
"""Annotation that names the field manager to the provider."""


def this_stack() -> str:
    """`<project>/<stack>`: what the mark says of this stack."""
    return f"{pulumi.get_project()}/{pulumi.get_stack()}"


def mark() -> Mapping[str, str]:
    """The annotation as this stack writes it."""
    return {names.STACK: this_stack()}


_LONGEST = 128
"""Characters that Kubernetes accepts in the name of a field manager."""


def written_by_name(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
    """Give each object a field manager that is the same in every update.

    The provider's default is a new random name for each creation. An object that a killed update
    created, and that the state does not know, then conflicts with itself when the next update
    applies it (fieldManagerName in provider/pkg/provider/provider.go), or keeps fields for good
    that the program no longer sets. The resource's name is part of it, so that two resources
    which write the same object do conflict.
    """
    is_object = args.custom and args.type_.startswith("kubernetes:")
    # The annotation is part of the object: a patch cannot have another than the object's own.
    if not is_object or args.type_.endswith("Patch"):
        return None
    manager = f"{this_stack()}:{args.name}"[:_LONGEST]
    return pulumi.ResourceTransformResult(
        annotated(args.props, {FIELD_MANAGER: manager}), args.opts
    )


def annotated(props: pulumi.Inputs, annotations: Mapping[str, str]) -> pulumi.Inputs:
    """Inputs of an object with more annotations; the same where it has no metadata, or none yet."""
    metadata: Any = props.get("metadata")
    if not isinstance(metadata, dict):
        return props
    both = {**(metadata.get("annotations") or {}), **annotations}
    return {**props, "metadata": {**metadata, "annotations": both}}


def namespace(
    pulumi_name: str,
    name: str,
    *,
    adopted: bool,
    labels: Mapping[str, pulumi.Input[str]],
    annotations: Mapping[str, pulumi.Input[str]],
    opts: pulumi.ResourceOptions,
) -> kubernetes.core.v1.Namespace | kubernetes.core.v1.NamespacePatch:
    """Create a namespace with the mark, or label and mark one of the user's.

    A patch takes only its own fields away when it is deleted, and leaves the namespace.
    """
    marked = {**mark(), **({names.ADOPTED: "true"} if adopted else {}), **annotations}
    if adopted:
        return kubernetes.core.v1.NamespacePatch(
            pulumi_name,
            metadata={"name": name, "labels": labels, "annotations": marked},
            opts=opts,
        )
    return kubernetes.core.v1.Namespace(
        pulumi_name,
        metadata={"name": name, "labels": labels, "annotations": marked},
        opts=opts,
    )
