"""Trust domain and cluster domain: the user's own values, which hold for every cluster alike."""

import re
from collections.abc import Iterator

from spec.mesh import MeshSpec
from spec.problems import MISSING, Problem
from spec.rules.chart_values import find

_ISTIOD = "isthmus:mesh.istio.values.istiod"
_DOMAIN = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


def _the_cluster_domain_is_kubernetes_own(spec: MeshSpec) -> Iterator[Problem]:
    key = "global.proxy.clusterDomain"
    domain = find(spec.mesh.istio.values.istiod, key)
    if domain not in (MISSING, "cluster.local"):
        yield Problem(
            "cluster-domain-changed",
            f"{_ISTIOD}.{key}",
            "must be cluster.local, the same in all clusters",
            "gateways let through what is named *.local, and a Service has one name in the mesh",
            "leave it out, and make the clusters with cluster.local as their DNS domain",
            domain,
        )


def _the_trust_domain_is_a_domain(spec: MeshSpec) -> Iterator[Problem]:
    key = "meshConfig.trustDomain"
    domain = find(spec.mesh.istio.values.istiod, key)
    if domain is not MISSING and not (isinstance(domain, str) and _DOMAIN.fullmatch(domain)):
        yield Problem(
            "trust-domain-invalid",
            f"{_ISTIOD}.{key}",
            "must be a domain in lower case, without spiffe:// and without a path",
            "it begins the identity of every workload, and proxies compare it letter by letter",
            "write it like mesh.example.org, or leave it out for cluster.local",
            domain,
        )


RULES = (_the_cluster_domain_is_kubernetes_own, _the_trust_domain_is_a_domain)
