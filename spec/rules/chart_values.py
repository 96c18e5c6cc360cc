"""The user's Helm values: none that Isthmus derives, and none that Istio has removed."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from pydantic.alias_generators import to_camel

from spec.mesh import MeshSpec
from spec.problems import MISSING, Problem

_CHART_KEYS_DERIVED: Mapping[str, tuple[str, ...]] = {
    "base": ("profile",),
    "istiod": (
        "profile",
        "revision",
        "global.meshID",
        "global.multiCluster.clusterName",
        "global.network",
        "global.externalIstiod",
        "global.configCluster",
        "global.remotePilotAddress",
        "global.istioNamespace",
        "global.caAddress",
        "global.pilotCertProvider",
        "global.operatorManageWebhooks",
        "istiodRemote.injectionPath",
        "istiodRemote.injectionURL",
        "env.PILOT_CERT_PROVIDER",
        "env.CLUSTER_ID",
        "env.EXTERNAL_ISTIOD",
        "env.ISTIO_MULTIROOT_MESH",
        "meshConfig.defaultConfig.proxyMetadata.PROXY_CONFIG_XDS_AGENT",
        "meshConfig.defaultConfig.meshId",
        "meshConfig.defaultConfig.discoveryAddress",
    ),
    "gateway": ("name", "networkGateway", "revision"),
    "leave_nothing": ("crdsOf", "crdNames"),
}


_GONE: Mapping[str, str] = {
    "global.meshExpansion": "isthmus:clusters[].controlPlane exposes the control plane",
    "global.remotePolicyAddress": "Mixer is gone since Istio 1.8; policies are in the sidecars",
    "global.remoteTelemetryAddress": "Mixer was removed in Istio 1.8; sidecars report metrics",
    "global.policyEndpoint": "Mixer is gone since Istio 1.8; policies are in the sidecars",
    "global.statsdEndpoint": "sidecars report metrics to Prometheus",
    "global.pilotEndpoint": "the address comes from isthmus:clusters[].controlPlane",
    "global.createRemoteSvcEndpoints": "the chart creates Service and EndpointSlice itself",
    "global.remotePilotCreateSvcEndpoint": "the chart creates Service and EndpointSlice itself",
    "global.controlPlaneSecurityEnabled": "xDS always uses TLS",
    "global.mtls": "isthmus:mesh.mtls",
    "global.meshNetworks": "isthmus:mesh.gateways.announcedBy: mesh-networks",
    "multiCluster.connectUsingGateway": "clusters on different networks get gateways",
    "security.selfSigned": "every cluster gets an intermediate CA under one root",
    "sidecarInjectorWebhook.enabled": "isthmus:clusters[].injection",
    "autoInjection.enabled": "isthmus:clusters[].injection",
    "gateways.enabled": "clusters on different networks get gateways",
    "mixer": "Mixer is gone since Istio 1.8",
    "tiller": "Helm has had no Tiller since version 3",
}


def _values_are_not_of_old_istios(spec: MeshSpec) -> Iterator[Problem]:
    for chart in ("base", "istiod", "gateway"):
        for key, instead in _GONE.items():
            if _reaches(getattr(spec.mesh.istio.values, chart), key):
                yield Problem(
                    "values-removed-from-istio",
                    f"isthmus:mesh.istio.values.{chart}.{key}",
                    f"does not exist in Istio {spec.mesh.istio.version}",
                    "the chart would ignore it, and the mesh would not be as intended",
                    f"remove it: {instead}",
                )


_WITHOUT_EFFECT: Mapping[str, Mapping[str, str]] = {
    "gateway": {
        "service.annotations": "isthmus:mesh.gateways.annotations",
        "service.loadBalancerSourceRanges": "isthmus:mesh.gateways.sourceRanges",
        "service.loadBalancerIP": "isthmus:clusters[].gateway.annotations",
        "service.ports": "isthmus:mesh.gateways.port",
        "service": "isthmus:mesh.gateways; other keys of `service` have no replacement",
        "networkGatewayPorts": "isthmus:mesh.gateways.port",
    },
    "istiod": {
        "meshConfig.discoverySelectors": "the resource Sidecar; istiod must see Istio's namespace, "
        "`sample` and the shared namespaces of every cluster",
    },
}
"""By chart and key: what to use instead."""


def _values_have_an_effect(spec: MeshSpec) -> Iterator[Problem]:
    for chart, keys in _WITHOUT_EFFECT.items():
        values = getattr(spec.mesh.istio.values, chart)
        found = [key for key in keys if _reaches(values, key)]
        for key in found:
            # The whole object is named only where none of its keys is.
            if not any(other.startswith(f"{key}.") for other in found):
                yield Problem(
                    "values-without-effect",
                    f"isthmus:mesh.istio.values.{chart}.{key}",
                    "must not be set: Isthmus does not use this value",
                    "Isthmus creates the gateway's Service itself, for its address"
                    if chart == "gateway"
                    else "a gateway or a sidecar that istiod does not see never starts",
                    f"remove it, and use {keys[key]}",
                )


def _values_do_not_contradict(spec: MeshSpec) -> Iterator[Problem]:
    values = spec.mesh.istio.values
    for chart, derived in _CHART_KEYS_DERIVED.items():
        for key in derived:
            if _reaches(getattr(values, chart), key):
                yield Problem(
                    "values-derived",
                    f"isthmus:mesh.istio.values.{to_camel(chart)}.{key}",
                    "is derived from the clusters and cannot be set",
                    "a second copy could differ from the first and break the mesh silently",
                    "remove it; names, networks and roles are in isthmus:clusters",
                )


def _strict_mtls_holds_everywhere(spec: MeshSpec) -> Iterator[Problem]:
    """A PeerAuthentication is for the whole mesh in the root namespace only."""
    root = find(spec.mesh.istio.values.istiod, "meshConfig.rootNamespace")
    if spec.mesh.mtls == "strict" and root not in (MISSING, spec.mesh.istio.namespace):
        yield Problem(
            "strict-mtls-elsewhere",
            "isthmus:mesh.istio.values.istiod.meshConfig.rootNamespace",
            f"must be left out with `mtls: strict`, whose policy is in {spec.mesh.istio.namespace}",
            "the policy would hold in that namespace alone, and plain text be let in everywhere "
            "else",
            "remove it, or set `isthmus:mesh.mtls` to `permissive` and write the policy yourself",
            root,
        )


_AMBIENT = "env.AMBIENT_ENABLE_MULTI_NETWORK"


def _no_ambient_networks_with_sidecars(spec: MeshSpec) -> Iterator[Problem]:
    """istiod reads it as Go's strconv.ParseBool does."""
    value = find(spec.mesh.istio.values.istiod, _AMBIENT)
    if str(value).lower() in ("true", "t", "1"):
        yield Problem(
            "ambient-with-sidecars",
            f"isthmus:mesh.istio.values.istiod.{_AMBIENT}",
            "must be left out, because pods of this mesh have sidecars",
            "sidecars would get gateways for ambient (istio/istio#57878), requests from an ingress "
            "gateway would fail (istio/istio#60609), Services would be local to their cluster "
            "(istio/istio#61713), and DNS of remotes would lack ServiceEntries (istio/istio#60343)",
            "remove it",
            value,
        )


def _crds_mode_is_known(spec: MeshSpec) -> Iterator[Problem]:
    mode = spec.mesh.istio.values.leave_nothing.get("crds", "ifUnused")
    if mode not in ("ifUnused", "delete", "keep"):
        yield Problem(
            "crds-mode-unknown",
            "isthmus:mesh.istio.values.leaveNothing.crds",
            "must be ifUnused, delete or keep",
            "deleting a CRD deletes every object of its kind, also those of users",
            "remove it: by default only CRDs without objects are deleted",
            mode,
        )


def _reaches(values: Mapping[str, Any], key: str) -> bool:
    return find(values, key) is not MISSING


def find(values: Mapping[str, Any], key: str) -> Any:
    """Return the value under the dotted key, or MISSING; `pilot.x` is Helm's old name for `x`."""
    for root in (values, values.get("pilot")):
        here: Any = root
        for part in key.split("."):
            if not isinstance(here, Mapping) or part not in here:
                break
            here = cast("Mapping[str, Any]", here)[part]
        else:
            return here
    return MISSING


RULES = (
    _values_are_not_of_old_istios,
    _values_do_not_contradict,
    _strict_mtls_holds_everywhere,
    _values_have_an_effect,
    _no_ambient_networks_with_sidecars,
    _crds_mode_is_known,
)
