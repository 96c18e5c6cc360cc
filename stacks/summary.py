"""A preview's summary in words: the mesh as it will be, and what remains for the user to do."""

from collections.abc import Iterator, Mapping

from picture import words
from picture.state import State
from preflight.facts import ClusterFacts
from preflight.last_update import LastUpdate
from preflight.restarts import pods_with_proxies
from spec.mesh import MeshSpec
from spec.rules import certificates


def summary(spec: MeshSpec, facts: Mapping[str, ClusterFacts], last: LastUpdate) -> Iterator[str]:
    """Yield lines about clusters, gateways, versions, the root, and pods to restart.

    Args:
        facts: what is known of the clusters, by name.
        last: the last update of this stack. Clusters are only queried if it had another Istio.
    """
    yield f"{words.title(spec)}: {words.summary(spec)}."
    yield from words.sentences(spec, State())
    for cluster in spec.clusters:
        if (known := facts.get(cluster.name)) and known.kubernetes:
            yield f"{cluster.name} has Kubernetes {known.kubernetes}."
    yield _root(spec, facts)
    for cluster in spec.clusters:
        token = last.clusters[cluster.name].token if cluster.name in last.clusters else None
        if token and token.generation != cluster.token_generation:
            yield f"The token of {cluster.name}, created on {token.created:%Y-%m-%d}, is replaced."
    if last.istio and last.istio != spec.mesh.istio.version:
        yield f"Istio changes from {last.istio} to {spec.mesh.istio.version}."
        for name, pods in pods_with_proxies(facts).items():
            yield (
                f"{name} has {'an unknown number of' if pods is None else pods} pods with proxies "
                f"of Istio {last.istio}. Restart them after the update."
            )


def _root(spec: MeshSpec, facts: Mapping[str, ClusterFacts]) -> str:
    configured = "".join(r.certificate or "" for r in spec.mesh.ca.trusted)
    pem = configured or next((f.root for f in facts.values() if f.root), None)
    if pem is None:
        return "This stack creates the root CA."
    roots = ", ".join(
        f"{certificates.subject(c)} until {c.not_valid_after_utc:%Y-%m-%d}"
        for c in dict.fromkeys(certificates.read_pem(pem))
    )
    # A cluster reports it: what a terminal would obey is not shown.
    return f"The root CA is {''.join(c for c in roots if c.isprintable()) or 'unreadable'}."
