"""Addresses of load balancers."""

import asyncio
import hashlib
import ipaddress
import json
import socket
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi_kubernetes import core

_WRITTEN = "isthmus/written"
"""Annotation of a Service: a digest of what this program has written into it."""
_TRIES = 30
_PAUSE_SECONDS = 10
"""A new load balancer's name is in the DNS minutes after it is in the Service's status."""


def waiting(
    annotations: Mapping[str, str], *written: pulumi.Input[Any]
) -> pulumi.Output[Mapping[str, str]]:
    """Return annotations of a Service for which the provider waits only until it has an address.

    The provider would also wait for its endpoints, and then ten seconds more for them to settle
    (provider/pkg/await/service.go). The Deployment waits for the gateway's pods.

    It also waits for the update itself. The provider judges what its watch shows, which can be
    older, and records what it judged (Observe in provider/pkg/await/condition/observer.go compares
    generations, and Services have none). The next preview would show the same update again.

    Args:
        written: everything else that is written into the Service.
    """

    def complete(text: str) -> Mapping[str, str]:
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        conditions = [
            "jsonpath={.status.loadBalancer.ingress}",
            f"jsonpath={{.metadata.annotations['{_WRITTEN}']}}={digest}",
        ]
        return {**annotations, _WRITTEN: digest, "pulumi.com/waitFor": json.dumps(conditions)}

    return pulumi.Output.json_dumps([annotations, *written], sort_keys=True).apply(complete)


def addresses_of(service: core.v1.Service, what: str) -> pulumi.Output[Sequence[str]]:
    """Return the IP addresses of a Service's load balancer; every update resolves host names.

    Addresses are needed: for a name, a remote's chart creates an ExternalName Service, which the
    API server does not follow to the webhook's port (istio/istio#45014, #29359), and the endpoints
    of a static ServiceEntry are addresses. Those of a name are in their order, so that the first
    stays the same while the name leads there. AWS's Network Load Balancers keep their addresses;
    those of Classic ones change, and then the remotes lose istiod until the next `up`. (istiod
    itself resolves names of gateways between networks repeatedly: RESOLVE_HOSTNAME_GATEWAYS.)

    Args:
        what: the Service as a message names it, with its cluster.

    Raises (in the Output):
        ValueError: it has no address, or a name that does not resolve.
    """
    return service.status.apply(lambda status: _addresses(status, what))


async def _addresses(status: Any, what: str) -> Sequence[str]:
    ingress = (status.load_balancer.ingress if status and status.load_balancer else None) or []
    shown = [i for i in ingress if i.ip or i.hostname]
    if not shown:
        raise ValueError(
            f"the load balancer of {what} has no address, so other clusters cannot reach it. "
            "See its events (`kubectl describe`), then run `pulumi up` again; "
            "docs/troubleshooting.md explains more."
        )
    found = [[str(i.ip)] if i.ip else await _resolve(str(i.hostname), what) for i in shown]
    return list(dict.fromkeys(address for addresses in found for address in addresses))


async def _resolve(hostname: str, what: str) -> Sequence[str]:
    # In a preview the name was there at the last update; nothing new has to be waited for.
    tries = 1 if pulumi.runtime.is_dry_run() else _TRIES
    for again in reversed(range(tries)):
        try:
            return await _lowest_first(hostname)
        except socket.gaierror as error:
            if not again:
                raise ValueError(
                    f"the load balancer of {what} has the host name {hostname}, which does not "
                    f"resolve here ({error.strerror}), but an IP address is needed: other clusters "
                    "use it as an endpoint. Fix this machine's DNS, or use a load balancer whose "
                    "Service status holds an address (on AWS a Network Load Balancer), then run "
                    "`pulumi up` again; docs/troubleshooting.md explains more."
                ) from None
            await asyncio.sleep(_PAUSE_SECONDS)
    raise AssertionError("the last try returns or raises")


async def _lowest_first(hostname: str) -> Sequence[str]:
    """Return the IPv4 addresses of a name, or its IPv6 addresses if it has no others."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(hostname, None, type=socket.SOCK_STREAM)
    addresses = sorted(
        {ipaddress.ip_address(sockaddr[0]) for *_, sockaddr in found},
        key=lambda a: (a.version, int(a)),
    )
    return [str(a) for a in addresses if a.version == addresses[0].version]
