"""Istio's Helm charts, installed in one of two ways behind one function.

`rendered` (helm.v4.Chart) creates every object as a resource of the stack, shown in the preview.
`release` (helm.v3.Release) creates one Helm release for each chart, for `helm list` and `rollback`.
Both wait until the chart's workloads are ready, so depending on what `install` returns is enough.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pulumi
from pulumi_kubernetes.helm import v3, v4

from .ownership import annotated

Method = Literal["rendered", "release"]


@dataclass(frozen=True)
class ChartSource:
    """Place and version of Istio's charts."""

    location: str
    """A directory with `base`, `istiod` and `gateway`, a Helm repository, or an `oci://` prefix."""
    version: str
    """Chart version, which for Istio is also the version of the images."""
    method: Method


def install(
    name: str,
    chart: Literal["base", "istiod", "gateway"],
    source: ChartSource,
    *,
    release: str,
    namespace: pulumi.Input[str],
    values: pulumi.Input[Mapping[str, Any]],
    opts: pulumi.ResourceOptions,
) -> pulumi.Resource:
    """Install one chart.

    Args:
        name: Pulumi name of the resource, unique in the stack.
        release: Helm release name, the one that Istio's documents use.
        values: values of the chart; unknown ones are allowed in a preview.
    """
    is_repository = source.location.startswith(("http://", "https://"))
    path = chart if is_repository else f"{source.location.rstrip('/')}/{chart}"
    repository = source.location if is_repository else None
    # A directory has no versions to choose from; the preflight has compared it already.
    version = source.version if "://" in source.location else None
    if source.method == "rendered":
        return v4.Chart(
            name,
            name=release,
            namespace=namespace,
            chart=path,
            version=version,
            repository_opts=v4.RepositoryOptsArgs(repo=repository) if repository else None,
            values=values,
            opts=pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(transforms=[leave_to_istiod, wait_for_workloads_only])
            ),
        )
    return v3.Release(
        name,
        name=release,
        namespace=namespace,
        chart=path,
        version=version,
        repository_opts=v3.RepositoryOptsArgs(repo=repository) if repository else None,
        values=values,
        opts=opts,
    )


def leave_to_istiod(
    args: pulumi.ResourceTransformArgs,
) -> pulumi.ResourceTransformResult | None:
    """istiod sets its validating webhook to Fail itself, when the API server reaches it.

    The chart starts with Ignore. Without this every refresh would report Fail as a drift
    (istio/istio#44285). An update of the chart applies Ignore again, which is a conflict with
    istiod unless forced; istiod then sets Fail again.
    """
    if not args.type_.endswith(":ValidatingWebhookConfiguration"):
        return None
    opts = pulumi.ResourceOptions.merge(
        args.opts, pulumi.ResourceOptions(ignore_changes=["webhooks[*].failurePolicy"])
    )
    props = annotated(args.props, {"pulumi.com/patchForce": "true"})
    return pulumi.ResourceTransformResult(props, opts)


def wait_for_workloads_only(
    args: pulumi.ResourceTransformArgs,
) -> pulumi.ResourceTransformResult | None:
    """Do not wait for a chart's Service: its Deployment is enough, and a remote's has no pods.

    The provider considers a Service ready when its endpoints have not changed for ten seconds
    (provider/pkg/await in pulumi/pulumi-kubernetes), which nothing here needs.
    """
    if args.type_ != "kubernetes:core/v1:Service":
        return None
    props = annotated(args.props, {"pulumi.com/skipAwait": "true"})
    return pulumi.ResourceTransformResult(props, args.opts)
