"""Assigns addresses to the LoadBalancer Services of one cluster: `… SERVER PKI-DIRECTORY RANGE`.

kube-proxy on the node does the rest, as every packet for the range is routed to the node.
"""

import logging
import sys
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Self

import urllib3
from kubernetes.client import (
    ApiException,
    CoreV1Api,
    CoreV1Event,
    V1EventSource,
    V1ObjectMeta,
    V1ObjectReference,
    V1Service,
)
from kubernetes.informer import ADDED, DELETED, MODIFIED, SharedInformer

from lab.client import connect

_log = logging.getLogger("load-balancer")

BY_NAME = "isthmus-lab/host-name"
"""Annotation of a Service whose status is to have a host name first, as on AWS. It needs no DNS:
the name is the address in hexadecimal, which the C library's resolver accepts as an address."""

TWO_ADDRESSES = "isthmus-lab/two-addresses"
"""Annotation of a Service whose load balancer is to have two addresses, as AWS's have one for each
zone."""


@dataclass(frozen=True)
class Request:
    """A LoadBalancer Service, the address it requests, and those in its status now."""

    uid: str
    namespace: str
    name: str
    wanted: str | None
    shown: tuple[str, ...]
    count: int
    by_name: bool

    @classmethod
    def of(cls, service: V1Service) -> Self | None:
        """None for a Service of another type or of another load balancer class."""
        spec, meta = service.spec, service.metadata
        if not spec or spec.type != "LoadBalancer" or spec.load_balancer_class or not meta:
            return None
        status = service.status and service.status.load_balancer
        ingress = (status and status.ingress) or []
        annotations = meta.annotations or {}
        return cls(
            meta.uid or "",
            meta.namespace or "",
            meta.name or "",
            spec.load_balancer_ip,
            tuple(i.ip for i in ingress if i.ip),
            2 if TWO_ADDRESSES in annotations else 1,
            BY_NAME in annotations,
        )


class Allocator:
    """Keeps the status of each LoadBalancer Service in step with the addresses of `pool`.

    A Service keeps its address while it has the type and requests no other
    (`spec.loadBalancerIP`); a new one gets the lowest free address. A Service that requests an
    address gets that one or none. When the pool is exhausted, a Service waits for the next release,
    and an Event on it says so.
    """

    def __init__(self, api: CoreV1Api, pool: IPv4Network) -> None:
        self._api = api
        self._pool = pool
        self._addresses = [str(a) for a in pool.hosts()]
        self._held: dict[tuple[str, int], str] = {}  # address by Service uid and number
        self._waiting: set[str] = set()  # uids of Services that have an Event about it
        self._informer = SharedInformer(api.list_service_for_all_namespaces)
        self._changed = threading.Event()

    def run(self) -> None:
        """Serve until the process ends. Waits for API servers that stop answering."""
        for event in (ADDED, MODIFIED, DELETED):
            self._informer.add_event_handler(event, self._notice)
        self._informer.start()
        retry: float | None = None
        while True:
            self._changed.wait(retry)
            self._changed.clear()
            retry = None
            try:
                self.settle(self._informer.cache.list())
            except (ApiException, urllib3.exceptions.HTTPError) as e:
                # Most often a Service that was changed or deleted at the same moment.
                _log.info("retrying in half a second: %s", " ".join(str(e).split())[:300])
                retry = 0.5

    def settle(self, services: Iterable[V1Service]) -> None:
        """Assign and release addresses to match `services`, which are all of the cluster's."""
        requests = [request for request in map(Request.of, services) if request]
        wanted = {(r.uid, n) for r in requests for n in range(r.count)}
        for one in self._held.keys() - wanted:
            _log.info("released %s", self._held.pop(one))
        self._waiting &= {r.uid for r in requests}
        for request in requests:  # assigned before this process started
            for n, address in enumerate(request.shown[: request.count]):
                if self._is_free(address):
                    self._held.setdefault((request.uid, n), address)
        for request in requests:
            if request.wanted and self._is_free(request.wanted):
                self._held[request.uid, 0] = request.wanted
            held = [self._hold(request, n) for n in range(request.count)]
            addresses = tuple(address for address in held if address)
            if len(addresses) < request.count:
                self._refuse(request)
            elif request.shown != addresses:
                self._show(request, addresses)

    def _notice(self, _: object) -> None:
        self._changed.set()

    def _is_free(self, address: str) -> bool:
        return address in self._addresses and address not in self._held.values()

    def _hold(self, request: Request, n: int) -> str | None:
        """The address of that number; a new one if it has none yet, and one is free."""
        if (request.uid, n) not in self._held:
            candidates = [request.wanted] if request.wanted and not n else self._addresses
            free = next((a for a in candidates if self._is_free(a)), None)
            if free is None:
                return None
            self._held[request.uid, n] = free
        return self._held[request.uid, n]

    def _show(self, request: Request, addresses: Sequence[str]) -> None:
        _log.info("%s/%s: %s", request.namespace, request.name, " ".join(addresses))
        self._api.patch_namespaced_service_status(
            request.name,
            request.namespace,
            {"status": {"loadBalancer": {"ingress": _ingress(request, addresses)}}},
        )

    def _refuse(self, request: Request) -> None:
        if request.uid in self._waiting:
            return
        if request.wanted:
            why = f"{request.wanted} is in use or outside {self._pool}; request another address"
        else:
            why = (
                f"all {len(self._addresses)} addresses of {self._pool} are in use; delete another "
                "LoadBalancer Service or give the lab's cluster a larger loadBalancers range"
            )
        _log.warning("%s/%s: %s", request.namespace, request.name, why)
        now = datetime.now(UTC)
        self._api.create_namespaced_event(
            request.namespace,
            CoreV1Event(
                metadata=V1ObjectMeta(generate_name=f"{request.name}."),
                involved_object=V1ObjectReference(
                    api_version="v1",
                    kind="Service",
                    name=request.name,
                    namespace=request.namespace,
                    uid=request.uid,
                ),
                type="Warning",
                reason="AllocationFailed",
                message=f"No load balancer address: {why}.",
                source=V1EventSource(component="isthmus-lab"),
                first_timestamp=now,
                last_timestamp=now,
                count=1,
            ),
        )
        self._waiting.add(request.uid)


def _ingress(request: Request, addresses: Sequence[str]) -> list[dict[str, str]]:
    """The Service's status. kube-proxy needs the addresses, at any position of the list."""
    shown = [{"ip": address} for address in addresses]
    name = {"hostname": f"{int(IPv4Address(addresses[0])):#010x}"}
    return [name, *shown] if request.by_name else shown


def main(server: str, pki: str, pool: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    Allocator(CoreV1Api(connect(server, Path(pki))), IPv4Network(pool)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
