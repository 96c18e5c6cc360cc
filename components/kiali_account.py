"""The account with which Kiali reads a cluster that it does not run in."""

from collections.abc import Mapping
from typing import NotRequired, TypedDict

import pulumi
from pulumi_kubernetes import core, rbac

from . import names
from .account_token import account_token

_READ = ("get", "list", "watch")
_RULES: tuple[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]], ...] = (
    (
        ("",),
        (
            *("configmaps", "endpoints", "namespaces", "pods", "pods/log"),
            *("replicationcontrollers", "services"),
        ),
        _READ,
    ),
    (("",), ("pods/portforward",), ("create",)),
    (("apps",), ("daemonsets", "deployments", "replicasets", "statefulsets"), _READ),
    (("batch",), ("cronjobs", "jobs"), _READ),
    (
        (
            *("extensions.istio.io", "gateway.networking.k8s.io", "networking.istio.io"),
            *("security.istio.io", "telemetry.istio.io"),
        ),
        ("*",),
        _READ,
    ),
    (("admissionregistration.k8s.io",), ("mutatingwebhookconfigurations",), _READ),
    (("authentication.k8s.io",), ("tokenreviews",), ("create",)),
)
"""API groups, resources and verbs of the viewer's role in Kiali's own chart
(kiali-server/templates/clusterrole-viewer.yaml in kiali/helm-charts), without OpenShift's. Kiali
reads no Secret with it, and changes nothing."""


class KialiAccountArgs(TypedDict):
    """Place and token of the account."""

    namespace: pulumi.Input[str]
    """Istio's namespace."""
    token_generation: NotRequired[int]
    """As that of MeshMember. Default: 1."""


class KialiAccount(pulumi.ComponentResource):
    """Service account `kiali-remote-access`, its read-only ClusterRole, and its token."""

    token: pulumi.Output[Mapping[str, str]]
    """Data of the token's Secret (`token`, `ca.crt`, base64), a secret."""
    token_created: pulumi.Output[str | None]
    """When the API server created the token."""

    def __init__(
        self, name: str, args: KialiAccountArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("isthmus:index:KialiAccount", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        namespace = args["namespace"]
        account = core.v1.ServiceAccount(
            f"{name}-kiali", metadata={"name": names.KIALI, "namespace": namespace}, opts=child
        )
        role = rbac.v1.ClusterRole(
            f"{name}-kiali",
            metadata={"name": names.KIALI},
            rules=[
                {"api_groups": list(groups), "resources": list(resources), "verbs": list(verbs)}
                for groups, resources, verbs in _RULES
            ],
            opts=child,
        )
        rbac.v1.ClusterRoleBinding(
            f"{name}-kiali",
            metadata={"name": names.KIALI},
            role_ref={
                "api_group": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": names.KIALI,
            },
            subjects=[{"kind": "ServiceAccount", "name": names.KIALI, "namespace": namespace}],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[account, role]),
        )
        generation = args.get("token_generation", 1)
        self.token, self.token_created = account_token(
            names.generated(f"{name}-kiali-token", generation),
            name=names.generated(names.KIALI, generation),
            account=names.KIALI,
            namespace=namespace,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[account]),
        )
        self.register_outputs({})
