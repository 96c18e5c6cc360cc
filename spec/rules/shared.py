"""Namespaces and Services that every cluster has."""

from collections.abc import Iterator

from components import names
from spec.manifests import KINDS
from spec.mesh import MeshSpec
from spec.problems import Problem


def _services_are_the_same_everywhere(spec: MeshSpec) -> Iterator[Problem]:
    namespaces = {n.name for n in spec.namespaces}
    clusters = {c.name for c in spec.clusters}
    seen = set[tuple[str, str]]()
    for i, service in enumerate(spec.services):
        path = f"isthmus:services[{i}]"
        if service.namespace not in namespaces:
            yield Problem(
                "service-namespace-unknown",
                f"{path}.namespace",
                "must be one of isthmus:namespaces",
                "a Service can only be in a namespace that every cluster has",
                f"add {{name: {service.namespace}}} to isthmus:namespaces",
                service.namespace,
            )
        for unknown in sorted(set(service.clusters or ()) - clusters):
            yield Problem(
                "service-cluster-unknown",
                f"{path}.clusters",
                "must name clusters of this mesh",
                "entries lead to the gateways of these clusters",
                f"name one or more of: {', '.join(sorted(clusters))}",
                unknown,
            )
        if (service.namespace, service.name) in seen:
            yield Problem(
                "service-repeated",
                f"{path}.name",
                "must be unique in its namespace",
                "two Services of one name would overwrite each other",
                "remove one of the two",
                service.name,
            )
        seen.add((service.namespace, service.name))
    for i, namespace in enumerate(spec.namespaces):
        if namespace.name in (spec.mesh.istio.namespace, names.SAMPLE_NAMESPACE):
            yield Problem(
                "namespace-reserved",
                f"isthmus:namespaces[{i}].name",
                "must not be a namespace that Isthmus itself creates",
                "two resources would create one namespace",
                "remove it",
                namespace.name,
            )


def _manifests_can_be_shared(spec: MeshSpec) -> Iterator[Problem]:
    kinds = {kind: version.partition("/")[0] for kind, version, _ in KINDS}
    reserved = {spec.mesh.istio.namespace, names.SAMPLE_NAMESPACE}
    seen = set[tuple[str, str, str]]()
    for given in spec.manifests:
        place = f"{given.kind} {given.namespace}/{given.name}"
        if kinds.get(given.kind) != given.api_version.partition("/")[0]:
            yield Problem(
                "manifest-kind",
                "isthmus:manifests",
                f"{given.file} must have only {', '.join(sorted(kinds))}; it has {place} of "
                f"{given.api_version}",
                "control planes share only what says how requests are sent and who is allowed to",
                "apply it to the clusters that need it with kubectl or Helm",
            )
        if (name := (given.kind, given.namespace, given.name)) in seen:
            yield Problem(
                "manifest-repeated",
                "isthmus:manifests",
                f"must have each object once; {given.file} has {place} again",
                "the two would overwrite each other",
                "remove one of them",
            )
        elif given.namespace in reserved and given.name in _OWN_OBJECTS:
            yield Problem(
                "manifest-of-isthmus",
                "isthmus:manifests",
                f"must not have an object that Isthmus itself creates; {given.file} has {place}",
                "two resources would describe one object",
                "give it another name",
            )
        seen.add(name)


_OWN_OBJECTS = frozenset(
    {
        *("cross-network-gateway", "default", "istiod-gateway", "istiod-vs", names.MESH_RULE),
        *(names.SAMPLE_SERVICE, f"{names.SAMPLE_SERVICE}-elsewhere"),
    }
)
"""Names of Istio's objects in the namespaces that Isthmus creates (preflight/own_names.py)."""

RULES = (_services_are_the_same_everywhere, _manifests_can_be_shared)
