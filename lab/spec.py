"""What a lab is: its clusters and address ranges, read from YAML, checked and planned.

`parse` turns YAML text into a `Spec`, `plan` fills in the ranges that were omitted. Both report all
errors at once as `SpecError`, each with the path of the value and the fix.
"""

import re
from collections.abc import Sequence
from dataclasses import field
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations
from typing import Annotated

import yaml
from pydantic import (
    AfterValidator,
    AliasGenerator,
    ConfigDict,
    TypeAdapter,
    ValidationError,
)
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass

MAX_CLUSTERS = 8
_CONFIG = ConfigDict(extra="forbid", alias_generator=AliasGenerator(alias=to_camel))
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class SpecError(ValueError):
    """The lab description is invalid. `errors` has one sentence per mistake."""

    def __init__(self, errors: Sequence[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(self.errors))


def _label(value: str) -> str:
    if not _DNS_LABEL.fullmatch(value):
        raise ValueError(
            "is not a DNS label; use at most 63 lower-case letters, digits and inner hyphens"
        )
    return value


def _name(value: str) -> str:
    # The name is part of a network namespace's file name, after the lab's prefix of 17 characters.
    if len(value) > 40:
        raise ValueError("is too long; use at most 40 characters")
    return _label(value)


def _prefix(shortest: int, longest: int) -> AfterValidator:
    def check(value: IPv4Network) -> IPv4Network:
        if not shortest <= value.prefixlen <= longest:
            raise ValueError(f"has the wrong size; use a prefix from /{shortest} to /{longest}")
        return value

    return AfterValidator(check)


Label = Annotated[str, AfterValidator(_label)]
Name = Annotated[str, AfterValidator(_name)]
Range = Annotated[IPv4Network, _prefix(12, 28)]
Pool = Annotated[IPv4Network, _prefix(12, 30)]


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class Cluster:
    """One cluster as described. Ranges that are None are planned.

    Clusters of one `network` have flat routes between their pods; pods of different networks cannot
    reach each other. Without `nodes` the cluster is a control plane only: an API server for tests
    that run no pods.
    """

    name: Name
    network: Label
    pods: Range | None = None
    services: Range | None = None
    load_balancers: Pool | None = None
    nodes: bool = True


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class Spec:
    """A lab as described. Node addresses and planned ranges are allocated from `range`."""

    clusters: tuple[Cluster, ...]
    range: Annotated[IPv4Network, _prefix(12, 20)] | None = None


@dataclass(frozen=True, kw_only=True)
class PlannedCluster:
    """One cluster with all addresses allocated. Its API server listens on `node`."""

    name: str
    network: str
    node: IPv4Address
    pods: IPv4Network
    services: IPv4Network
    load_balancers: IPv4Network
    nodes: bool

    @property
    def server(self) -> str:
        """URL of its API server, from the machine and from every cluster and pod of the lab."""
        return f"https://{self.node}:6443"

    @property
    def dns(self) -> IPv4Address:
        """The address of the cluster's DNS service, the tenth of the service range as usual."""
        return self.services[10]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A lab with all addresses allocated. `machine` is this machine's address in the lab."""

    nodes: IPv4Network
    machine: IPv4Address
    clusters: tuple[PlannedCluster, ...]
    spec: Spec = field()

    def peers(self, cluster: PlannedCluster) -> tuple[PlannedCluster, ...]:
        """The other clusters of the same network."""
        return tuple(
            c for c in self.clusters if c.network == cluster.network and c.name != cluster.name
        )

    @property
    def routed(self) -> tuple[IPv4Network, ...]:
        """The ranges that this machine gets routes to. Pod and service ranges stay inside."""
        return (self.nodes, *(c.load_balancers for c in self.clusters))

    def cluster(self, name: str) -> PlannedCluster:
        """The cluster of that name. Raises SpecError with the existing names."""
        for cluster in self.clusters:
            if cluster.name == name:
                return cluster
        known = ", ".join(c.name for c in self.clusters)
        raise SpecError([f"there is no cluster {name!r} in this lab; its clusters are: {known}"])


def parse(text: str, source: str = "lab spec") -> Spec:
    """The lab described by YAML `text`. Raises SpecError with every mistake, each with its path."""
    try:
        raw: object = yaml.safe_load(text)
    except yaml.YAMLError as e:
        raise SpecError([f"{source}: not YAML: {' '.join(str(e).split())}"]) from e
    return parse_object(raw, source)


def parse_object(raw: object, source: str = "lab spec") -> Spec:
    """Like `parse`, for YAML that has been loaded."""
    if not isinstance(raw, dict):
        raise SpecError([f"{source}: must be a mapping with a list `clusters`; see lab/dev.yaml"])
    document: dict[object, object] = dict(raw)  # pyright: ignore[reportUnknownArgumentType]
    listed = document.pop("clusters", None)
    if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_CLUSTERS:  # pyright: ignore[reportUnknownArgumentType]
        raise SpecError(
            [f"{source}: clusters: must list 1 to {MAX_CLUSTERS} clusters; see lab/dev.yaml"]
        )
    errors: list[str] = []
    # One cluster at a time: a mistake in one must not hide contradictions between the others.
    clusters: list[tuple[int, Cluster]] = []
    entries: list[object] = list(listed)  # pyright: ignore[reportUnknownArgumentType]
    for i, entry in enumerate(entries):
        try:
            clusters.append((i, TypeAdapter(Cluster).validate_python(entry)))
        except ValidationError as e:
            errors += _sentences(e, source, f"clusters[{i}]")
    spec = None
    try:
        spec = TypeAdapter(Spec).validate_python({**document, "clusters": [c for _, c in clusters]})
    except ValidationError as e:
        errors += _sentences(e, source)
    errors += [f"{source}: {e}" for e in _contradictions(clusters)]
    if errors or spec is None:
        raise SpecError(errors)
    return spec


def plan(spec: Spec, free: IPv4Network) -> Plan:
    """Allocate all addresses. Omitted ranges come from `spec.range`, or else from `free`.

    The range is cut into sixteen blocks: the first holds the nodes, block i the i-th cluster's pods
    (a quarter), services (a quarter) and load balancers (a sixteenth).
    Raises SpecError if a planned range overlaps one that was set.
    """
    whole = spec.range or free
    blocks = list(whole.subnets(prefixlen_diff=4))
    nodes = next(blocks[0].subnets(new_prefix=max(24, blocks[0].prefixlen)))
    clusters: list[PlannedCluster] = []
    for i, c in enumerate(spec.clusters, start=1):
        pods, services, last, _ = blocks[i].subnets(prefixlen_diff=2)
        clusters.append(
            PlannedCluster(
                name=c.name,
                network=c.network,
                node=nodes[10 + i] if nodes.prefixlen <= 27 else nodes[1 + i],
                pods=c.pods or pods,
                services=c.services or services,
                load_balancers=c.load_balancers or next(last.subnets(prefixlen_diff=2)),
                nodes=c.nodes,
            )
        )
    planned = Plan(nodes=nodes, machine=nodes[1], clusters=tuple(clusters), spec=spec)
    errors = _contradictions(list(enumerate(clusters)))
    errors += [
        f"clusters[{i}].{what}: {value} overlaps the nodes' {nodes}; set another range, or `range`"
        for i, c in enumerate(clusters)
        for what, value in _ranges(c)
        if value.overlaps(nodes)
    ]
    if errors:
        raise SpecError(errors)
    return planned


def _ranges(c: Cluster | PlannedCluster) -> list[tuple[str, IPv4Network]]:
    named = (("pods", c.pods), ("services", c.services), ("loadBalancers", c.load_balancers))
    return [(what, value) for what, value in named if value is not None]


def _contradictions(clusters: Sequence[tuple[int, Cluster | PlannedCluster]]) -> list[str]:
    """Contradictions between ranges and names. Each int is the cluster's index in the list."""
    errors: list[str] = []
    for i, c in clusters:
        for (what, a), (other, b) in combinations(_ranges(c), 2):
            if a.overlaps(b):
                errors.append(
                    f"clusters[{i}].{other}: {b} overlaps the same cluster's {what} {a}; "
                    "choose ranges that do not overlap"
                )
    for (i, c), (j, d) in combinations(clusters, 2):
        if c.name == d.name:
            errors.append(
                f"clusters[{j}].name: {d.name!r} is also the name of clusters[{i}]; "
                "give each cluster a unique name"
            )
        for what, a in _ranges(c):
            for other, b in _ranges(d):
                # Pods of one network reach each other by address, and load balancers are reached
                # from everywhere; service ranges never leave their cluster, nor pods their network.
                together = "loadBalancers" in (what, other) or (
                    what == other == "pods" and c.network == d.network
                )
                same_network_service = c.network == d.network and {what, other} == {
                    "pods",
                    "services",
                }
                if (together or same_network_service) and a.overlaps(b):
                    errors.append(
                        f"clusters[{j}].{other}: {b} overlaps {what} {a} of clusters[{i}]; "
                        "choose ranges that do not overlap, or omit both to have them planned"
                    )
    return errors


def _sentences(error: ValidationError, source: str, parent: str = "") -> list[str]:
    found: list[str] = []
    for e in error.errors():
        path = parent + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in e["loc"])
        said = _MESSAGES.get(e["type"], "{value} " + e["msg"].removeprefix("Value error, "))
        found.append(f"{source}: {path.lstrip('.')}: {said.format(value=repr(e['input']))}")
    return found


_MESSAGES = {  # by pydantic's error type
    "missing": "is missing; add it",
    "unexpected_keyword_argument": "is unknown; remove it or correct the spelling",
    "ip_v4_network": "{value} is not an IPv4 range; write it as 10.1.0.0/16, with host bits zero",
    "bool_parsing": "{value} is not true or false",
    "dataclass_type": "must be a mapping such as {{ name: east, network: east-net }}",
}
