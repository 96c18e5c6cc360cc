"""A load balancer as the path to a control plane."""

from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict

import pulumi
from pulumi_kubernetes import core

from . import names
from .load_balancer import addresses_of, waiting

Cloud = Literal["gke", "aks", "eks"]

INTERNAL: Mapping[Cloud, Mapping[str, str]] = {
    # Without global access, clients in another region get no answer.
    "gke": {
        "networking.gke.io/load-balancer-type": "Internal",
        "networking.gke.io/internal-load-balancer-allow-global-access": "true",
    },
    "aks": {"service.beta.kubernetes.io/azure-load-balancer-internal": "true"},
    "eks": {
        "service.beta.kubernetes.io/aws-load-balancer-type": "external",
        "service.beta.kubernetes.io/aws-load-balancer-scheme": "internal",
        "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type": "ip",
        # Remotes use one of its addresses, which are one in each zone. Without this it leads to
        # pods of its own zone only, and to none where there are none.
        "service.beta.kubernetes.io/aws-load-balancer-attributes": (
            "load_balancing.cross_zone.enabled=true"
        ),
    },
}
"""Annotations that make a load balancer internal, from each cloud's documents: docs/eks.md and
docs/aks.md cite them and say why."""


class ControlPlaneServiceArgs(TypedDict):
    """The control plane's cluster, and settings of its load balancer."""

    cluster: str
    """Cluster that istiod runs in."""
    namespace: str
    """Istio's namespace."""
    annotations: NotRequired[Mapping[str, str]]
    """Annotations of the Service, for the cloud's load balancer."""
    source_ranges: NotRequired[Sequence[str]]
    """Source ranges that the load balancer accepts. Default: all."""


class ControlPlaneService(pulumi.ComponentResource):
    """A load balancer for istiod alone, with the ports that remotes use.

    The chart's Service has no setting for its type and no port 15017, which a remote's
    EndpointSlice needs. So this is a second Service.
    """

    addresses: pulumi.Output[Sequence[str]]
    """IP addresses of the load balancer."""

    def __init__(
        self, name: str, args: ControlPlaneServiceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("isthmus:index:ControlPlaneService", name, {}, opts)
        spec: core.v1.ServiceSpecArgsDict = {
            "type": "LoadBalancer",
            "selector": {"app": "istiod", "istio": "pilot"},
            "load_balancer_source_ranges": list(args.get("source_ranges", ())) or None,
            "ports": [
                {"name": "tls-istiod", "port": names.XDS_PORT, "protocol": "TCP"},
                {"name": "tls-webhook", "port": names.WEBHOOK_PORT, "protocol": "TCP"},
            ],
        }
        service = core.v1.Service(
            f"{name}-istiod-remotes",
            metadata={
                "name": names.REMOTE_SERVICE,
                "namespace": args["namespace"],
                "annotations": waiting(args.get("annotations", {}), spec),
            },
            spec=spec,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.addresses = addresses_of(
            service, f"Service {names.REMOTE_SERVICE} in cluster {args['cluster']}"
        )
        self.register_outputs({"addresses": self.addresses})
