"""Claims about two replicas of istiod and of gateways."""

from dataclasses import replace
from typing import Any

import pytest

from spec import config
from stacks.build import build_mesh
from stacks.identity import MeshIdentity
from tests.unit import meshes
from tests.unit.recorder import record


def values_of(several_nodes: bool, redundant: bool | None = None, **istio: Any) -> dict[str, Any]:
    """Helm values of the charts istiod and gateway in `east`."""
    configured = meshes.two_networks(**istio)
    configured["mesh"]["redundant"] = redundant
    spec = config.parse(configured)
    facts = {n: replace(f, several_nodes=several_nodes) for n, f in meshes.facts(spec).items()}
    found = record(lambda: build_mesh(spec, facts, MeshIdentity.create()))
    return {c: found.one("Chart", f"east-{c}").inputs["values"] for c in ("istiod", "gateway")}


@pytest.mark.parametrize(
    ("several_nodes", "redundant", "two"),
    [(True, None, True), (False, None, False), (True, False, False), (False, True, True)],
)
def test_more_than_one_node_has_two_of_each_unless_configured(
    several_nodes: bool, redundant: bool | None, two: bool
) -> None:
    values = values_of(several_nodes, redundant)
    assert (values["istiod"].get("autoscaleMin") == 2) is two
    assert ("affinity" in values["istiod"]) is two
    assert (values["gateway"].get("podDisruptionBudget") == {"minAvailable": 1}) is two


def test_a_users_own_number_of_replicas_takes_precedence() -> None:
    values = values_of(True, values={"istiod": {"autoscaleMin": 3}})
    assert values["istiod"]["autoscaleMin"] == 3
    assert values["gateway"]["autoscaling"] == {"minReplicas": 2}
