"""Whether a cluster's load balancers get addresses."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from kube.api import ClusterApi
from spec.problems import Problem

_LONG = dt.timedelta(minutes=10)
"""As long as the update itself waits for an address."""


def pending(api: ClusterApi, path: str, cluster: str) -> Iterator[Problem]:
    """A warning, where every load balancer that the cluster has been asked for is still missing."""
    services = api.get("/api/v1/services", fieldSelector="spec.type=LoadBalancer")["items"]
    waiting = [
        s for s in services if not s.get("status", {}).get("loadBalancer", {}).get("ingress")
    ]
    if not waiting or len(waiting) < len(services):
        return
    oldest = min(waiting, key=_made)
    age = dt.datetime.now(dt.UTC) - _made(oldest)
    if age > _LONG:
        metadata = oldest["metadata"]
        yield Problem(
            "load-balancers-pending",
            path,
            "should give load balancers their addresses: Service "
            f"{metadata['namespace']}/{metadata['name']} has waited for one for "
            f"{age.total_seconds() / 60:.0f} minutes",
            f"the gateway of {cluster} would wait in vain too, and the update with it",
            "install a load balancer controller, or see what is wrong: `kubectl describe service "
            f"-n {metadata['namespace']} {metadata['name']}` (quotas, pools of addresses)",
            refuses=False,
        )


def _made(service: Any) -> dt.datetime:
    return dt.datetime.fromisoformat(service["metadata"]["creationTimestamp"])
