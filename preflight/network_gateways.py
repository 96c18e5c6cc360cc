"""What istiod takes for a gateway of a network, beside the mesh's own gateways."""

from collections.abc import Iterator
from typing import Any

from components import names
from kube.api import ClusterApi, UnansweredError
from spec.mesh import MeshSpec
from spec.problems import Problem

_KUBERNETES_GATEWAYS = "/apis/gateway.networking.k8s.io/v1/gateways"


def labelled(api: ClusterApi, path: str, spec: MeshSpec) -> Iterator[Problem]:
    """Warn of Services and Kubernetes Gateways that have the label of a network."""
    own = (spec.mesh.istio.namespace, names.GATEWAYS[spec.mesh.gateways.pods])
    for service in api.get("/api/v1/services", labelSelector=names.NETWORK)["items"]:
        metadata = service["metadata"]
        if (metadata["namespace"], metadata["name"]) != own:
            yield from _warning(path, "service", metadata)
    for gateway in _gateways(api):
        # For any other, istiod creates a Service with the same labels.
        if gateway["spec"].get("addresses"):
            yield from _warning(path, "gateways.gateway.networking.k8s.io", gateway["metadata"])


def _gateways(api: ClusterApi) -> list[Any]:
    try:
        return api.get(_KUBERNETES_GATEWAYS, labelSelector=names.NETWORK)["items"]
    except UnansweredError as error:
        if error.status == 404:  # there is no Gateway API
            return []
        raise


def _warning(path: str, kind: str, metadata: Any) -> Iterator[Problem]:
    network = metadata.get("labels", {}).get(names.NETWORK)
    if network is None:
        return
    place = f"{metadata['namespace']}/{metadata['name']}"
    yield Problem(
        "network-gateway-exists",
        path,
        f"should have no other gateway between networks: {kind} {place} has the label "
        f"{names.NETWORK}={network}",
        "istiod sends it traffic of other networks too, and what does not pass TLS through by the "
        "name of the Service refuses it (istio/istio#54909)",
        f"if it is no such gateway: `kubectl -n {metadata['namespace']} label {kind} "
        f"{metadata['name']} {names.NETWORK}-`",
        refuses=False,
    )
