"""What a check is, and what comes of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from checks.view import Mesh, View
from picture.state import Part
from spec.mesh import Cluster, MeshSpec


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    """Works now; will not for ever, or not as asked."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """Could not be asked; the evidence says why."""


Section = Literal[
    "clusters",
    "trust",
    "control plane",
    "remote secrets",
    "gateways",
    "injection",
    "sameness",
    "endpoints",
    "traffic",
]


@dataclass(frozen=True)
class Finding:
    """One thing that a check has seen."""

    status: Status
    evidence: str
    """What was seen, with names and values."""
    hint: str = ""
    """What to do; empty where all is well."""
    part: Part | None = None
    """What to draw red if it failed."""


Look = Callable[[Mesh, View], Iterator[Finding]]
"""Looks at one cluster of a mesh."""

Scope = Callable[[MeshSpec, Cluster], bool]
"""Whether a check is about a cluster."""


def every(_spec: MeshSpec, _cluster: Cluster) -> bool:
    return True


def primaries(_spec: MeshSpec, cluster: Cluster) -> bool:
    return not cluster.is_remote


def remotes(_spec: MeshSpec, cluster: Cluster) -> bool:
    return cluster.is_remote


def with_gateway(spec: MeshSpec, cluster: Cluster) -> bool:
    return spec.has_gateway(cluster)


def between_networks(spec: MeshSpec, _cluster: Cluster) -> bool:
    return spec.spans_networks


def readers(spec: MeshSpec, cluster: Cluster) -> bool:
    return any(cluster in spec.readers_of(c) for c in spec.clusters)


def injected(_spec: MeshSpec, cluster: Cluster) -> bool:
    return cluster.injection == "automatic"


@dataclass(frozen=True)
class Check:
    """A claim about the clusters of a healthy mesh."""

    number: int
    """Unique, and never given to another check: ISM1101 is what a user searches for."""
    id: str
    """Unique; also the anchor in docs/checks.md."""
    section: Section
    claim: str
    """What holds when all is well, in a few words."""
    look: Look
    scope: Scope = every
    needs: tuple[str, ...] = ()
    """Checks that tell nothing more if one of these failed, in the cluster itself or in the one
    whose istiod serves it. All checks need the first, that the cluster answers."""

    @property
    def code(self) -> str:
        return f"ISM{self.number}"


@dataclass(frozen=True)
class Result:
    """One finding of one check in one cluster."""

    check: Check
    cluster: str
    finding: Finding
    seconds: float
    """How long the check took in this cluster, all its findings together."""

    @property
    def status(self) -> Status:
        return self.finding.status


def ok(evidence: str) -> Finding:
    return Finding(Status.OK, evidence)


def warning(evidence: str, hint: str, part: Part | None = None) -> Finding:
    return Finding(Status.WARNING, evidence, hint, part)


def failed(evidence: str, hint: str, part: Part | None = None) -> Finding:
    return Finding(Status.FAILED, evidence, hint, part)


def skipped(reason: str) -> Finding:
    return Finding(Status.SKIPPED, reason)
