"""Checks that the kubeconfig's user has the permissions that the update needs."""

from dataclasses import dataclass

from kube.api import ClusterApi
from spec.problems import Problem

_ROLES = "rbac.authorization.k8s.io"
_ADMISSION = "admissionregistration.k8s.io"


@dataclass(frozen=True)
class Permission:
    """One permission."""

    verb: str
    resource: str
    group: str = ""
    in_namespace: bool = False
    """Whether it is needed only in Istio's namespace, not in the whole cluster."""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{'.' if self.group else ''}{self.group}"


DELETING = (
    Permission("delete", "namespaces"),
    Permission("delete", "secrets", in_namespace=True),
    Permission("delete", "services", in_namespace=True),
    Permission("delete", "deployments", "apps", in_namespace=True),
    Permission("delete", "clusterroles", _ROLES),
    Permission("delete", "mutatingwebhookconfigurations", _ADMISSION),
)
"""One of each kind. Not only a removal deletes: an update does so with a former token, with the
remote secret of a cluster that left, with the sample, and with what a newer chart does not have."""

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
    *DELETING,
)
"""A sample of each kind; credentials with these normally have the rest."""

GRANTING = (
    Permission("escalate", "clusterroles", _ROLES),
    Permission("bind", "clusterroles", _ROLES),
)
"""Not needed by a user with all permissions of Istio's roles: Kubernetes lets users grant those."""


def is_granted(api: ClusterApi, permission: Permission, namespace: str) -> bool:
    """Ask the API server whether the kubeconfig's user has a permission."""
    return api.is_allowed(
        verb=permission.verb,
        group=permission.group,
        resource=permission.resource,
        **({"namespace": namespace} if permission.in_namespace else {}),
    )


def cannot_grant(missing: list[Permission], path: str, cluster: str) -> Problem:
    """Only a warning, because whether Kubernetes refuses the grant depends on the roles."""
    return Problem(
        "permissions-cannot-grant",
        f"{path}.kubeconfig",
        f"its user should be allowed to grant permissions in cluster {cluster}: "
        + ", ".join(str(p) for p in missing),
        "Istio's roles could be refused with `attempting to grant RBAC permissions not currently "
        "held`",
        "use the credentials of a cluster administrator, unless these have all of Istio's "
        "permissions",
        refuses=False,
    )


def lacking(missing: list[Permission], path: str, cluster: str, namespace: str) -> Problem:
    """Return one problem for all permissions that the kubeconfig's user lacks."""
    whole = ", ".join(str(p) for p in missing if not p.in_namespace)
    inside = ", ".join(str(p) for p in missing if p.in_namespace)
    return Problem(
        "permissions-missing",
        f"{path}.kubeconfig",
        f"its user lacks permissions in cluster {cluster} that the update needs: "
        + "; ".join(
            x for x in (whole, f"in namespace {namespace}: {inside}" if inside else "") if x
        ),
        "the update would stop in the middle",
        "use the credentials of a cluster administrator, or grant these permissions; "
        "`kubectl auth can-i --list` shows the existing ones",
    )
