"""Addresses of load balancers."""

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_kubernetes import core

WAIT: Mapping[str, str] = {"pulumi.com/waitFor": "jsonpath={.status.loadBalancer.ingress}"}
"""Annotation of a Service whose address is all that is waited for.

The provider would wait for its endpoints too, and then ten seconds more for them to settle
(provider/pkg/await/service.go); the gateway's pods are waited for by their Deployment.
"""

_TRIES = 30
_PAUSE_SECONDS = 10
"""A new load balancer's name is in the DNS minutes after it is in the Service's status."""


def address_of(service: core.v1.Service, what: str) -> pulumi.Output[str]:
    """The IP address of a Service's load balancer; a host name is resolved at every update.

    An address is needed: a remote's chart makes an ExternalName Service of a name, which the API
    server does not follow to the webhook's port (istio/istio#45014, #29359), and the endpoints of a
    static ServiceEntry are addresses. The lowest is taken, so that it stays while the name leads
    there. AWS's Network Load Balancers keep their addresses; those of Classic ones change, and with
    them the remotes' way to istiod is lost until the next `up`. (istiod itself resolves the names
    of gateways between networks again and again: RESOLVE_HOSTNAME_GATEWAYS.)

    Args:
        what: the Service as a message names it, with its cluster.

    Raises (in the Output):
        ValueError: it has no address, or a name that does not resolve.
    """
    return service.status.apply(lambda status: _address(status, what))


async def _address(status: Any, what: str) -> str:
    ingress = status.load_balancer.ingress if status and status.load_balancer else None
    first = ingress[0] if ingress else None
    if first is not None and first.ip:
        return str(first.ip)
    if first is None or not first.hostname:
        raise ValueError(
            f"the load balancer of {what} has no address, so other clusters could not dial it. "
            "See what its events say (`kubectl describe`), then run `pulumi up` again; "
            "docs/troubleshooting.md tells more."
        )
    return await _resolve(str(first.hostname), what)


async def _resolve(hostname: str, what: str) -> str:
    # In a preview the name was there at the last update; nothing new has to be waited for.
    tries = 1 if pulumi.runtime.is_dry_run() else _TRIES
    for again in reversed(range(tries)):
        try:
            return await _lowest(hostname)
        except socket.gaierror as error:
            if not again:
                raise ValueError(
                    f"the load balancer of {what} has the host name {hostname}, which does not "
                    f"resolve here ({error.strerror}), and an IP address is needed: other clusters "
                    "dial it as an endpoint. Mend this machine's DNS, or use a load balancer whose "
                    "Service status holds an address (on AWS a Network Load Balancer), then run "
                    "`pulumi up` again; docs/troubleshooting.md tells more."
                ) from None
            await asyncio.sleep(_PAUSE_SECONDS)
    raise AssertionError("the last try returns or raises")


async def _lowest(hostname: str) -> str:
    """The lowest IPv4 address of a name; the lowest IPv6 address where it has no other."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(hostname, None, type=socket.SOCK_STREAM)
    addresses = {ipaddress.ip_address(sockaddr[0]) for *_, sockaddr in found}
    return str(min(addresses, key=lambda a: (a.version, int(a))))
