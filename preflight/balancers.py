"""Whether a cluster's load balancers get addresses."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from kube.api import ClusterApi
from spec.problems import Problem

_LONG = dt.timedelta(minutes=10)
"""The time that the update itself waits for an address."""


def pending(api: ClusterApi, path: str, cluster: str) -> Iterator[Problem]:
    """Warn if no load balancer of the cluster has an address yet."""
    services = api.get("/api/v1/services", fieldSelector="spec.type=LoadBalancer")["items"]
    waiting = [
        s for s in services if not s.get("status", {}).get("loadBalancer", {}).get("ingress")
    ]
    if not waiting or len(waiting) < len(services):
        return
    oldest = min(waiting, key=_created_at)
    age = dt.datetime.now(dt.UTC) - _created_at(oldest)
    if age > _LONG:
        metadata = oldest["metadata"]
        yield Problem(
            "load-balancers-pending",
            path,
            f"has load balancers, but none has an address: Service {metadata['namespace']}/"
            f"{metadata['name']} has waited for {age.total_seconds() / 60:.0f} minutes",
            f"the gateway of {cluster} would get no address either, and the update would fail",
            "install a load balancer controller, or see the events: `kubectl describe service "
            f"-n {metadata['namespace']} {metadata['name']}` (quotas, pools of addresses)",
            refuses=False,
        )


def _created_at(service: Any) -> dt.datetime:
    return dt.datetime.fromisoformat(service["metadata"]["creationTimestamp"])
