"""The moment from which a cluster's pods are injected and its configuration is accepted."""

from typing import TypedDict

import pulumi
from pulumi_kubernetes import admissionregistration
from pulumi_kubernetes.meta.v1 import ObjectMetaPatchArgs


class WebhooksArgs(TypedDict):
    """Which webhooks are waited for."""

    namespace: str
    """Istio's namespace; the names depend on it."""
    injects: bool
    """Whether the cluster has an injection webhook."""
    validates: bool
    """Whether objects of Istio's kinds will be written to this cluster, as in a primary."""


class Webhooks(pulumi.ComponentResource):
    """Waits until istiod has written its CA bundle into the cluster's webhooks.

    A pod made earlier is refused with `x509: certificate signed by unknown authority`, and its
    ReplicaSet tries again more and more slowly (istio/istio#37070). Whatever is injected depends
    on this component: no restarts, no sleeps. The wait is an annotation that a Patch resource adds
    to the webhook; removing the patch removes the annotation.
    """

    def __init__(
        self, name: str, args: WebhooksArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("isthmus:index:Webhooks", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        kind = admissionregistration.v1
        if args["injects"]:
            kind.MutatingWebhookConfigurationPatch(
                f"{name}-injector", metadata=_waiting(injector_name(args["namespace"])), opts=child
            )
        if args["validates"]:
            for suffix, webhook in (
                ("validator", f"istio-validator-{args['namespace']}"),
                ("default-validator", "istiod-default-validator"),
            ):
                kind.ValidatingWebhookConfigurationPatch(
                    f"{name}-{suffix}", metadata=_waiting(webhook), opts=child
                )
        self.register_outputs({})


def _waiting(name: str) -> ObjectMetaPatchArgs:
    return ObjectMetaPatchArgs(
        name=name,
        annotations={"pulumi.com/waitFor": "jsonpath={.webhooks[0].clientConfig.caBundle}"},
    )


def injector_name(namespace: str) -> str:
    """Name that the istiod chart gives its webhook (templates/mutatingwebhook.yaml)."""
    suffix = "" if namespace == "istio-system" else f"-{namespace}"
    return f"istio-sidecar-injector{suffix}"
