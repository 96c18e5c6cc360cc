"""Rules about who can reach the mesh, and how."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .resource import UNKNOWN, Finding, Resource, leaves, mapping

_LABEL = "topology.istio.io/network"
_INTERNAL = {
    ("networking.gke.io/load-balancer-type", "internal"),
    ("cloud.google.com/load-balancer-type", "internal"),  # GKE before 1.17
    ("service.beta.kubernetes.io/azure-load-balancer-internal", "true"),
    ("service.beta.kubernetes.io/aws-load-balancer-scheme", "internal"),
    ("service.beta.kubernetes.io/aws-load-balancer-internal", "true"),  # in-tree
}
_SERVICE = "kubernetes:core/v1:Service"


def is_internal(resource: Resource) -> Iterator[Finding]:
    """Check a Service: its load balancer is internal."""
    if resource.type != _SERVICE or resource.spec.get("type") != "LoadBalancer":
        return
    annotations = mapping(resource.metadata, "annotations")
    said = {(key, str(value).lower()) for key, value in annotations.items()}
    if not said & _INTERNAL:
        name = resource.metadata.get("name", resource.name)
        yield Finding(f"Service `{name}` (`{resource.name}`) gets a load balancer on the internet")


def gateways_announced(stack: Sequence[Resource]) -> Iterator[Finding]:
    """Check a stack: every gateway between networks names its network, or `meshNetworks` does."""
    if any(_mesh_networks(resource) for resource in stack):
        return
    for resource in stack:
        if not _is_east_west(resource):
            continue
        if not mapping(resource.metadata, "labels").get(_LABEL):
            name = resource.metadata.get("name", resource.name)
            what = f"Service `{name}` (`{resource.name}`) has no label {_LABEL}"
            yield Finding(what, urn=resource.urn)


def demands_mtls(stack: Sequence[Resource]) -> Iterator[Finding]:
    """Check a stack: each control plane has a strict policy for its mesh, and none is weaker."""
    policies = [r for r in stack if r.type.endswith(":PeerAuthentication")]
    for policy in policies:
        for path, mode in leaves(policy.spec):
            if path.endswith("mode") and mode in ("PERMISSIVE", "DISABLE"):
                what = f"PeerAuthentication `{policy.name}` has {path} {mode}"
                yield Finding(what, urn=policy.urn)
    strict = [policy for policy in policies if _is_strict(policy)]
    for istiod in stack:
        if _is_control_plane(istiod) and not any(_covers(policy, istiod) for policy in strict):
            cluster = istiod.provider.rsplit("::", 1)[-1]
            what = (
                f"cluster `{cluster}` accepts plain text: no strict PeerAuthentication for its mesh"
            )
            yield Finding(what, urn=istiod.urn)


def _is_east_west(resource: Resource) -> bool:
    if resource.type != _SERVICE or resource.spec.get("type") != "LoadBalancer":
        return False
    selects = mapping(resource.spec, "selector").get("istio")
    return (
        selects == "eastwestgateway" or "isthmus:index:ClusterAwareGateway" in resource.components
    )


def _mesh_networks(resource: Resource) -> bool:
    """Whether a configuration of istiod says which gateway leads to which network."""
    if resource.type == "kubernetes:core/v1:ConfigMap":
        return "gateways:" in str(mapping(resource.props, "data").get("meshNetworks", ""))
    if resource.type == "kubernetes:helm.sh/v3:Release":
        values: Mapping[str, Any] = mapping(resource.props, "values")
        return bool(mapping(mapping(values, "global"), "meshNetworks"))
    return False


def _is_strict(policy: Resource) -> bool:
    mode = mapping(policy.spec, "mtls").get("mode")
    return mode in ("STRICT", UNKNOWN) and not policy.spec.get("selector")


def _is_control_plane(resource: Resource) -> bool:
    """Whether it is istiod of a primary: the Deployment, or the release with it."""
    return "isthmus:index:PrimaryCluster" in resource.components and resource.type in (
        "kubernetes:apps/v1:Deployment",
        "kubernetes:helm.sh/v3:Release",
    )


def _covers(policy: Resource, istiod: Resource) -> bool:
    """Whether a policy is for the whole mesh of an istiod: it is in the same namespace."""
    here = _namespace(istiod) in (UNKNOWN, _namespace(policy))
    return here and policy.provider == istiod.provider


def _namespace(resource: Resource) -> Any:
    return resource.metadata.get("namespace", resource.props.get("namespace"))
