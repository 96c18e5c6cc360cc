"""Addresses of load balancers."""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_kubernetes import core

WAIT: Mapping[str, str] = {"pulumi.com/waitFor": "jsonpath={.status.loadBalancer.ingress}"}
"""Annotation of a Service whose address is all that is waited for.

The provider would wait for its endpoints too, and then ten seconds more for them to settle
(provider/pkg/await/service.go); the gateway's pods are waited for by their Deployment.
"""


def address_of(service: core.v1.Service, what: str) -> pulumi.Output[str]:
    """The IP address that a load balancer has given a Service.

    Args:
        what: the Service as a message names it, with its cluster.

    Raises (in the Output):
        ValueError: it has none, or a host name, which a webhook cannot be sent to: the API server
            does not follow a Service of type ExternalName (istio/istio#45014, #29359).
    """
    return service.status.apply(lambda status: _address(status, what))


def _address(status: Any, what: str) -> str:
    ingress = status.load_balancer.ingress if status and status.load_balancer else None
    first = ingress[0] if ingress else None
    if first is not None and first.ip:
        return str(first.ip)
    found = f"the host name {first.hostname}" if first is not None else "no address"
    raise ValueError(
        f"the load balancer of {what} has {found}, and an IP address is needed: other clusters "
        "dial it as an endpoint. Use a load balancer whose Service status holds an address, then "
        "run `pulumi up` again; see docs/troubleshooting.md."
    )
