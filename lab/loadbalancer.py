"""Gives the LoadBalancer Services of one cluster their addresses: `… SERVER PKI-DIRECTORY RANGE`.

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
"""Annotation of a Service that is to show a host name first, as AWS's do. It needs no name server:
it is the address in hexadecimal, which the C library's resolver takes for one."""


@dataclass(frozen=True)
class Wish:
    """A LoadBalancer Service: which one, the address it asks for, and the one it shows now."""

    uid: str
    namespace: str
    name: str
    wanted: str | None
    shown: str | None
    by_name: bool

    @classmethod
    def of(cls, service: V1Service) -> Self | None:
        """None for a Service that is of another type or some other implementation's."""
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

    A Service keeps its address for as long as it is of the type; the lowest free one is given next.
    One that asks for an address (`spec.loadBalancerIP`) gets that or none. With the pool exhausted
    a Service waits for the next release, and an Event on it says so.
    """

    def __init__(self, api: CoreV1Api, pool: IPv4Network) -> None:
        self._api = api
        self._pool = pool
        self._addresses = [str(a) for a in pool.hosts()]
        self._held: dict[str, str] = {}  # address by Service uid
        self._told: set[str] = set()  # uids of Services that have been told that they wait
        self._informer = SharedInformer(api.list_service_for_all_namespaces)
        self._changed = threading.Event()

    def run(self) -> None:
        """Serve until the process ends. API servers that go away are waited for."""
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
                _log.info("once more in half a second: %s", " ".join(str(e).split())[:300])
                retry = 0.5

    def settle(self, services: Iterable[V1Service]) -> None:
        """Give and take addresses so that they fit `services`, which are all of the cluster's."""
        wishes = [wish for wish in map(Wish.of, services) if wish]
        uids = {wish.uid for wish in wishes}
        for uid in self._held.keys() - uids:
            _log.info("released %s", self._held.pop(uid))
        self._told &= uids
        for wish in wishes:  # what was given before this process started
            if wish.shown in self._addresses and wish.shown not in self._held.values():
                self._held.setdefault(wish.uid, wish.shown)
        for wish in wishes:
            address = self._held.get(wish.uid) or self._choose(wish)
            if address is None:
                self._refuse(wish)
            else:
                self._held[wish.uid] = address
                if wish.shown != address:
                    self._show(wish, address)

    def _notice(self, _: object) -> None:
        self._changed.set()

    def _choose(self, wish: Wish) -> str | None:
        taken = set(self._held.values())
        candidates = [wish.wanted] if wish.wanted else self._addresses
        return next((a for a in candidates if a in self._addresses and a not in taken), None)

    def _show(self, wish: Wish, address: str) -> None:
        _log.info("%s/%s: %s", wish.namespace, wish.name, address)
        self._api.patch_namespaced_service_status(
            wish.name,
            wish.namespace,
            {"status": {"loadBalancer": {"ingress": _ingress(wish, address)}}},
        )

    def _refuse(self, wish: Wish) -> None:
        if wish.uid in self._told:
            return
        if wish.wanted:
            why = f"{wish.wanted} is taken or not one of {self._pool}; ask for another address"
        else:
            why = (
                f"all {len(self._addresses)} addresses of {self._pool} are taken; delete another "
                "LoadBalancer Service or give the lab's cluster a larger loadBalancers range"
            )
        _log.warning("%s/%s: %s", wish.namespace, wish.name, why)
        now = datetime.now(UTC)
        self._api.create_namespaced_event(
            wish.namespace,
            CoreV1Event(
                metadata=V1ObjectMeta(generate_name=f"{wish.name}."),
                involved_object=V1ObjectReference(
                    api_version="v1",
                    kind="Service",
                    name=wish.name,
                    namespace=wish.namespace,
                    uid=wish.uid,
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
        self._told.add(wish.uid)


def _ingress(wish: Wish, address: str) -> list[dict[str, str]]:
    """What the Service shows. kube-proxy needs the address, wherever in the list it is."""
    name = {"hostname": f"{int(IPv4Address(address)):#010x}"}
    return [name, {"ip": address}] if wish.by_name else [{"ip": address}]


def main(server: str, pki: str, pool: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    Allocator(CoreV1Api(connect(server, Path(pki))), IPv4Network(pool)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
