"""Helm values of Istio's charts. Plain functions: they compute, and own nothing.

Value names are those of the charts of Istio 1.31 (manifests/charts in istio/istio).
"""

from collections.abc import Mapping
from typing import Any, cast

import pulumi


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Deep merge of two sets of values; where both have a value, `over` wins."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            result[key] = merged(cast("Mapping[str, Any]", below), cast("Mapping[str, Any]", value))
        else:
            result[key] = value
    return result


def base(*, namespace: str, is_remote: bool) -> dict[str, Any]:
    """CRDs, the reader service account and the default validating webhook."""
    values: dict[str, Any] = {
        "global": {"istioNamespace": namespace},
        # istiod flips Ignore to Fail when it is ready, which every later preview would show as
        # drift (istio/istio#44285). Fail from the start is safe: nothing of Istio's own kinds is
        # created before istiod is ready.
        "base": {"validationFailurePolicy": "Fail"},
    }
    if is_remote:
        values["profile"] = "remote"
    return values


def _identity(*, namespace: str, mesh_id: str, cluster: str, network: str) -> dict[str, Any]:
    return {
        "meshID": mesh_id,
        "multiCluster": {"clusterName": cluster},
        "network": network,
        "istioNamespace": namespace,
    }


def primary(
    *, namespace: str, mesh_id: str, cluster: str, network: str, has_remotes: bool
) -> dict[str, Any]:
    """istiod of a primary cluster."""
    return {
        "global": {
            **_identity(namespace=namespace, mesh_id=mesh_id, cluster=cluster, network=network),
            "externalIstiod": has_remotes,
        },
        "base": {"validationFailurePolicy": "Fail"},
    }


def remote(
    *,
    namespace: str,
    mesh_id: str,
    cluster: str,
    network: str,
    discovery_address: pulumi.Input[str],
) -> dict[str, Any]:
    """The remote profile of the istiod chart: webhooks, RBAC and a Service without pods.

    Args:
        discovery_address: IP address at which the primary's istiod answers on 15012 and 15017.
    """
    return {
        "profile": "remote",
        "global": {
            **_identity(namespace=namespace, mesh_id=mesh_id, cluster=cluster, network=network),
            "configCluster": True,
            "remotePilotAddress": discovery_address,
        },
        "istiodRemote": {"injectionPath": injection_path(cluster=cluster, network=network)},
        "base": {"validationFailurePolicy": "Fail"},
    }


def injection_path(*, cluster: str, network: str) -> str:
    """Path of the injection webhook that tells istiod whose pod it injects.

    Keys and values alternate (pkg/kube/inject/webhook.go in istio/istio). Names are DNS labels
    here, so no slash has to be escaped.
    """
    return f"/inject/cluster/{cluster}/net/{network}"


def gateway(*, name: str, network: str) -> dict[str, Any]:
    """An east-west gateway without its Service, which the component owns for its address."""
    return {"name": name, "networkGateway": network, "service": {"type": "None"}}
