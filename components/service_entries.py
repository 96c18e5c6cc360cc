"""Entries for a service of the whole mesh, if control planes do not watch other clusters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import pulumi
from pulumi_kubernetes import apiextensions

from . import names
from .ownership import mark

_KUBERNETES_WORDS: Mapping[str, str] = {
    "kubernetes.io/h2c": "HTTP2",
    "kubernetes.io/ws": "HTTP",
    "kubernetes.io/wss": "HTTPS",
}
"""Kubernetes' own `appProtocol`s (pkg/config/kube/conversion.go in istio/istio)."""
_PROTOCOLS = {"TCP", "HTTP", "HTTP2", "HTTPS", "GRPC", "GRPC-WEB", "TLS", "MONGO", "REDIS", "MYSQL"}


@dataclass(frozen=True)
class ServicePort:
    """A port of a Kubernetes Service, in the form of a ServiceEntry."""

    number: int
    name: str
    protocol: str
    """Istio's name of the protocol: HTTP, HTTP2, GRPC, TLS, TCP, …; empty to have it detected."""


@dataclass(frozen=True)
class GatewayEndpoint:
    """The gateway of another cluster that has pods for the service."""

    address: pulumi.Input[str]
    port: int
    network: str
    weight: int = 1
    """Share of the requests, compared with a pod of the caller's own cluster: the number of pods
    behind the gateway."""
    locality: str = ""
    """Region and zone of these pods, as `region/zone`; empty if unknown or not in common."""


class ServiceEntriesArgs(TypedDict):
    """The service, and the other clusters that run it."""

    namespace: pulumi.Input[str]
    """Namespace of the Service, the same in every cluster."""
    service: str
    """Name of the Service."""
    ports: Sequence[ServicePort]
    """All ports of the Service."""
    elsewhere: Mapping[str, GatewayEndpoint]
    """Every other cluster that has pods for it, by name."""


class ServiceEntries(pulumi.ComponentResource):
    """A ServiceEntry that adds other clusters' gateways to a service of this cluster.

    It merges with the cluster's own Service of that name, so local and remote pods answer alike.
    The cross-network Gateway of each cluster opens the gateways' port, not this component.
    """

    def __init__(
        self, name: str, args: ServiceEntriesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(
            "isthmus:index:ServiceEntries",
            name,
            {},
            pulumi.ResourceOptions.merge(
                # The component's name until 0.1; without the alias its objects would be replaced.
                pulumi.ResourceOptions(
                    aliases=[pulumi.Alias(type_="isthmus:index:FederatedService")]
                ),
                opts,
            ),
        )
        apiextensions.CustomResource(
            f"{name}-entry",
            api_version="networking.istio.io/v1",
            kind="ServiceEntry",
            metadata={
                "name": f"{args['service']}-elsewhere",
                "namespace": args["namespace"],
                "annotations": mark(),
            },
            spec={
                "hosts": [
                    pulumi.Output.concat(
                        args["service"], ".", args["namespace"], f".{names.CLUSTER_DOMAIN}"
                    )
                ],
                "location": "MESH_INTERNAL",
                "resolution": "STATIC",
                "ports": [
                    {"number": p.number, "name": p.name, "protocol": p.protocol}
                    for p in args["ports"]
                ],
                "endpoints": [
                    {
                        "address": gateway.address,
                        "ports": {p.name: gateway.port for p in args["ports"]},
                        # Without it gateways treat each other as backends, and one request opens
                        # thousands of connections between them.
                        "network": gateway.network,
                        # Without it the sidecar sends plain text, and 15443 hangs up on it.
                        "labels": {names.TLS_MODE: "istio"},
                        "weight": gateway.weight,
                        **({"locality": gateway.locality} if gateway.locality else {}),
                    }
                    for gateway in args["elsewhere"].values()
                ],
            },
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def protocol_of(port_name: str, app_protocol: str | None = None) -> str:
    """Return Istio's protocol of a Service port: its `appProtocol`, or its name's first word.

    Empty if neither names one; then Istio detects it from the traffic.
    Source: https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/
    """
    protocol = _KUBERNETES_WORDS.get(app_protocol or "", app_protocol or port_name).upper()
    word = "GRPC-WEB" if protocol.startswith("GRPC-WEB") else protocol.split("-")[0]
    return word if word in _PROTOCOLS else ""
