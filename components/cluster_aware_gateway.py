"""The gateway through which other clusters reach this one."""

from collections.abc import Mapping
from typing import Any, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from components import charts, values
from components.load_balancer import WAIT, address_of

_NAME = "istio-eastwestgateway"
_LABEL = "eastwestgateway"
"""Value of the label `istio` on the gateway's pods: the release name without `istio-`."""
_DATA_PORTS = {"status-port": 15021, "tls": 15443}
_CONTROL_PORTS = {"tls-istiod": 15012, "tls-webhook": 15017}
"""Ports of an east-west gateway, as in the chart value `networkGatewayPorts`."""


class ClusterAwareGatewayArgs(TypedDict):
    """Whose gateway it is and what it lets in."""

    cluster: str
    """Cluster that the gateway is in."""
    network: str
    """Network whose pods are behind the gateway."""
    namespace: str
    """Istio's namespace."""
    expose_services: bool
    """Let other networks in to every service of the mesh. Set where the configuration of this
    control plane is read, which is the primary: it holds for its remotes' gateways too."""
    expose_control_plane: bool
    """Let remotes in to istiod, on 15012 (xDS and CA) and 15017 (webhooks)."""
    source: charts.ChartSource
    """Istio's charts."""
    gateway_values: Mapping[str, Any]
    """The user's own values for the chart `gateway`."""


class ClusterAwareGateway(pulumi.ComponentResource):
    """East-west gateway: its Service and pods, and the Gateways that open its ports.

    Its pods are injected, so it depends on the cluster's Injection. The network label is on this
    gateway and never on an ingress gateway (istio/istio#54909).
    """

    address: pulumi.Output[str]
    """IP address of the load balancer."""

    def __init__(
        self, name: str, args: ClusterAwareGatewayArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("isthmus:index:ClusterAwareGateway", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        ports = _DATA_PORTS | (_CONTROL_PORTS if args["expose_control_plane"] else {})
        # The chart could make the Service. It is here so that its address is the output of a
        # resource, whichever way the chart is installed.
        service = kubernetes.core.v1.Service(
            f"{name}-service",
            metadata={
                "name": _NAME,
                "namespace": args["namespace"],
                "labels": {
                    "app": _NAME,
                    "istio": _LABEL,
                    "topology.istio.io/network": args["network"],
                },
                "annotations": WAIT,
            },
            spec={
                "type": "LoadBalancer",
                "selector": {"app": _NAME, "istio": _LABEL},
                "ports": [
                    {"name": n, "port": p, "target_port": p, "protocol": "TCP"}
                    for n, p in ports.items()
                ],
            },
            opts=child,
        )
        charts.install(
            f"{name}-gateway",
            "gateway",
            args["source"],
            release=_NAME,
            namespace=args["namespace"],
            values=values.merged(
                args["gateway_values"], values.gateway(name=_NAME, network=args["network"])
            ),
            opts=child,
        )
        if args["expose_services"]:
            self._expose_services(name, args["namespace"])
        if args["expose_control_plane"]:
            self._expose_control_plane(name, args["namespace"])

        self.address = address_of(service, f"Service {_NAME} in cluster {args['cluster']}")
        self.register_outputs({"address": self.address})

    def _expose_services(self, name: str, namespace: str) -> None:
        """Let connections pass by their SNI, to any service under `.local`, with mTLS kept."""
        kubernetes.apiextensions.CustomResource(
            f"{name}-expose-services",
            api_version="networking.istio.io/v1",
            kind="Gateway",
            metadata={"name": "cross-network-gateway", "namespace": namespace},
            spec={
                "selector": {"istio": _LABEL},
                "servers": [
                    {
                        "port": {"number": _DATA_PORTS["tls"], "name": "tls", "protocol": "TLS"},
                        "tls": {"mode": "AUTO_PASSTHROUGH"},
                        "hosts": ["*.local"],
                    }
                ],
            },
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _expose_control_plane(self, name: str, namespace: str) -> None:
        """Pass TLS through to istiod, which answers with its own certificate."""
        child = pulumi.ResourceOptions(parent=self)
        behind = {15012: 15012, 15017: 443}  # ports of the Service istiod
        kubernetes.apiextensions.CustomResource(
            f"{name}-expose-istiod",
            api_version="networking.istio.io/v1",
            kind="Gateway",
            metadata={"name": "istiod-gateway", "namespace": namespace},
            spec={
                "selector": {"istio": _LABEL},
                "servers": [
                    {
                        "port": {"number": outer, "name": port_name, "protocol": "TLS"},
                        "tls": {"mode": "PASSTHROUGH"},
                        "hosts": ["*"],
                    }
                    for port_name, outer in _CONTROL_PORTS.items()
                ],
            },
            opts=child,
        )
        kubernetes.apiextensions.CustomResource(
            f"{name}-route-istiod",
            api_version="networking.istio.io/v1",
            kind="VirtualService",
            metadata={"name": "istiod-vs", "namespace": namespace},
            spec={
                "hosts": ["*"],
                "gateways": ["istiod-gateway"],
                "tls": [
                    {
                        "match": [{"port": outer, "sniHosts": ["*"]}],
                        "route": [
                            {
                                "destination": {
                                    "host": f"istiod.{namespace}.svc.cluster.local",
                                    "port": {"number": inner},
                                }
                            }
                        ],
                    }
                    for outer, inner in behind.items()
                ],
            },
            opts=child,
        )
