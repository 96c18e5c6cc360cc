"""Checks, their findings and their results."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from checks.view import Mesh, View
from picture.state import Part
from spec.mesh import Cluster, MeshSpec


class Status(StrEnum):
    """Outcome of a check."""

    OK = "ok"
    WARNING = "warning"
    """It works now, but not indefinitely, or not as configured."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """It could not be checked; the evidence has the reason."""


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
    """One observation of a check."""

    status: Status
    evidence: str
    """The observation, with names and values."""
    hint: str = ""
    """The fix; empty if the check passed."""
    part: Part | None = None
    """The part of the picture to draw red if it failed."""
    ends: datetime | None = None
    """When the object that the evidence names expires; None if never."""


Look = Callable[[Mesh, View], Iterator[Finding]]
"""Checks one cluster of a mesh."""

Scope = Callable[[MeshSpec, Cluster], bool]
"""Whether a check applies to a cluster."""


def every(_spec: MeshSpec, _cluster: Cluster) -> bool:
    """Scope of a check that applies to all clusters."""
    return True


def primaries(_spec: MeshSpec, cluster: Cluster) -> bool:
    """Scope: clusters with a control plane."""
    return not cluster.is_remote


def remotes(_spec: MeshSpec, cluster: Cluster) -> bool:
    """Scope: clusters that use another cluster's control plane."""
    return cluster.is_remote


def with_gateway(spec: MeshSpec, cluster: Cluster) -> bool:
    """Scope: clusters with an east-west gateway."""
    return spec.has_gateway(cluster)


def between_networks(spec: MeshSpec, _cluster: Cluster) -> bool:
    """Scope: all clusters of a mesh with several networks."""
    return spec.spans_networks


def readers(spec: MeshSpec, cluster: Cluster) -> bool:
    """Scope: primaries whose istiod watches other clusters."""
    return any(cluster in spec.readers_of(c) for c in spec.clusters)


def injected(_spec: MeshSpec, cluster: Cluster) -> bool:
    """Scope: clusters with an injection webhook."""
    return cluster.injection == "automatic"


@dataclass(frozen=True)
class Check:
    """A claim about each cluster of a healthy mesh."""

    section: Section
    """First, so that each file of checks names it once."""
    number: int
    """Unique, and never given to another check: ISM1101 is what a user searches for."""
    id: str
    """Unique; also the anchor in docs/checks.md."""
    claim: str
    """What is true in a healthy mesh, in a few words."""
    look: Look
    scope: Scope = every
    needs: tuple[str, ...] = ()
    """Earlier checks without which this one is skipped, if they failed in the cluster itself or in
    the one whose istiod serves it. All checks need `cluster-answers`."""

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


def ok(evidence: str, *, ends: datetime | None = None) -> Finding:
    return Finding(Status.OK, evidence, ends=ends)


def warning(
    evidence: str, hint: str, part: Part | None = None, *, ends: datetime | None = None
) -> Finding:
    return Finding(Status.WARNING, evidence, hint, part, ends)


def failed(
    evidence: str, hint: str, part: Part | None = None, *, ends: datetime | None = None
) -> Finding:
    return Finding(Status.FAILED, evidence, hint, part, ends)


def skipped(reason: str) -> Finding:
    return Finding(Status.SKIPPED, reason)
