"""Waits until a cluster injects pods and accepts Istio's objects."""

import json
from typing import NotRequired, TypedDict

import pulumi
from pulumi_kubernetes import admissionregistration
from pulumi_kubernetes.meta.v1 import ObjectMetaPatchArgs

from . import names
from .ownership import mark, this_stack


class WebhooksArgs(TypedDict):
    """The webhooks to wait for."""

    namespace: str
    """Istio's namespace; the names depend on it."""
    injects: NotRequired[bool]
    """Whether the cluster has an injection webhook. Default: true."""
    validates: NotRequired[bool]
    """Whether objects of Istio's kinds will be written to this cluster. Set it to false for a
    remote, which has no such webhook. Default: true."""


class Webhooks(pulumi.ComponentResource):
    """Waits until the API server reaches istiod through the cluster's webhooks.

    Injection: until istiod has written its CA bundle. An earlier pod is refused with `x509:
    certificate signed by unknown authority`, and its ReplicaSet tries again more and more slowly
    (istio/istio#37070). Whatever is injected depends on this component: no restarts, no sleeps.

    Validation: until istiod has set the webhook to Fail, which it does when the API server has
    reached it (readyForFailClose in pkg/webhooks/validation/controller). An object of
    Istio's sent earlier is lost to a refused connection while Services are still being wired.

    The wait is an annotation that a Patch resource adds; removing the patch removes it.
    """

    def __init__(
        self, name: str, args: WebhooksArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("isthmus:index:Webhooks", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        kind = admissionregistration.v1
        if args.get("injects", True):
            kind.MutatingWebhookConfigurationPatch(
                f"{name}-injector",
                metadata=_waiting(names.injector(args["namespace"]), "clientConfig.caBundle"),
                opts=child,
            )
        if args.get("validates", True):
            for suffix, webhook in (
                ("validator", f"istio-validator-{args['namespace']}"),
                ("default-validator", "istiod-default-validator"),
            ):
                kind.ValidatingWebhookConfigurationPatch(
                    f"{name}-{suffix}",
                    metadata=_waiting(webhook, "failurePolicy", "=Fail"),
                    opts=child,
                )
        self.register_outputs({})


def _waiting(name: str, field: str, value: str = "") -> ObjectMetaPatchArgs:
    """Metadata of a patch that waits for a field of the first webhook, and for itself.

    The provider judges what its watch shows, which can be older than the patch, and records what it
    judged (Observe in provider/pkg/await/condition/observer.go compares generations, and an
    annotation does not change that). Without the second condition a later preview would show the
    annotations as missing.
    """
    conditions = [
        f"jsonpath={{.webhooks[0].{field}}}{value}",
        f"jsonpath={{.metadata.annotations['{names.STACK}']}}={this_stack()}",
    ]
    return ObjectMetaPatchArgs(
        name=name,
        annotations={
            **mark(),
            **names.AKS_OPT_OUT,
            "pulumi.com/waitFor": json.dumps(conditions),
        },
    )
