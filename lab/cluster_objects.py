"""Every object that a cluster's API serves, to compare before and after."""

import json
from collections.abc import Iterator
from typing import Any

from kubernetes import client

from lab.cluster import Cluster

# Written by Kubernetes itself, all the time.
_RESTLESS = {"events", "leases", "componentstatuses", "endpointslices", "ipaddresses"}

ObjectName = tuple[str, str, str]
"""Resource, namespace (empty where there is none), name."""


def snapshot(cluster: Cluster) -> set[ObjectName]:
    """Names of all objects of one cluster, whatever their kind."""
    api = cluster.client()
    try:
        return set(_objects(api))
    finally:
        api.close()


def _objects(api: client.ApiClient) -> Iterator[ObjectName]:
    groups = _get(api, "/apis")["groups"]
    roots = ["/api/v1", *(f"/apis/{g['preferredVersion']['groupVersion']}" for g in groups)]
    for root in roots:
        for resource in _get(api, root)["resources"]:
            name = resource["name"]
            if "list" not in resource["verbs"] or name in _RESTLESS:
                continue
            for item in _get(api, f"{root}/{name}")["items"]:
                metadata = item["metadata"]
                yield f"{root}/{name}", metadata.get("namespace", ""), metadata["name"]


def _get(api: client.ApiClient, path: str) -> Any:
    address = f"{api.configuration.host}{path}"
    answer = api.call_api("GET", address, {"Accept": "application/json"})
    return json.loads(answer.read())
