"""The gateway through which other clusters reach this one."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict

import pulumi
from pulumi_kubernetes import apiextensions, core

from . import charts, names, values
from .cluster_identity import ClusterIdentity
from .load_balancer import addresses_of, waiting
from .ownership import mark

GatewayKind = Literal["own", "ingress"]
_CONTROL_PORTS = {"tls-istiod": names.XDS_PORT, "tls-webhook": names.WEBHOOK_PORT}
"""Ports for remotes, as in the chart value `networkGatewayPorts`."""


class ClusterAwareGatewayArgs(TypedDict):
    """The gateway's cluster and network, and the traffic that it accepts."""

    identity: ClusterIdentity
    """Names of the cluster that the gateway is in, and of the network behind it."""
    source: charts.ChartSource
    """Istio's charts."""
    kind: NotRequired[GatewayKind]
    """`own`, or `ingress` to share the ingress gateway, which also serves port 80 (and 443).
    Default: `own`."""
    port: NotRequired[int]
    """Port that other networks connect to. Default: 15443."""
    annotations: NotRequired[Mapping[str, str]]
    """Annotations of the Service, for the cloud's load balancer."""
    source_ranges: NotRequired[Sequence[str]]
    """Source ranges that the load balancer accepts. Default: all."""
    status_port: NotRequired[bool]
    """Whether the load balancer has port 15021 too. Default: false."""
    address: NotRequired[str]
    """IP address that others connect to, if it is not the load balancer's own."""
    announced_by_label: NotRequired[bool]
    """Whether istiod reads the network from a label of the Service; otherwise from `meshNetworks`.
    Default: true."""
    expose_services: NotRequired[bool]
    """Whether other networks can reach every service of the mesh. The control plane reads it in the
    primary, and it also applies to the gateways of its remotes. Default: false."""
    expose_control_plane: NotRequired[bool]
    """Whether remotes can reach istiod, on 15012 (xDS and CA) and 15017 (webhooks). Default:
    false."""
    gateway_values: NotRequired[Mapping[str, Any]]
    """User-provided values for the chart `gateway`."""


class ClusterAwareGateway(pulumi.ComponentResource):
    """East-west gateway: its Service and pods, and the Gateways that open its ports.

    Its pods are injected, so it depends on the cluster's Webhooks. The network label belongs to
    the gateway between networks and never to another one (istio/istio#54909).
    """

    addresses: pulumi.Output[Sequence[str]]
    """IP addresses that other clusters connect to."""
    address: pulumi.Output[str]
    """The first of them."""

    def __init__(
        self, name: str, args: ClusterAwareGatewayArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("isthmus:index:ClusterAwareGateway", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        identity = args["identity"]
        kind = args.get("kind", "own")
        port = args.get("port", names.GATEWAY_PORT)
        gateway = names.GATEWAYS[kind]
        selector = {"istio": gateway.removeprefix("istio-")}
        labels: dict[str, pulumi.Input[str]] = {"app": gateway, **selector}
        if args.get("announced_by_label", True):
            labels[names.NETWORK] = identity.network
            if port != names.GATEWAY_PORT:
                labels[names.LISTENER_PORT] = str(port)
        # The chart could create the Service. It is here so that its address is the output of a
        # resource, for both methods of installation.
        spec: core.v1.ServiceSpecArgsDict = {
            "type": "LoadBalancer",
            "selector": {"app": gateway, **selector},
            "load_balancer_source_ranges": list(args.get("source_ranges", ())) or None,
            "ports": [
                {"name": n, "port": p, "target_port": p, "protocol": "TCP"}
                for n, p in _ports(kind, port, args).items()
            ],
        }
        service = core.v1.Service(
            f"{name}-service",
            metadata={
                "name": gateway,
                "namespace": identity.namespace,
                "labels": labels,
                "annotations": waiting(args.get("annotations", {}), labels, spec),
            },
            spec=spec,
            opts=child,
        )
        charts.install(
            f"{name}-gateway",
            "gateway",
            args["source"],
            release=gateway,
            namespace=identity.namespace,
            values=values.merged(
                args.get("gateway_values", {}),
                values.gateway(name=gateway, network=identity.network),
            ),
            opts=child,
        )
        if args.get("expose_services"):
            self._expose_services(name, identity.namespace, port, selector)
        if args.get("expose_control_plane"):
            self._expose_control_plane(name, identity.namespace, selector)

        own = addresses_of(service, f"Service {gateway} in cluster {identity.cluster}")
        self.addresses = own.apply(lambda found: [args["address"]] if "address" in args else found)
        self.address = self.addresses[0]
        self.register_outputs({"address": self.address})

    def _expose_services(
        self, name: str, namespace: str, port: int, selector: Mapping[str, str]
    ) -> None:
        """Forward connections by their SNI to any service under `.local`, without ending mTLS."""
        apiextensions.CustomResource(
            f"{name}-expose-services",
            api_version="networking.istio.io/v1",
            kind="Gateway",
            metadata={
                "name": "cross-network-gateway",
                "namespace": namespace,
                "annotations": mark(),
            },
            spec={
                "selector": selector,
                "servers": [
                    {
                        "port": {"number": port, "name": "tls", "protocol": "TLS"},
                        "tls": {"mode": "AUTO_PASSTHROUGH"},
                        "hosts": ["*.local"],
                    }
                ],
            },
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _expose_control_plane(self, name: str, namespace: str, selector: Mapping[str, str]) -> None:
        """Pass TLS through to istiod, which answers with its own certificate."""
        child = pulumi.ResourceOptions(parent=self)
        # Proxies and API servers of remotes dial istiod by the name of their own Service, which
        # has the same name. Nothing else is let through.
        hosts = [f"{names.ISTIOD}.{namespace}.svc", names.host(names.ISTIOD, namespace)]
        behind = {
            names.XDS_PORT: names.XDS_PORT,
            names.WEBHOOK_PORT: 443,
        }  # ports of the Service istiod
        apiextensions.CustomResource(
            f"{name}-expose-istiod",
            api_version="networking.istio.io/v1",
            kind="Gateway",
            metadata={"name": "istiod-gateway", "namespace": namespace, "annotations": mark()},
            spec={
                "selector": selector,
                "servers": [
                    {
                        "port": {"number": outer, "name": port_name, "protocol": "TLS"},
                        "tls": {"mode": "PASSTHROUGH"},
                        "hosts": hosts,
                    }
                    for port_name, outer in _CONTROL_PORTS.items()
                ],
            },
            opts=child,
        )
        apiextensions.CustomResource(
            f"{name}-route-istiod",
            api_version="networking.istio.io/v1",
            kind="VirtualService",
            metadata={"name": "istiod-vs", "namespace": namespace, "annotations": mark()},
            spec={
                "hosts": hosts,
                "gateways": ["istiod-gateway"],
                "tls": [
                    {
                        "match": [{"port": outer, "sniHosts": hosts}],
                        "route": [
                            {
                                "destination": {
                                    "host": names.host(names.ISTIOD, namespace),
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


def _ports(kind: GatewayKind, port: int, args: ClusterAwareGatewayArgs) -> dict[str, int]:
    """Return the Service's ports: only those that the gateway serves."""
    ports = {"status-port": names.STATUS_PORT} if args.get("status_port") else {}
    ports["tls"] = port
    if kind == "ingress":
        ports["http2"] = 80
        if port != 443:
            ports["https"] = 443
    if args.get("expose_control_plane"):
        ports |= _CONTROL_PORTS
    return ports
