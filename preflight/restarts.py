"""Pods whose proxies keep an old version of Istio until they restart."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from components import names
from kube.api import ClusterApi, UnansweredError
from preflight.facts import ClusterFacts

_INJECTED = f"{names.TLS_MODE}=istio"
"""The injection adds this label to a pod (istio/istio, pkg/kube/inject/inject.go)."""


def pods_with_proxies(facts: Mapping[str, ClusterFacts]) -> Mapping[str, int | None]:
    """Return the number of pods with sidecars, by cluster; None where it did not answer."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        return dict(zip(facts, pool.map(_count, facts.values()), strict=True))


def _count(known: ClusterFacts) -> int | None:
    try:
        with ClusterApi.connect(known.connection.kubeconfig) as api:
            return len(api.metadata_list("/api/v1/pods", labelSelector=_INJECTED))
    except UnansweredError:
        return None
