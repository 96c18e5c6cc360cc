"""What must hold in a mesh that can work, as far as its configuration tells."""

from collections.abc import Callable, Iterator

from stacks.problems import Problem
from stacks.rules import chart_values, sameness, topology
from stacks.spec import MeshSpec

Rule = Callable[[MeshSpec], Iterator[Problem]]

RULES: tuple[Rule, ...] = (*topology.RULES, *sameness.RULES, *chart_values.RULES)
