"""Claims about clusters whose configuration comes from another cluster after the update."""

from dataclasses import replace

import pytest

import preflight
from preflight.identity import Expected
from preflight.last_update import LastCluster, LastUpdate
from spec.problems import MeshRefusedError, Problem
from tests.unit.clusters import Kubernetes, Preflight, spec
from tests.unit.test_identity import MESH, mark

_POLICIES = "/apis/security.istio.io/v1/authorizationpolicies"
_MINE = {"metadata": {"name": "mine", "namespace": "shop"}}


def refused(look: Preflight, was: str | None, becomes: str | None) -> list[Problem]:
    """What is refused when c1 had the primary `was`, and `becomes` is configured."""
    mesh = spec(look.kubeconfig, look.charts, "up", "other")
    first, second = mesh.clusters
    last = {c.name: LastCluster(uid=f"uid-{c.name}") for c in mesh.clusters}
    last["c1"] = replace(last["c1"], primary=was)
    expected = Expected("isthmus/dev", MESH, LastUpdate(last, namespace="istio-system"))
    try:
        changed = replace(mesh, clusters=(first, replace(second, primary=becomes)))
        preflight.examine(changed, expected)
    except MeshRefusedError as refusal:
        return list(refusal.problems)
    return []


@pytest.fixture(autouse=True)
def marked(up: Kubernetes, other: Kubernetes) -> None:
    mark(up, "uid-c0", cluster="c0", uid="uid-c0", mesh=MESH)
    mark(other, "uid-c1", cluster="c1", uid="uid-c1", mesh=MESH)


def test_a_new_primary_must_have_the_objects_of_its_former_one(
    look: Preflight, up: Kubernetes, other: Kubernetes
) -> None:
    up.has(_POLICIES, _MINE)
    (problem,) = refused(look, "c0", None)
    assert (problem.name, problem.path) == (
        "configuration-left-behind",
        "isthmus:clusters[1].primary",
    )
    assert "shop/authorizationpolicies.security.istio.io/mine" in problem.rule
    assert "`kubectl --context c0 -n shop get authorizationpolicies" in problem.fix
    other.has(_POLICIES, _MINE)
    assert refused(look, "c0", None) == []


def test_the_objects_of_a_new_remote_must_be_in_its_primary(
    look: Preflight, other: Kubernetes
) -> None:
    other.has(_POLICIES, _MINE)
    (problem,) = refused(look, None, "c0")
    assert "if cluster c0 has the objects of c1" in problem.rule


def test_a_cluster_that_hides_its_objects_changes_no_role(
    look: Preflight, other: Kubernetes
) -> None:
    other.refusals[_POLICIES] = 403
    (problem,) = refused(look, "c0", None)
    assert "if cluster c1 says which of Istio's objects it has (403" in problem.rule


def test_nothing_is_compared_while_every_role_stays(look: Preflight, up: Kubernetes) -> None:
    up.has(_POLICIES, _MINE)
    assert refused(look, "c0", "c0") == refused(look, None, None) == []
    assert _POLICIES not in {path for path, _ in up.asked}
