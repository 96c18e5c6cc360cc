"""Objects that every cluster of the mesh needs before a control plane can serve it."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_kubernetes.helm import v3

from . import charts, names, ownership, values
from .account_token import account_token
from .cluster_identity import ClusterIdentity
from .shared_ca import IntermediateCA


def _beside(chart: str) -> str:
    """Return the path of a chart of this package, relative to the program's folder.

    It is an input, so it is in the state and in diffs: relative, because another machine has the
    project elsewhere; with a dot in front, because Helm treats other names as repositories.
    """
    path = Path(os.path.relpath(Path(__file__).parent / chart)).as_posix()
    return path if path.startswith(".") else f"./{path}"


class MeshMemberArgs(TypedDict):
    """A cluster's identity in the mesh and its part of the common trust."""

    identity: ClusterIdentity
    """Names of the cluster and its mesh."""
    announced_by_label: NotRequired[bool]
    """Whether istiod reads the network from a label of the namespace; otherwise from
    `meshNetworks`. Default: true."""
    marks: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Further annotations of the namespace by which the stack recognizes its own mesh. They are
    inputs, so that a kubeconfig that leads to another cluster is a difference."""
    adopts_namespace: NotRequired[bool]
    """Whether the namespace is the user's: it is labeled, and never deleted."""
    primary: NotRequired[pulumi.Input[str]]
    """For a remote, the cluster whose istiod serves it."""
    intermediate_ca: NotRequired[IntermediateCA]
    """Signs the certificates of the cluster's workloads. Left out where another tool writes the
    Secret `cacerts`."""
    is_read: bool
    """Whether another cluster's istiod watches this one; creates the reader's token."""
    token_generation: NotRequired[int]
    """Another number, from 1 on, replaces the reader's token: the new one is created before its
    users change, and the former one is deleted after that."""
    source: charts.ChartSource
    """Istio's charts."""
    base_values: NotRequired[Mapping[str, Any]]
    """User-provided values for the chart `base`."""
    leave_nothing_values: NotRequired[Mapping[str, Any]]
    """User-provided values for the chart `leave-nothing`."""


class MeshMember(pulumi.ComponentResource):
    """Namespace, `cacerts`, CRDs and reader account of one cluster.

    The Secret `cacerts` exists before istiod starts, which would otherwise silently sign with its
    own root (istio/istio#53961). Everything else in the cluster depends on this component, so it is
    deleted last, together with what Istio itself leaves behind.
    """

    namespace: pulumi.Output[str]
    """Istio's namespace, known when it exists with its labels."""
    reader_token: pulumi.Output[Mapping[str, str]] | None
    """Data of the reader's token Secret (`token`, `ca.crt`, base64), a secret. None if unused."""
    reader_token_created: pulumi.Output[str | None] | None
    """When the API server created the token. None if unused."""

    def __init__(
        self, name: str, args: MeshMemberArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("isthmus:index:MeshMember", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        identity = args["identity"]
        primary = args.get("primary")
        namespace = ownership.namespace(
            f"{name}-namespace",
            identity.namespace,
            adopted=args.get("adopts_namespace", False),
            # istiod gives endpoints of this cluster this network (istio/istio#28381).
            labels={names.NETWORK: identity.network}
            if args.get("announced_by_label", True)
            else {},
            # Read once, when istiod meets the cluster: it has to exist before the remote secret
            # (pilot/pkg/serviceregistry/kube/controller/multicluster.go).
            annotations={
                **args.get("marks", {}),
                **({names.CONTROL_PLANE_CLUSTERS: primary} if primary else {}),
            },
            opts=child,
        )
        self.namespace = namespace.metadata.name
        trust = list[pulumi.Resource]()
        if "intermediate_ca" in args:
            trust.append(
                kubernetes.core.v1.Secret(
                    f"{name}-cacerts",
                    metadata={"name": names.CACERTS, "namespace": self.namespace},
                    string_data=args["intermediate_ca"].files,
                    opts=child,
                )
            )
        leave_nothing = v3.Release(
            f"{name}-leave-nothing",
            name=names.LEAVE_NOTHING,
            namespace=self.namespace,
            chart=_beside("leave-nothing"),
            values=values.merged(
                args.get("leave_nothing_values", {}),
                {"crdsOf": names.BASE, "crdNames": list(names.ISTIO_CRDS)},
            ),
            opts=child,
        )
        # Always as a release: as resources of the stack its CRDs are most of the state and half of
        # an update's time, and neither Helm nor Pulumi removes them (their `resource-policy` is
        # `keep`).
        base = charts.install(
            f"{name}-base",
            "base",
            replace(args["source"], method="release"),
            release=names.BASE,
            namespace=self.namespace,
            values=values.merged(
                args.get("base_values", {}),
                values.base(namespace=identity.namespace, is_remote=primary is not None),
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*trust, leave_nothing]),
        )
        self.reader_token = self.reader_token_created = None
        if args["is_read"]:
            generation = args.get("token_generation", 1)
            self.reader_token, self.reader_token_created = account_token(
                names.generated(f"{name}-reader-token", generation),
                name=names.reader_token(generation),
                account=names.READER,
                namespace=self.namespace,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[base]),
            )
        self.register_outputs({"namespace": self.namespace})
