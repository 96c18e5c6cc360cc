"""Namespaces and Services that every cluster has."""

from collections.abc import Iterator

from components import names
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


RULES = (_services_are_the_same_everywhere,)
