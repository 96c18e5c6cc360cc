"""What must hold in a mesh that can work, as far as its configuration tells."""

from collections.abc import Callable, Iterator

from spec.mesh import MeshSpec
from spec.problems import Problem
from spec.rules import (
    chart_values,
    charts,
    domains,
    gke,
    gke_ranges,
    kubeconfigs,
    ranges,
    shared,
    stacks,
    topology,
    trust,
    versions,
)

Rule = Callable[[MeshSpec], Iterator[Problem]]

_RULES: tuple[Rule, ...] = (
    *topology.RULES,
    *ranges.RULES,
    *kubeconfigs.RULES,
    *versions.RULES,
    *trust.RULES,
    *shared.RULES,
    *stacks.RULES,
    *chart_values.RULES,
    *charts.RULES,
    *domains.RULES,
    *gke.RULES,
    *gke_ranges.RULES,
)


def check(spec: MeshSpec) -> list[Problem]:
    """Every problem that the mesh has, whatever the world is like."""
    return [problem for rule in _RULES for problem in rule(spec)]
