"""Trust domain and cluster domain: values of the user that apply to every cluster."""

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
            "gateways pass only names that end in .local, and a Service has one name in the mesh",
            "leave it out, and use clusters whose DNS domain is cluster.local",
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
            "every workload's identity begins with it, and proxies compare identities exactly",
            "write it like mesh.example.org, or leave it out for cluster.local",
            domain,
        )


RULES = (_the_cluster_domain_is_kubernetes_own, _the_trust_domain_is_a_domain)
