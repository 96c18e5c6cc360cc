"""What the clusters have, and what of it the whole mesh is to have. Nothing here asks or makes."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from components import names
from spec.mesh import MeshSpec
from spec.problems import Problem

MADE_BY_ISTHMUS = "isthmus/sameness"
"""Label of every namespace and Service that was made so that it is in all clusters; the value is
the mesh's ID. What stands without it is the user's own, and is never made, changed or deleted."""

INJECTION = (names.INJECTION, names.REVISION)
"""Labels of a namespace that say how its pods are injected."""

ServiceName = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True)
class PortOfService:
    """A port of a Service."""

    name: str
    """Empty where the Service's only port has none."""
    port: int
    target_port: int | str
    """Number or name of the pods' port."""
    protocol: str = "TCP"
    app_protocol: str | None = None


@dataclass(frozen=True)
class FoundNamespace:
    """A namespace as a cluster has it."""

    injection: Mapping[str, str]
    """Those of its labels that are in INJECTION."""
    made_by_isthmus: bool
    """Whether Isthmus created it."""
    occupied: bool = False
    """Whether pods are in it; asked only where it might go."""


@dataclass(frozen=True)
class FoundService:
    """A Service as a cluster has it."""

    ports: tuple[PortOfService, ...]
    selector: Mapping[str, str]
    made_by_isthmus: bool
    """Whether Isthmus created it."""
    labelled: bool
    """Whether it has the label of `isthmus:mesh.federate`."""
    takes_callers: bool = True
    """Whether callers dial an address of its own: not headless, no ExternalName."""


@dataclass(frozen=True)
class Inventory:
    """What one cluster has of the namespaces and Services that matter here."""

    namespaces: Mapping[str, FoundNamespace] = field(default_factory=dict[str, FoundNamespace])
    services: Mapping[ServiceName, FoundService] = field(
        default_factory=dict[ServiceName, FoundService]
    )
    running: frozenset[ServiceName] = frozenset()
    """Services that pods here are ready for, whether the Service itself is here or not."""


@dataclass(frozen=True)
class WantedNamespace:
    """A namespace that every cluster has."""

    labels: Mapping[str, str]
    exists_in: frozenset[str] = frozenset()
    """Clusters that have one of the user's own."""


@dataclass(frozen=True)
class WantedService:
    """A Service that every cluster has."""

    ports: tuple[PortOfService, ...]
    selector: Mapping[str, str]
    runs_in: tuple[str, ...] = ()
    """Clusters that have pods for it; known only where entries lead to them."""
    exists_in: frozenset[str] = frozenset()
    """Clusters that have one of the user's own."""


@dataclass(frozen=True)
class Federation:
    """What the whole mesh has."""

    namespaces: Mapping[str, WantedNamespace]
    services: Mapping[ServiceName, WantedService]


Inventories = Mapping[str, Inventory]
"""By name of the cluster. One that is yet to be made has nothing, and need not be here."""


def federation(spec: MeshSpec, inventories: Inventories) -> Federation:
    """What every cluster is to have: by configuration, and by the label of `mesh.federate`.

    Where the user's own Services of one name differ, the first cluster's is taken for the others.
    """
    services = dict[ServiceName, WantedService]()

    def add(
        name: ServiceName,
        ports: tuple[PortOfService, ...],
        selector: Mapping[str, str],
        runs_in: tuple[str, ...] | None,
    ) -> None:
        if runs_in is None:
            runs_in = tuple(c for c, i in inventories.items() if name in i.running)
        exists_in = {c for c, i in inventories.items() if _is_own(i.services.get(name))}
        services[name] = WantedService(ports, selector, runs_in, frozenset(exists_in))

    for service in spec.services:
        ports = tuple(PortOfService(p.name, p.port, p.target_port or p.port) for p in service.ports)
        add((service.namespace, service.name), ports, service.selector, service.clusters)
    for inventory in inventories.values():
        for name, found in inventory.services.items():
            if found.labelled and not found.made_by_isthmus and name not in services:
                add(name, found.ports, found.selector, None)
    return Federation(_namespaces(spec, inventories, services), services)


def _namespaces(
    spec: MeshSpec, inventories: Inventories, services: Iterable[ServiceName]
) -> Mapping[str, WantedNamespace]:
    labels: dict[str, Mapping[str, str]] = {
        n.name: {names.INJECTION: "enabled" if n.inject else "disabled"} for n in spec.namespaces
    }
    for name, _ in services:
        labels.setdefault(name, _injection(inventories, name))
    if spec.mesh.federate:
        # The last shared Service of a namespace may be gone, and pods not: they would go with it.
        for inventory in inventories.values():
            for name, namespace in inventory.namespaces.items():
                if namespace.made_by_isthmus and namespace.occupied:
                    labels.setdefault(name, namespace.injection)
    return {
        name: WantedNamespace(
            given,
            frozenset(c for c, i in inventories.items() if _is_own(i.namespaces.get(name))),
        )
        for name, given in labels.items()
    }


def _injection(inventories: Inventories, namespace: str) -> Mapping[str, str]:
    """As the first cluster has it that has one of the user's own."""
    for inventory in inventories.values():
        found = inventory.namespaces.get(namespace)
        if found is not None and not found.made_by_isthmus:
            return found.injection
    return {}


def _is_own(found: FoundNamespace | FoundService | None) -> bool:
    return found is not None and not found.made_by_isthmus


def contradictions(spec: MeshSpec, inventories: Inventories) -> Iterator[Problem]:
    """Services that cannot be the same in all clusters, or are not."""
    shared = federation(spec, inventories).services
    paths = {(s.namespace, s.name): f"isthmus:services[{i}]" for i, s in enumerate(spec.services)}
    for name, service in shared.items():
        path = paths.get(name, "isthmus:mesh.federate")
        yield from _ports_differ(path, name, service, inventories)
        if path == "isthmus:mesh.federate":
            yield from _cannot_be_shared(spec, name, service, inventories)
    yield from _missing(spec, shared, inventories)


def _ports_differ(
    path: str, name: ServiceName, service: WantedService, inventories: Inventories
) -> Iterator[Problem]:
    wanted = _said(service.ports)
    for cluster in sorted(service.exists_in):
        found = _said(inventories[cluster].services[name].ports)
        if found != wanted:
            yield Problem(
                "service-ports-differ",
                path,
                f"Service {_both(name)} must have the same ports in every cluster; in {cluster} "
                f"it has {found}, elsewhere {wanted}",
                "a caller dials a port of its own cluster's Service, and the pods of another "
                "cluster would not be there",
                "make the ports and their names alike, or give one of the two another name",
            )


def _cannot_be_shared(
    spec: MeshSpec, name: ServiceName, service: WantedService, inventories: Inventories
) -> Iterator[Problem]:
    path = "isthmus:mesh.federate"
    takes_callers = all(inventories[c].services[name].takes_callers for c in service.exists_in)
    if not service.selector or not takes_callers:
        yield Problem(
            "service-not-shareable",
            path,
            f"Service {_both(name)} must have a selector and an address of its own",
            "a copy for other clusters leads to pods by labels, and callers of an ExternalName or "
            "a headless Service do not dial the Service",
            "take the label off it, or give it a selector and a cluster IP",
            spec.mesh.federate,
        )
    if name[0] in (spec.mesh.istio.namespace, "sample"):
        yield Problem(
            "service-in-reserved-namespace",
            path,
            f"Service {_both(name)} must not be in a namespace that the mesh itself makes",
            "the namespace would be made twice in one cluster",
            "take the label off it, or move it to another namespace",
            spec.mesh.federate,
        )
    if spec.mesh.discovery == "entries" and not all(p.name for p in service.ports):
        yield Problem(
            "service-port-nameless",
            path,
            f"the port of Service {_both(name)} must have a name",
            "an entry for another cluster's pods is joined with the Service by the port's name",
            "name it after its protocol: http, grpc, tcp, …",
            spec.mesh.federate,
        )


def _missing(
    spec: MeshSpec, shared: Container[ServiceName], inventories: Inventories
) -> Iterator[Problem]:
    for i, namespace in enumerate(spec.namespaces):
        absent = {
            name
            for inventory in inventories.values()
            for name, found in inventory.services.items()
            if name[0] == namespace.name and found.takes_callers and not found.made_by_isthmus
        }
        for name in sorted(absent.difference(x for x in absent if x in shared)):
            here = [c for c, x in inventories.items() if name in x.services]
            lacking = [c for c in inventories if c not in here]
            if lacking and not spec.is_local(*name):
                yield Problem(
                    "service-missing-in-cluster",
                    f"isthmus:namespaces[{i}]",
                    f"Service {_both(name)} of {', '.join(here)} must be in every cluster; "
                    f"{', '.join(lacking)} lacks it",
                    "a caller resolves a name in its own cluster, so there it would fail",
                    "add it to isthmus:services, give it the label of isthmus:mesh.federate, or "
                    f"name {names.host(name[1], name[0])} in isthmus:mesh.clusterLocal",
                    namespace.name,
                )


def _said(ports: Iterable[PortOfService]) -> str:
    said = sorted(f"{p.name or 'nameless'} {p.port}/{p.protocol}" for p in ports)
    return ", ".join(said) or "none"


def _both(name: ServiceName) -> str:
    return "/".join(name)
