"""What the mesh's own configuration says about ways between clusters, whoever wrote it."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, cast

import yaml

from checks import paths
from checks.model import Check, Finding, failed, ok, primaries, warning
from checks.view import Json, Mesh, View
from components import names
from picture.state import Part

_RULES = "/apis/networking.istio.io/v1/destinationrules"
_PEER_AUTHENTICATIONS = "/apis/security.istio.io/v1/peerauthentications"
_DISTRIBUTION = "networking.istio.io/traffic-distribution"
_MTLS = (None, "ISTIO_MUTUAL")
_REGION = "topology.kubernetes.io/region"


def _rules(mesh: Mesh, view: View) -> Iterator[Finding]:
    """Check that no setting of a primary keeps requests for shared Services in their cluster."""
    found = [
        *_local(mesh, view),
        *_destination_rules(mesh, view),
        *_near_by_service(mesh, view),
        *_without_mtls(mesh, view),
    ]
    yield from found or [ok("none")]


def _destination_rules(mesh: Mesh, view: View) -> Iterator[Finding]:
    for rule in view.items(_RULES):
        name = f"{rule['metadata']['namespace']}/{rule['metadata']['name']}"
        policy = cast("Json", rule["spec"].get("trafficPolicy", {}))
        mode = policy.get("tls", {}).get("mode")
        look = (
            f"kubectl --context {view.name} -n {rule['metadata']['namespace']} get destinationrule "
            f"{rule['metadata']['name']} -o yaml"
        )
        for service in paths.services(mesh):
            if not _is_for(rule, service):
                continue
            if mode not in _MTLS:
                yield failed(
                    f"the DestinationRule {name} sets tls.mode {mode} for {service}",
                    "between networks only mTLS works, because a gateway reads the SNI in it. "
                    "Without it istiod leaves gateways of other networks out of the endpoints. Set "
                    f"ISTIO_MUTUAL, or remove tls: {look}",
                    Part("istiod", view.name),
                )
            elif _is_of_mesh(rule, view):
                continue  # the stack's own rule for all Services without another
            elif _has_failover(mesh, service):
                if not _is_of_stack(rule) and "outlierDetection" not in policy:
                    yield warning(
                        f"the DestinationRule {name} replaces isthmus:mesh.trafficPolicy for "
                        f"{service}, and has no outlierDetection",
                        "istiod uses one rule for a Service and merges none, so no other cluster "
                        "is preferred or avoided. Add localityLbSetting and outlierDetection to "
                        f"it, or delete it: {look}",
                        Part("istiod", view.name),
                    )
            elif _prefers_nearest(mesh, policy):
                yield warning(
                    f"the DestinationRule {name} keeps {service} near its callers: "
                    "localityLbSetting with outlierDetection",
                    "other clusters receive requests only when no local pod answers. If that is "
                    f"not intended, set localityLbSetting.enabled: false in it: {look}",
                    Part("istiod", view.name),
                )


def _has_failover(mesh: Mesh, service: str) -> bool:
    """Whether the stack wants the nearest pods of a Service to answer first."""
    own = {f"{s.namespace}/{s.name}": s.traffic_policy for s in mesh.spec.services}
    wanted = own.get(service) or mesh.spec.mesh.traffic_policy
    return wanted is not None and wanted.locality_lb_setting.enabled


def _is_of_stack(rule: Json) -> bool:
    return names.STACK in rule["metadata"].get("annotations", {})


def _is_of_mesh(rule: Json, view: View) -> bool:
    """Whether it is the stack's rule for all Services, which any other rule replaces."""
    metadata = rule["metadata"]
    own = (metadata["namespace"], metadata["name"]) == (view.namespace, names.MESH_RULE)
    return own and _is_of_stack(rule)


def _near_by_service(mesh: Mesh, view: View) -> Iterator[Finding]:
    """`trafficDistribution` prefers the caller's own zone, and needs no outlier detection."""
    for service in paths.services(mesh):
        namespace, _, name = service.partition("/")
        found = view.find(f"/api/v1/namespaces/{namespace}/services/{name}")
        if found is None:
            continue
        annotations = found["metadata"].get("annotations", {})
        wish = annotations.get(_DISTRIBUTION) or found.get("spec", {}).get("trafficDistribution")
        if wish:
            yield warning(
                f"the Service {service} has trafficDistribution {wish}",
                "other clusters receive requests only when no pod near the caller answers "
                "(istio/istio#53055). If that is not intended, remove it: kubectl --context "
                f"{view.name} -n {namespace} edit service {name}",
                Part("istiod", view.name),
            )


def _without_mtls(mesh: Mesh, view: View) -> Iterator[Finding]:
    """Report policies that disable mTLS, which excludes endpoints for other networks."""
    shared = {service.partition("/")[0] for service in paths.services(mesh)}
    for policy in view.items(_PEER_AUTHENTICATIONS) if mesh.spec.spans_networks else ():
        metadata, spec = policy["metadata"], cast("Json", policy.get("spec", {}))
        everywhere = metadata["namespace"] == view.namespace and "selector" not in spec
        modes = [spec.get("mtls", {}), *cast("Json", spec.get("portLevelMtls", {})).values()]
        off = any(mode.get("mode") == "DISABLE" for mode in modes)
        if off and (everywhere or metadata["namespace"] in shared):
            yield failed(
                f"the PeerAuthentication {metadata['namespace']}/{metadata['name']} disables mTLS",
                "between networks only mTLS works, so istiod leaves these pods out of the "
                "endpoints of other networks (istio/istio#28798). Set PERMISSIVE: kubectl "
                f"--context {view.name} -n {metadata['namespace']} edit peerauthentication "
                f"{metadata['name']}",
                Part("istiod", view.name),
            )


def _is_for(rule: Json, service: str) -> bool:
    """Whether a rule's host, which can be short or have a wildcard, matches the Service."""
    namespace, _, name = service.partition("/")
    host = str(rule["spec"]["host"])
    if "." not in host and host != "*":
        host = f"{host}.{rule['metadata']['namespace']}"
    full = names.host(name, namespace)
    return fnmatchcase(full, host) or full.startswith(f"{host}.")


def _prefers_nearest(mesh: Mesh, policy: Json) -> bool:
    """Whether locality has an effect: with outlier detection, and settings or several regions."""
    if "outlierDetection" not in policy:
        return False
    setting = policy.get("loadBalancer", {}).get("localityLbSetting", {})
    if setting.get("enabled") is False:
        return False
    if setting.keys() & {"failoverPriority", "failover", "distribute"}:
        return True
    nodes = [n for v in mesh.views.values() for n in v.items("/api/v1/nodes")]
    return len({n["metadata"].get("labels", {}).get(_REGION) for n in nodes}) > 1


def _local(mesh: Mesh, view: View) -> Iterator[Finding]:
    for setting in _mesh_config(view).get("serviceSettings", []):
        if not setting.get("settings", {}).get("clusterLocal"):
            continue
        for host in setting.get("hosts", []):
            for service in paths.services(mesh):
                namespace, _, name = service.partition("/")
                if host in mesh.spec.mesh.cluster_local:
                    continue
                if fnmatchcase(names.host(name, namespace), host):
                    yield failed(
                        f"meshConfig.serviceSettings makes {service} clusterLocal, with {host}",
                        "every cluster uses only its own pods. If that is intended, list the host "
                        "in isthmus:mesh.clusterLocal; otherwise `pulumi up --refresh` removes it",
                        Part("istiod", view.name),
                    )


def _trust_domain(mesh: Mesh, view: View) -> Iterator[Finding]:
    first = mesh.views[mesh.spec.primaries[0].name]
    wanted, own = _domain(first), _domain(view)
    if view.cluster.is_remote and not _mesh_config(view):
        yield ok(f"{wanted}, from its primary")
    elif own != wanted:
        yield failed(
            f"trustDomain is {own} here, but {wanted} in {first.name}",
            "policies of one cluster do not match identities of the other. istiod reads it from "
            f"the ConfigMap istio of {view.namespace}: `pulumi up --refresh` corrects it if the "
            f"stack manages it; otherwise: kubectl --context {view.name} -n {view.namespace} get "
            "configmap istio -o yaml",
            Part("cluster", view.name),
        )
    else:
        yield ok(own)


def _domain(view: View) -> str:
    return str(_mesh_config(view).get("trustDomain", "cluster.local"))


def _mesh_config(view: View) -> Mapping[str, Any]:
    """Return istiod's mesh configuration; empty in a remote, unless a user created one."""
    found = view.find(view.istio("configmaps", "istio"))
    return yaml.safe_load((found or {}).get("data", {}).get("mesh", "")) or {}


_check = partial(Check, "sameness")

CHECKS = (
    _check(1651, "same-trust-domain", "one trust domain", _trust_domain),
    _check(1652, "same-rules", "no rule keeps requests in their cluster", _rules, primaries),
)
"""Checks that belong to the section `sameness`."""
