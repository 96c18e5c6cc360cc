"""Settings of real clusters that keep pods of the mesh from starting."""

from collections.abc import Iterator
from typing import Any

from components import names
from kube.api import ClusterApi
from spec.mesh import Cluster, MeshSpec
from spec.problems import MISSING, Problem
from spec.rules.chart_values import find

_ENFORCE = "pod-security.kubernetes.io/enforce"
_REFUSES_SIDECARS = ("baseline", "restricted")


def obstacles(api: ClusterApi, path: str, spec: MeshSpec, cluster: Cluster) -> Iterator[Problem]:
    """Labels of namespaces, and a CNI plugin that is missing."""
    if spec.has_gateway(cluster):
        yield from _gateway_not_injected(api, path, spec.mesh.istio.namespace)
    if _uses_cni(spec):
        yield from _no_cni_plugin(api)
    elif cluster.injection == "automatic":
        for namespace in _injected_namespaces(spec):
            yield from _pod_security(api, path, namespace)


def _uses_cni(spec: MeshSpec) -> bool:
    return find(spec.mesh.istio.values.istiod, "cni.enabled") is True


def _injected_namespaces(spec: MeshSpec) -> tuple[str, ...]:
    sample = (names.SAMPLE_NAMESPACE,) if spec.sample.enabled else ()
    return (*sample, *(n.name for n in spec.namespaces if n.inject))


def _labels(api: ClusterApi, namespace: str) -> dict[str, Any]:
    return (api.metadata(f"/api/v1/namespaces/{namespace}") or {}).get("labels") or {}


def _gateway_not_injected(api: ClusterApi, path: str, namespace: str) -> Iterator[Problem]:
    """The chart's webhook passes over pods of such a namespace (mutatingwebhook.yaml)."""
    labels = _labels(api, namespace)
    revision = labels.get(names.REVISION, "default")
    if labels.get(names.INJECTION) == "disabled":
        label = names.INJECTION
    elif revision != "default":
        label = names.REVISION
    else:
        return
    yield Problem(
        "istio-namespace-not-injected",
        path,
        f"namespace {namespace} must not have the label {label}={labels[label]}",
        "the injector would pass over the gateway's pod, which then keeps the image `auto` and "
        "never starts (istio/istio#54841)",
        f"`kubectl label namespace {namespace} {label}-`",
    )


def _no_cni_plugin(api: ClusterApi) -> Iterator[Problem]:
    found = api.get("/apis/apps/v1/daemonsets", fieldSelector="metadata.name=istio-cni-node")
    if not found["items"]:
        yield Problem(
            "cni-plugin-missing",
            "isthmus:mesh.istio.values.istiod.cni.enabled",
            "must be false where the cluster has no DaemonSet istio-cni-node",
            "nothing would redirect the traffic of pods, and `istio-validation` in each of them "
            "would fail",
            "install Istio's chart `cni` in every cluster first, or remove the value",
            MISSING,
        )


def _pod_security(api: ClusterApi, path: str, namespace: str) -> Iterator[Problem]:
    level = _labels(api, namespace).get(_ENFORCE)
    if level in _REFUSES_SIDECARS:
        yield Problem(
            "pod-security-refuses-sidecars",
            path,
            f"namespace {namespace} must not enforce Pod Security {level}",
            "istio-init of a sidecar needs NET_ADMIN and NET_RAW, so no injected pod would start "
            "(istio/istio#54968)",
            f"`kubectl label --overwrite namespace {namespace} {_ENFORCE}=privileged`, or install "
            "Istio's chart `cni` in the cluster and set "
            "isthmus:mesh.istio.values.istiod.cni.enabled",
        )
