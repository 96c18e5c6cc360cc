"""Helm values of Istio's charts. Plain functions without resources.

Value names are those of the charts of Istio 1.31 (manifests/charts in istio/istio).
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pulumi

from . import names
from .cluster_identity import ClusterIdentity


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Deep merge of two sets of values. Lists are joined; of other values, `over` wins."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            result[key] = merged(cast("Mapping[str, Any]", below), cast("Mapping[str, Any]", value))
        elif isinstance(value, list) and isinstance(below, Sequence) and not isinstance(below, str):
            result[key] = [*cast("Sequence[Any]", below), *cast("list[Any]", value)]
        else:
            result[key] = value
    return result


def base(*, namespace: str, is_remote: bool) -> dict[str, Any]:
    """CRDs, the reader service account and the default validating webhook."""
    values: dict[str, Any] = {"global": {"istioNamespace": namespace}}
    if is_remote:
        values |= {"profile": "remote", "base": _UNVALIDATED}
    return values


_UNVALIDATED = {"validationFailurePolicy": "Ignore"}
"""Of a remote, whose validating webhooks get no CA bundle from an istiod. The charts leave the
policy out when a release is updated, which is Kubernetes's `Fail`: no object of Istio's kinds could
be written then, or deleted with a finalizer."""


def _global(identity: ClusterIdentity) -> dict[str, Any]:
    return {
        "meshID": identity.mesh_id,
        "multiCluster": {"clusterName": identity.cluster},
        "network": identity.network,
        "istioNamespace": identity.namespace,
    }


def primary(
    identity: ClusterIdentity,
    *,
    has_remotes: bool,
    injects: bool,
    cluster_local: Sequence[str],
    mesh_networks: Mapping[str, Any],
) -> dict[str, Any]:
    """istiod of a primary cluster."""
    values: dict[str, Any] = {
        "global": {
            **_global(identity),
            "externalIstiod": has_remotes,
            "operatorManageWebhooks": not injects,
        },
        **_follows_roots(),
        "sidecarInjectorWebhookAnnotations": names.AKS_OPT_OUT,
    }
    if mesh_networks:
        values["global"]["meshNetworks"] = mesh_networks
    if cluster_local:
        values["meshConfig"]["serviceSettings"] = [
            {"settings": {"clusterLocal": True}, "hosts": list(cluster_local)}
        ]
    return values


_SECCOMP = {"seccompProfile": {"type": "RuntimeDefault"}}
"""All that the charts' pods lack for the Pod Security level `restricted`."""


def istiod_pods(*, redundant: bool) -> dict[str, Any]:
    """Defaults below the user's values. For two istiods the chart creates a
    PodDisruptionBudget."""
    two = {"autoscaleMin": 2, "affinity": _apart(names.ISTIOD)}
    return {**_SECCOMP, **(two if redundant else {})}


def gateway_pods(name: str, *, redundant: bool) -> dict[str, Any]:
    """Defaults below the user's values. The injector adds the chart's own `sysctls`, which a
    security context replaces; of two pods a node's drain leaves one."""
    two = {
        "autoscaling": {"minReplicas": 2},
        "podDisruptionBudget": {"minAvailable": 1},
        "affinity": _apart(name),
    }
    return {"securityContext": _SECCOMP, **(two if redundant else {})}


def _apart(app: str) -> dict[str, Any]:
    """Pods on different nodes, where there is room for that."""
    term = {
        "labelSelector": {"matchLabels": {"app": app}},
        "topologyKey": "kubernetes.io/hostname",
    }
    preferred = [{"weight": 100, "podAffinityTerm": term}]
    return {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}


def _follows_roots() -> dict[str, Any]:
    """Settings by which istiod and proxies take another root without a restart.

    istiod ignores a changed root without the first (pilot/pkg/bootstrap/istio_ca.go), and agents
    follow istiod's without the second only at a restart. A sidecar has it from its injection, so
    both are set from the first installation. It must be a string: a boolean has no effect.
    """
    return {
        "env": {"ISTIO_MULTIROOT_MESH": "true"},
        "meshConfig": {"defaultConfig": {"proxyMetadata": {names.FOLLOWS_ROOTS: "true"}}},
    }


def mesh_networks(
    clusters_of: Mapping[str, Sequence[str]],
    *,
    gateway: str,
    port: int,
    addresses: Mapping[str, str],
) -> dict[str, Any]:
    """Networks by name, for the chart value `global.meshNetworks`.

    The gateway is named as a Service, so that istiod finds its addresses in each cluster itself.

    Args:
        addresses: by name of the cluster, where its gateway is reached at another address. Then
            all clusters of its network have one.
    """
    return {
        network: {
            "endpoints": [{"fromRegistry": cluster} for cluster in clusters],
            "gateways": [
                {"address": addresses[c], "port": port} for c in clusters if c in addresses
            ]
            or [{"registryServiceName": gateway, "port": port}],
        }
        for network, clusters in clusters_of.items()
    }


def remote(
    identity: ClusterIdentity,
    *,
    discovery_address: pulumi.Input[str],
    injects: bool,
) -> dict[str, Any]:
    """The remote profile of the istiod chart: webhooks, RBAC and a Service without pods.

    Args:
        discovery_address: IP address at which the primary's istiod answers on 15012 and 15017.
    """
    return {
        "profile": "remote",
        "base": _UNVALIDATED,
        "global": {
            **_global(identity),
            "configCluster": True,
            "remotePilotAddress": discovery_address,
            "operatorManageWebhooks": not injects,
        },
        "sidecarInjectorWebhookAnnotations": names.AKS_OPT_OUT,
        "istiodRemote": {
            "injectionPath": names.injection_path(
                cluster=identity.cluster, network=identity.network
            )
        },
    }


def gateway(*, name: str, network: str) -> dict[str, Any]:
    """A gateway between networks, without its Service, which the component creates itself.

    Args:
        network: the only network whose endpoints the gateway sees, so that it never sends on to
            another gateway (`ISTIO_META_REQUESTED_NETWORK_VIEW`).
    """
    return {"name": name, "networkGateway": network, "service": {"type": "None"}}
