"""Gives the LoadBalancer Services of one cluster their addresses: `… KUBECONFIG RANGE`.

kube-proxy on the node does the rest, as every packet for the range is routed to the node.
"""

import logging
import sys
import threading
from datetime import UTC, datetime
from ipaddress import IPv4Network

import urllib3
from kubernetes.client import (
    ApiClient,
    ApiException,
    CoreV1Api,
    CoreV1Event,
    V1EventSource,
    V1ObjectMeta,
    V1ObjectReference,
    V1Service,
)
from kubernetes.config import new_client_from_config
from kubernetes.informer import ADDED, DELETED, ERROR, MODIFIED, SharedInformer

_COMPONENT = "isthmus-lab"
_log = logging.getLogger("load-balancer")


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
            self._informer.add_event_handler(event, lambda _: self._changed.set())
        self._informer.add_event_handler(ERROR, lambda e: _log.info("watch: %s", e))
        self._informer.start()
        retry: float | None = None
        while True:
            self._changed.wait(retry)
            self._changed.clear()
            retry = None
            try:
                self._settle(self._informer.cache.list())
            except (ApiException, urllib3.exceptions.HTTPError) as e:
                # Most often a Service that was changed or deleted at the same moment.
                _log.info("once more in half a second: %s", " ".join(str(e).split())[:300])
                retry = 0.5

    def _settle(self, services: list[V1Service]) -> None:
        ours = {s.metadata.uid: s for s in services if _is_ours(s)}
        for uid in self._held.keys() - ours.keys():
            _log.info("released %s", self._held.pop(uid))
        self._told &= ours.keys()
        for uid, service in ours.items():  # addresses given before this process started
            shown = _shown(service)
            if shown in self._addresses and shown not in self._held.values():
                self._held.setdefault(uid, shown)
        for uid, service in ours.items():
            address = self._held.get(uid) or self._choose(service)
            if address is None:
                self._refuse(service)
            else:
                self._held[uid] = address
                if _shown(service) != address:
                    self._show(service, address)

    def _choose(self, service: V1Service) -> str | None:
        taken = set(self._held.values())
        wanted = service.spec.load_balancer_ip
        candidates = [wanted] if wanted else self._addresses
        return next((a for a in candidates if a in self._addresses and a not in taken), None)

    def _show(self, service: V1Service, address: str) -> None:
        name, namespace = service.metadata.name, service.metadata.namespace
        _log.info("%s/%s: %s", namespace, name, address)
        self._api.patch_namespaced_service_status(
            name, namespace, {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}
        )

    def _refuse(self, service: V1Service) -> None:
        meta = service.metadata
        if meta.uid in self._told:
            return
        self._told.add(meta.uid)
        wanted = service.spec.load_balancer_ip
        if wanted:
            why = f"the address {wanted} is taken or not one of {self._pool}; ask for another"
        else:
            why = (
                f"all {len(self._addresses)} addresses of {self._pool} are taken; delete another "
                "LoadBalancer Service or give the lab's cluster a larger loadBalancers range"
            )
        _log.warning("%s/%s: %s", meta.namespace, meta.name, why)
        now = datetime.now(UTC)
        self._api.create_namespaced_event(
            meta.namespace,
            CoreV1Event(
                metadata=V1ObjectMeta(generate_name=f"{meta.name}.", namespace=meta.namespace),
                involved_object=V1ObjectReference(
                    api_version="v1",
                    kind="Service",
                    name=meta.name,
                    namespace=meta.namespace,
                    uid=meta.uid,
                ),
                type="Warning",
                reason="AllocationFailed",
                message=f"No load balancer address: {why}.",
                source=V1EventSource(component=_COMPONENT),
                first_timestamp=now,
                last_timestamp=now,
                count=1,
            ),
        )


def _is_ours(service: V1Service) -> bool:
    return service.spec.type == "LoadBalancer" and service.spec.load_balancer_class is None


def _shown(service: V1Service) -> str | None:
    ingress = service.status.load_balancer.ingress
    return ingress[0].ip if ingress else None


def main(kubeconfig: str, pool: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    client: ApiClient = new_client_from_config(kubeconfig)
    Allocator(CoreV1Api(client), IPv4Network(pool)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
