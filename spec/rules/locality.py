"""Which pods answer first: no setting that Istio ignores.

Rules are those of pilot/pkg/networking/core/loadbalancer and pilot/pkg/xds/endpoints in Istio 1.31.
"""

from collections.abc import Iterator

from components import names
from spec.locality import LocalityLbSetting, OutlierDetection, TrafficPolicy
from spec.mesh import MeshSpec
from spec.problems import MISSING, Problem
from spec.rules.chart_values import find

_OF_GATEWAYS = (names.CLUSTER_LABEL, names.NETWORK)
"""What istiod knows of a gateway that leads to pods on another network."""
_OF_PLACES = (names.REGION, names.ZONE, names.SUBZONE)


def _policies_have_an_effect(spec: MeshSpec) -> Iterator[Problem]:
    if policy := spec.mesh.traffic_policy:
        yield from _of_mesh(spec, policy)
        yield from _of_policy(spec, "isthmus:mesh.trafficPolicy", policy)
    for i, service in enumerate(spec.services):
        if policy := service.traffic_policy:
            path = f"isthmus:services[{i}].trafficPolicy"
            if spec.is_local(service.namespace, service.name):
                yield Problem(
                    "locality-of-local-service",
                    path,
                    "must be left out for a Service in isthmus:mesh.clusterLocal",
                    "only pods of the caller's own cluster answer it, whatever happens to them",
                    "remove trafficPolicy, or the Service's host from clusterLocal",
                )
            yield from _of_policy(spec, path, policy)


def _of_mesh(spec: MeshSpec, policy: TrafficPolicy) -> Iterator[Problem]:
    if not policy.locality_lb_setting.enabled:
        yield Problem(
            "locality-disabled",
            "isthmus:mesh.trafficPolicy.localityLbSetting.enabled",
            "must not be false for the whole mesh",
            "without trafficPolicy all clusters answer alike already",
            "remove isthmus:mesh.trafficPolicy",
            False,
        )
    root = find(spec.mesh.istio.values.istiod, "meshConfig.rootNamespace")
    if root not in (MISSING, spec.mesh.istio.namespace):
        yield Problem(
            "locality-elsewhere",
            "isthmus:mesh.istio.values.istiod.meshConfig.rootNamespace",
            f"must be left out with trafficPolicy, whose rule is in {spec.mesh.istio.namespace}",
            "a rule for all Services is read in the root namespace only",
            "remove it, or isthmus:mesh.trafficPolicy",
            root,
        )


def _of_policy(spec: MeshSpec, path: str, policy: TrafficPolicy) -> Iterator[Problem]:
    setting = policy.locality_lb_setting
    at = f"{path}.localityLbSetting"
    if not setting.enabled and (setting.failover_priority or setting.failover):
        yield Problem(
            "locality-disabled",
            f"{at}.enabled",
            "must not be false with failoverPriority or failover",
            "all clusters answer alike if it is false",
            "remove enabled, or the other keys",
            False,
        )
    yield from _of_labels(spec, f"{at}.failoverPriority", setting)
    yield from _of_regions(f"{at}.failover", setting)
    yield from _of_detection(f"{path}.outlierDetection", policy.outlier_detection)


def _of_labels(spec: MeshSpec, path: str, setting: LocalityLbSetting) -> Iterator[Problem]:
    clusters = {c.name for c in spec.clusters}
    labels = setting.labels
    for written in setting.failover_priority:
        label, _, value = written.partition("=")
        if label == names.CLUSTER_LABEL and value and value not in clusters:
            yield Problem(
                "locality-cluster-unknown",
                path,
                "must name clusters of this mesh",
                "no pod would come first",
                f"name one of: {', '.join(sorted(clusters))}",
                written,
            )
    for label in sorted({x for x in labels if labels.count(x) > 1}):
        yield Problem(
            "locality-label-repeated",
            path,
            f"must have {label} once",
            "istiod compares each occurrence of a label with the last value, so a list of clusters "
            "is not their order",
            "keep one, and order clusters by networks, or by regions with failover",
            label,
        )
    if spec.mesh.discovery == "entries" and names.CLUSTER_LABEL in labels:
        yield Problem(
            "locality-label-without-effect",
            path,
            f"must not have {names.CLUSTER_LABEL} with `discovery: entries`",
            "to istiod, all endpoints of a ServiceEntry are in its own cluster",
            f"use {names.NETWORK}: each cluster has its own network",
            names.CLUSTER_LABEL,
        )
    if (
        spec.mesh.discovery == "endpoints"
        and spec.spans_networks
        and labels
        and labels[0] not in _OF_GATEWAYS
    ):
        yield Problem(
            "locality-label-without-effect",
            path,
            f"must begin with {' or '.join(_OF_GATEWAYS)} in a mesh of several networks",
            "pods on another network are known by their gateway, which has no other label",
            f"begin with {names.NETWORK}, or remove failoverPriority to compare regions and zones",
            labels[0],
        )


def _of_regions(path: str, setting: LocalityLbSetting) -> Iterator[Problem]:
    places = [x for x in setting.labels if x in _OF_PLACES]
    if setting.failover and places:
        yield Problem(
            "locality-failover-contradicts",
            path,
            f"must be left out if failoverPriority has {places[0]}",
            "both order regions and zones, and istiod accepts only one of them",
            "remove one of the two",
        )
    sources = [x.source for x in setting.failover]
    for i, region in enumerate(setting.failover):
        if region.source == region.to or region.source in sources[:i]:
            yield Problem(
                "locality-region-repeated",
                f"{path}[{i}]",
                "must lead to another region, once for each region that it is for",
                "istiod reads only the first entry for a region",
                "remove it",
                region.source,
            )


def _of_detection(path: str, detection: OutlierDetection) -> Iterator[Problem]:
    errors, of_gateways = detection.consecutive_5xx_errors, detection.consecutive_gateway_errors
    if not errors and not of_gateways:
        yield Problem(
            "outlier-detection-off",
            path,
            "must count errors: consecutive5xxErrors or consecutiveGatewayErrors must not be 0",
            "pods that answer with errors would keep their requests",
            "write how many errors in a row are too many",
            0,
        )
    elif errors and of_gateways >= errors:
        yield Problem(
            "outlier-detection-without-effect",
            f"{path}.consecutiveGatewayErrors",
            f"must be less than consecutive5xxErrors ({errors})",
            "every error that it counts is counted by consecutive5xxErrors too",
            "lower it, or set consecutive5xxErrors to 0",
            of_gateways,
        )


RULES = (_policies_have_an_effect,)
