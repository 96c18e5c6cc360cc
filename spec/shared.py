"""Which namespaces, Services and objects of Istio the mesh shares. Pure."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from components import names
from spec.mesh import MeshSpec
from spec.problems import Problem
from spec.rules.chart_values import find

MADE_BY_ISTHMUS = "isthmus/sameness"
"""Label of every object that Isthmus created in order to share it; the value is the mesh's ID.
An existing object without it belongs to the user and is never changed or deleted."""

OCCUPIED = "isthmus/occupied"
"""Label of a shared namespace that held objects of users at the last update. Pulumi keeps it when
it leaves the state, and so it must stay there until an update has found it empty."""

INJECTION = (names.INJECTION, names.REVISION)
"""Labels of a namespace that say how its pods are injected."""

ServiceName = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True)
class PortOfService:
    """A port of a Service."""

    name: str
    """Name of the port; can be empty if the Service has only one."""
    port: int
    target_port: int | str
    """Number or name of the pods' port."""
    protocol: str = "TCP"
    app_protocol: str | None = None


@dataclass(frozen=True)
class FoundNamespace:
    """A namespace that exists in a cluster."""

    injection: Mapping[str, str]
    """Its labels that are in INJECTION."""
    made_by_isthmus: bool
    """Whether Isthmus created it."""
    occupied: bool = False
    """Whether it holds objects of users; queried only of those that Isthmus created."""
    was_occupied: bool = False
    """Whether it did at the last update."""


@dataclass(frozen=True)
class FoundService:
    """A Service that exists in a cluster."""

    ports: tuple[PortOfService, ...]
    selector: Mapping[str, str]
    made_by_isthmus: bool
    """Whether Isthmus created it."""
    labelled: bool
    """Whether it has the label of `isthmus:mesh.federate`."""
    takes_callers: bool = True
    """Whether callers use its own address: it is neither headless nor an ExternalName."""


@dataclass(frozen=True)
class ReadyPods:
    """The pods of a Service in one cluster that can answer."""

    number: int = 1
    locality: str = ""
    """What the nodes of all of them have in common: `region/zone`, `region`, or nothing."""


ConfigurationName = tuple[str, str, str]
"""Kind, namespace and name of one of Istio's objects."""


@dataclass(frozen=True)
class FoundConfiguration:
    """One of Istio's objects in a control plane: a VirtualService, an AuthorizationPolicy, …"""

    api_version: str
    spec: Mapping[str, Any]
    made_by_isthmus: bool
    """Whether Isthmus created it."""
    labelled: bool
    """Whether it has the label of `isthmus:mesh.federate`."""


@dataclass(frozen=True)
class Inventory:
    """The namespaces and Services of one cluster that concern sharing."""

    namespaces: Mapping[str, FoundNamespace] = field(default_factory=dict[str, FoundNamespace])
    services: Mapping[ServiceName, FoundService] = field(
        default_factory=dict[ServiceName, FoundService]
    )
    running: Mapping[ServiceName, ReadyPods] = field(default_factory=dict[ServiceName, ReadyPods])
    """Services for which pods are ready here, whether or not the Service itself exists here."""
    configuration: Mapping[ConfigurationName, FoundConfiguration] = field(
        default_factory=dict[ConfigurationName, FoundConfiguration]
    )
    """Istio's objects that control planes share; none in a remote, whose istiod is elsewhere."""


@dataclass(frozen=True)
class WantedNamespace:
    """A namespace that every cluster has."""

    labels: Mapping[str, str]
    exists_in: frozenset[str] = frozenset()
    """Clusters that have one of the user's own."""
    occupied_in: frozenset[str] = frozenset()
    """Clusters where it holds objects of users, so that it must stay."""


@dataclass(frozen=True)
class WantedService:
    """A Service that every cluster has."""

    ports: tuple[PortOfService, ...]
    selector: Mapping[str, str]
    runs_in: Mapping[str, ReadyPods] = field(default_factory=dict[str, ReadyPods])
    """Its pods by cluster; known only where entries lead to them."""
    exists_in: frozenset[str] = frozenset()
    """Clusters that have one of the user's own."""


@dataclass(frozen=True)
class WantedConfiguration:
    """One of Istio's objects that every control plane has."""

    api_version: str
    spec: Mapping[str, Any]
    exists_in: frozenset[str]
    """Clusters that have one of the user's own."""
    source: str = ""
    """The file that it comes from; empty if it is one of a cluster's."""


@dataclass(frozen=True)
class SharedObjects:
    """What the whole mesh shares."""

    namespaces: Mapping[str, WantedNamespace]
    services: Mapping[ServiceName, WantedService]
    configuration: Mapping[ConfigurationName, WantedConfiguration] = field(
        default_factory=dict[ConfigurationName, WantedConfiguration]
    )


Inventories = Mapping[str, Inventory]
"""Inventory by name of the cluster. A cluster that does not exist yet can be left out."""


def shared_objects(spec: MeshSpec, inventories: Inventories) -> SharedObjects:
    """Return what every cluster shall have, from the configuration and the label `mesh.federate`.

    Where the user's own Services of one name differ, the first cluster's is taken for the others.
    """
    services = dict[ServiceName, WantedService]()

    def add(
        name: ServiceName,
        ports: tuple[PortOfService, ...],
        selector: Mapping[str, str],
        clusters: Iterable[str] | None,
    ) -> None:
        runs_in = {c: i.running[name] for c, i in inventories.items() if name in i.running}
        if clusters is not None:
            runs_in = {c: runs_in.get(c, ReadyPods()) for c in clusters}
        exists_in = {c for c, i in inventories.items() if _is_own(i.services.get(name))}
        services[name] = WantedService(ports, selector, runs_in, frozenset(exists_in))

    for service in spec.services:
        ports = tuple(PortOfService(p.name, p.port, p.target_port or p.port) for p in service.ports)
        add((service.namespace, service.name), ports, service.selector, service.clusters)
    for inventory in inventories.values():
        for name, found in inventory.services.items():
            if found.labelled and not found.made_by_isthmus and name not in services:
                add(name, found.ports, found.selector, None)
    configuration = _configuration(spec, inventories)
    reserved = {spec.mesh.istio.namespace, *([names.SAMPLE_NAMESPACE] * spec.sample.enabled)}
    wanted = dict.fromkeys(
        [
            *(namespace for namespace, _ in services),
            *(n for _, n, _ in configuration if n not in reserved),
        ]
    )
    return SharedObjects(_namespaces(spec, inventories, wanted), services, configuration)


def _configuration(
    spec: MeshSpec, inventories: Inventories
) -> Mapping[ConfigurationName, WantedConfiguration]:
    """Return Istio's objects of the user's files, and those with the label, as the first cluster
    has them."""

    def owners(name: ConfigurationName) -> frozenset[str]:
        return frozenset(c for c, i in inventories.items() if _is_own(i.configuration.get(name)))

    wanted = dict[ConfigurationName, WantedConfiguration]()
    for given in spec.manifests:
        name = (given.kind, given.namespace, given.name)
        wanted[name] = WantedConfiguration(given.api_version, given.spec, owners(name), given.file)
    for inventory in inventories.values():
        for name, found in inventory.configuration.items():
            if found.labelled and not found.made_by_isthmus and name not in wanted:
                wanted[name] = WantedConfiguration(found.api_version, found.spec, owners(name))
    return wanted


def _namespaces(
    spec: MeshSpec, inventories: Inventories, wanted: Iterable[str]
) -> Mapping[str, WantedNamespace]:
    labels: dict[str, Mapping[str, str]] = {
        n.name: {names.INJECTION: "enabled" if n.inject else "disabled"} for n in spec.namespaces
    }
    for name in wanted:
        labels.setdefault(name, _injection(inventories, name))
    # The last shared Service of a namespace may be gone, or its key in the configuration, and
    # objects of users not: they would be deleted with it. When these are gone too, one more update
    # takes back that Pulumi keeps it, and the next one deletes it.
    for inventory in inventories.values():
        for name, namespace in inventory.namespaces.items():
            if namespace.made_by_isthmus and (namespace.occupied or namespace.was_occupied):
                labels.setdefault(name, namespace.injection)
    return {
        name: WantedNamespace(
            given,
            frozenset(c for c, i in inventories.items() if _is_own(i.namespaces.get(name))),
            frozenset(
                c
                for c, i in inventories.items()
                if name in i.namespaces and i.namespaces[name].occupied
            ),
        )
        for name, given in labels.items()
    }


def _injection(inventories: Inventories, namespace: str) -> Mapping[str, str]:
    """Return the labels about injection, from the first cluster with a namespace of the user's."""
    for inventory in inventories.values():
        found = inventory.namespaces.get(namespace)
        if found is not None and not found.made_by_isthmus:
            return found.injection
    return {}


def _is_own(found: FoundNamespace | FoundService | FoundConfiguration | None) -> bool:
    return found is not None and not found.made_by_isthmus


def contradictions(spec: MeshSpec, inventories: Inventories) -> Iterator[Problem]:
    """Report Services that differ between clusters or cannot be shared."""
    shared = shared_objects(spec, inventories).services
    paths = {(s.namespace, s.name): f"isthmus:services[{i}]" for i, s in enumerate(spec.services)}
    for name, service in shared.items():
        path = paths.get(name, "isthmus:mesh.federate")
        yield from _ports_differ(path, name, service, inventories)
        if path == "isthmus:mesh.federate":
            yield from _cannot_be_shared(spec, name, service, inventories)
    yield from _missing(spec, shared, inventories)
    for name, wanted in shared_objects(spec, inventories).configuration.items():
        yield from _configuration_differs(name, wanted, inventories)


def _configuration_differs(
    name: ConfigurationName, wanted: WantedConfiguration, inventories: Inventories
) -> Iterator[Problem]:
    kind, *place = name
    specs = {c: inventories[c].configuration[name].spec for c in sorted(wanted.exists_in)}
    different = [c for c, found in specs.items() if found != wanted.spec]
    if wanted.source:
        path, of, why = "isthmus:manifests", wanted.source, "the file is for all control planes"
    else:
        path = "isthmus:mesh.federate"
        of = f"cluster {next(c for c, found in specs.items() if found == wanted.spec)}"
        why = "it has the label for sharing"
    for cluster in different:
        yield Problem(
            "configuration-differs",
            path,
            f"{kind} {'/'.join(place)} of {of} must be equal to that of cluster {cluster}, because "
            f"{why}",
            "requests would follow other rules in one cluster than in another, and Isthmus does "
            "not change objects that it did not create",
            f"make them equal, delete the one of {cluster}, or remove the "
            f"{'object from the file' if wanted.source else 'label'}",
        )


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
                "a caller uses a port of its own cluster's Service, and pods of another cluster "
                "would not listen there",
                "make the ports and their names equal, or rename one of the two Services",
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
            f"Service {_both(name)} must have a selector and its own address",
            "a copy in another cluster selects pods by labels, and callers of an ExternalName or "
            "headless Service do not use the Service's address",
            "remove its label, or give it a selector and a cluster IP",
            spec.mesh.federate,
        )
    if name[0] in (spec.mesh.istio.namespace, names.SAMPLE_NAMESPACE):
        yield Problem(
            "service-in-reserved-namespace",
            path,
            f"Service {_both(name)} must not be in a namespace that Isthmus itself creates",
            "two resources would create one namespace",
            "remove its label, or move it to another namespace",
            spec.mesh.federate,
        )
    if spec.mesh.discovery == "entries" and not all(p.name for p in service.ports):
        yield Problem(
            "service-port-nameless",
            path,
            f"the port of Service {_both(name)} must have a name",
            "an entry for pods of another cluster is matched to the Service by the port's name",
            "name it after its protocol: http, grpc, tcp, …",
            spec.mesh.federate,
        )


def _missing(
    spec: MeshSpec, shared: Container[ServiceName], inventories: Inventories
) -> Iterator[Problem]:
    if _resolves_everywhere(spec):
        return
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
                    "a caller resolves names in its own cluster, so calls from there would fail",
                    "add it to isthmus:services, give it the label of isthmus:mesh.federate, or "
                    f"name {names.host(name[1], name[0])} in isthmus:mesh.clusterLocal",
                    namespace.name,
                )


def _resolves_everywhere(spec: MeshSpec) -> bool:
    """Whether sidecars resolve the Services of all clusters that their istiod watches."""
    key = "meshConfig.defaultConfig.proxyMetadata.ISTIO_META_DNS_CAPTURE"
    captures = find(spec.mesh.istio.values.istiod, key)
    return spec.mesh.discovery == "endpoints" and str(captures).lower() == "true"


def _said(ports: Iterable[PortOfService]) -> str:
    said = sorted(f"{p.name or 'nameless'} {p.port}/{p.protocol}" for p in ports)
    return ", ".join(said) or "none"


def _both(name: ServiceName) -> str:
    return "/".join(name)
