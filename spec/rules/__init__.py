"""Rules that a configuration must follow so that its mesh can work."""

from collections.abc import Callable, Iterator

from spec.mesh import MeshSpec
from spec.problems import Problem
from spec.rules import (
    chart_values,
    charts,
    domains,
    exposure,
    gke,
    gke_ranges,
    kubeconfigs,
    locality,
    ranges,
    shared,
    stacks,
    supported,
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
    *supported.RULES,
    *trust.RULES,
    *shared.RULES,
    *locality.RULES,
    *stacks.RULES,
    *chart_values.RULES,
    *charts.RULES,
    *domains.RULES,
    *exposure.RULES,
    *gke.RULES,
    *gke_ranges.RULES,
)


def check(spec: MeshSpec) -> list[Problem]:
    """Return every problem of the configuration, without a query to any cluster."""
    return [problem for rule in _RULES for problem in rule(spec)]
