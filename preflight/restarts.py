"""Pods whose proxies keep an old version of Istio, or a former network, until they restart."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from components import names
from kube.api import ClusterApi, UnansweredError
from preflight.facts import ClusterFacts
from preflight.last_update import LastUpdate
from spec.mesh import MeshSpec, cluster_path
from spec.problems import Problem

_INJECTED = f"{names.TLS_MODE}=istio"
"""The injection adds this label to a pod (istio/istio, pkg/kube/inject/inject.go)."""

_NOT_ENDED = "status.phase!=Succeeded,status.phase!=Failed"


def injected_pods(api: ClusterApi) -> list[Any]:
    """Metadata of all pods with sidecars that have not ended.

    Raises:
        UnansweredError: the API server does not answer, or refuses.
    """
    return api.metadata_list("/api/v1/pods", labelSelector=_INJECTED, fieldSelector=_NOT_ENDED)


def pods_with_proxies(facts: Mapping[str, ClusterFacts]) -> Mapping[str, int | None]:
    """Return the number of pods with sidecars, by cluster; None where it did not answer."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        return dict(zip(facts, pool.map(_count, facts.values()), strict=True))


def changed_networks(
    spec: MeshSpec, last: LastUpdate, facts: Mapping[int, ClusterFacts]
) -> Iterator[Problem]:
    """Warn of clusters that change to another network; only those are queried.

    Args:
        facts: of the clusters that this stack builds, by their index in `isthmus:clusters`; there
            are none of clusters that it creates.
    """
    for i, cluster in enumerate(spec.clusters):
        before = last.clusters.get(cluster.name)
        if before is None or before.network in (None, cluster.network):
            continue
        if cluster.gke is None and i not in facts:
            continue  # Another stack builds it, or it is absent.
        found = pods_with_proxies({cluster.name: facts[i]} if i in facts else {})
        pods = found.get(cluster.name)
        yield Problem(
            "network-changed",
            f"{cluster_path(i)}.network",
            f"changes from {before.network} in cluster {cluster.name}, which has "
            f"{'an unknown number of' if pods is None else pods} pods with proxies of the former "
            "network",
            "a proxy has the network with which it was injected: until it restarts, it sends "
            "requests to the wrong side of the gateways, and others send to it there",
            f"restart them after the update: `kubectl --context {cluster.name} rollout restart` of "
            "their Deployments. `python -m checks` (proxy-identity) finds the rest",
            cluster.network,
            refuses=False,
        )


def _count(known: ClusterFacts) -> int | None:
    try:
        with ClusterApi.connect(known.connection.kubeconfig) as api:
            return len(injected_pods(api))
    except UnansweredError:
        return None
