"""Assigns addresses to the LoadBalancer Services of one cluster: `… SERVER PKI-DIRECTORY RANGE`.

kube-proxy on the node does the rest, as every packet for the range is routed to the node.
"""

import logging
import sys
import threading
from collections.abc import Iterable
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


@dataclass(frozen=True)
class Request:
    """A LoadBalancer Service, the address it requests, and the one in its status now."""

    uid: str
    namespace: str
    name: str
    wanted: str | None
    shown: str | None
    by_name: bool

    @classmethod
    def of(cls, service: V1Service) -> Self | None:
        """None for a Service of another type or of another load balancer class."""
        spec, meta = service.spec, service.metadata
        if not spec or spec.type != "LoadBalancer" or spec.load_balancer_class or not meta:
            return None
        status = service.status and service.status.load_balancer
        ingress = (status and status.ingress) or []
        shown = next((i.ip for i in ingress if i.ip), None)
        return cls(
            meta.uid or "",
            meta.namespace or "",
            meta.name or "",
            spec.load_balancer_ip,
            shown,
            BY_NAME in (meta.annotations or {}),
        )


class Allocator:
    """Keeps the status of each LoadBalancer Service in step with the addresses of `pool`.

    A Service keeps its address while it has the type; a new one gets the lowest free address.
    A Service that requests an address (`spec.loadBalancerIP`) gets that one or none. When the pool
    is exhausted, a Service waits for the next release, and an Event on it says so.
    """

    def __init__(self, api: CoreV1Api, pool: IPv4Network) -> None:
        self._api = api
        self._pool = pool
        self._addresses = [str(a) for a in pool.hosts()]
        self._held: dict[str, str] = {}  # address by Service uid
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
        uids = {request.uid for request in requests}
        for uid in self._held.keys() - uids:
            _log.info("released %s", self._held.pop(uid))
        self._waiting &= uids
        for request in requests:  # assigned before this process started
            if request.shown in self._addresses and request.shown not in self._held.values():
                self._held.setdefault(request.uid, request.shown)
        for request in requests:
            address = self._held.get(request.uid) or self._choose(request)
            if address is None:
                self._refuse(request)
            else:
                self._held[request.uid] = address
                if request.shown != address:
                    self._show(request, address)

    def _notice(self, _: object) -> None:
        self._changed.set()

    def _choose(self, request: Request) -> str | None:
        taken = set(self._held.values())
        candidates = [request.wanted] if request.wanted else self._addresses
        return next((a for a in candidates if a in self._addresses and a not in taken), None)

    def _show(self, request: Request, address: str) -> None:
        _log.info("%s/%s: %s", request.namespace, request.name, address)
        self._api.patch_namespaced_service_status(
            request.name,
            request.namespace,
            {"status": {"loadBalancer": {"ingress": _ingress(request, address)}}},
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


def _ingress(request: Request, address: str) -> list[dict[str, str]]:
    """The Service's status. kube-proxy needs the address, at any position of the list."""
    name = {"hostname": f"{int(IPv4Address(address)):#010x}"}
    return [name, {"ip": address}] if request.by_name else [{"ip": address}]


def main(server: str, pki: str, pool: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    Allocator(CoreV1Api(connect(server, Path(pki))), IPv4Network(pool)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
