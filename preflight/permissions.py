"""Whether the user of the kubeconfig may do what the update will do."""

from dataclasses import dataclass

from kube.api import ClusterApi
from spec.problems import Problem

_ROLES = "rbac.authorization.k8s.io"
_ADMISSION = "admissionregistration.k8s.io"


@dataclass(frozen=True)
class Permission:
    """One thing to be allowed."""

    verb: str
    resource: str
    group: str = ""
    in_namespace: bool = False
    """In Istio's namespace; in the whole cluster otherwise."""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{'.' if self.group else ''}{self.group}"


NEEDED = (
    Permission("create", "namespaces"),
    Permission("patch", "namespaces"),
    Permission("create", "secrets", in_namespace=True),
    Permission("patch", "secrets", in_namespace=True),
    Permission("create", "serviceaccounts", in_namespace=True),
    Permission("create", "services", in_namespace=True),
    Permission("create", "deployments", "apps", in_namespace=True),
    Permission("create", "clusterroles", _ROLES),
    Permission("create", "clusterrolebindings", _ROLES),
    Permission("create", "customresourcedefinitions", "apiextensions.k8s.io"),
    Permission("create", "mutatingwebhookconfigurations", _ADMISSION),
    Permission("create", "validatingwebhookconfigurations", _ADMISSION),
)
"""One of each sort: who has these has the rest too, or is meant to be stopped."""

GRANTING = (
    Permission("escalate", "clusterroles", _ROLES),
    Permission("bind", "clusterroles", _ROLES),
)
"""Not needed by who has every right of Istio's own roles; Kubernetes lets nobody grant more."""


def is_granted(api: ClusterApi, permission: Permission, namespace: str) -> bool:
    """Ask by a SelfSubjectAccessReview, which also authorizers outside of Kubernetes answer."""
    wanted = {
        "verb": permission.verb,
        "group": permission.group,
        "resource": permission.resource,
        **({"namespace": namespace} if permission.in_namespace else {}),
    }
    review = api.post(
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": wanted},
        },
    )
    return bool(review["status"]["allowed"])


def cannot_grant(missing: list[Permission], path: str, cluster: str) -> Problem:
    """A warning: whether it is one, only the roles themselves will show."""
    return Problem(
        "permissions-cannot-grant",
        f"{path}.kubeconfig",
        f"should be of someone who may grant rights in cluster {cluster}: "
        + ", ".join(str(p) for p in missing),
        "Istio's roles could be refused with `attempting to grant RBAC permissions not currently "
        "held`",
        "use the credentials of a cluster administrator, unless these have all rights of Istio",
        refuses=False,
    )


def lacking(missing: list[Permission], path: str, cluster: str, namespace: str) -> Problem:
    """One problem of all permissions that the user of the kubeconfig has not."""
    whole = ", ".join(str(p) for p in missing if not p.in_namespace)
    inside = ", ".join(str(p) for p in missing if p.in_namespace)
    return Problem(
        "permissions-missing",
        f"{path}.kubeconfig",
        f"must be of someone who may do in cluster {cluster}: "
        + "; ".join(
            x for x in (whole, f"in namespace {namespace}: {inside}" if inside else "") if x
        ),
        "the update would stop half-way",
        "use the credentials of a cluster administrator, or have these granted; "
        "`kubectl auth can-i --list` shows what there is",
    )
