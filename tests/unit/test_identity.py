"""Claims about a mesh whose names, kubeconfigs or state are not those of its last update."""

from dataclasses import replace
from typing import Any

import pytest

from components import names
from kube.kubeconfig import Connection
from preflight.facts import ClusterFacts
from preflight.identity import Expected, check, check_changes
from preflight.last_update import LastUpdate
from preflight.marks import Marks
from spec import config
from spec.problems import Problem
from tests.unit import meshes
from tests.unit.clusters import Kubernetes, Preflight
from tests.unit.meshes import cluster, configuration

_NAMESPACE = "/api/v1/namespaces/istio-system"
_STACK = "isthmus/dev"
MESH = "11111111-2222-5333-8444-555555555555"


def mark(found: Kubernetes, kube_system: str, **marks: str) -> None:
    """Let a cluster have the marks of this stack, as a version without the others wrote them."""
    found.answers["/api/v1/namespaces/kube-system"] = {"metadata": {"uid": kube_system}}
    keys = {
        "cluster": names.CLUSTER,
        "uid": names.CLUSTER_UID,
        "mesh": names.MESH,
        "install": names.INSTALL,
    }
    annotations = {names.STACK: _STACK, **{keys[k]: v for k, v in marks.items()}}
    found.answers[_NAMESPACE] = {"metadata": {"annotations": annotations}}


def last(**uids: str | None) -> LastUpdate:
    """The last update of clusters with these UIDs, as their output says it."""
    return LastUpdate.read(
        {
            "mesh": {
                "spec": {
                    "mesh": {"istio": {"version": "1.31.0", "charts": "charts"}},
                    "clusters": [{"name": n, "network": "n"} for n in uids],
                },
                "kubeconfigs": {n: f"kubeconfig of {n}" for n in uids},
            },
            "clusters": {n: {"uid": uid} if uid else {} for n, uid in uids.items()},
        }
    )


def expected(**uids: str | None) -> Expected:
    return Expected(_STACK, MESH, last(**uids))


@pytest.fixture
def mesh(up: Kubernetes, other: Kubernetes) -> Expected:
    """The mesh of c0 and c1 after an update."""
    mark(up, "uid-0", cluster="c0", uid="uid-0", mesh=MESH)
    mark(other, "uid-1", cluster="c1", uid="uid-1", mesh=MESH)
    return expected(c0="uid-0", c1="uid-1")


def test_an_unchanged_mesh_is_accepted(look: Preflight, mesh: Expected) -> None:
    assert look.examine("up", "other", expected=mesh).facts["c1"].adoptable


def test_a_mesh_of_an_older_version_is_accepted(
    look: Preflight,
    up: Kubernetes,
) -> None:
    mark(up, "uid-0")
    assert look.examine("up", expected=expected(c0=None)).facts


def test_swapped_contexts_are_refused(look: Preflight, mesh: Expected) -> None:
    found = look.refused("other", "up", expected=mesh)
    assert [p.path for p in found] == [f"isthmus:clusters[{i}].context" for i in (0, 1)]
    assert "this kubeconfig leads to the cluster that is c1 in the mesh" in found[0].rule


def test_a_renamed_cluster_is_refused(
    look: Preflight,
    up: Kubernetes,
    mesh: Expected,
) -> None:
    for marks in ({"cluster": "west", "uid": "uid-0", "mesh": MESH}, {}):
        mark(up, "uid-0", **marks)
        (problem,) = look.refused("up", expected=expected(west="uid-0"))
        assert problem.path == "isthmus:clusters[0].name"
        assert "restore the name west" in problem.fix


def test_a_new_empty_cluster_instead_of_one_of_the_mesh_is_refused(
    look: Preflight,
    other: Kubernetes,
    mesh: Expected,
) -> None:
    del other.answers[_NAMESPACE]
    other.answers["/api/v1/namespaces/kube-system"] = {"metadata": {"uid": "another"}}
    (problem,) = look.refused("up", "other", expected=mesh)
    assert "has the UID uid-1; this one has another" in problem.rule
    (problem,) = look.refused("up", "other", expected=expected(c0=None, c1=None))
    assert "this one has no mark" in problem.rule


def test_a_cluster_that_was_created_again_from_a_backup_is_refused(
    look: Preflight,
    up: Kubernetes,
    mesh: Expected,
) -> None:
    mark(up, "another", cluster="c0", uid="uid-0", mesh=MESH)
    (problem,) = look.refused("up", "other", expected=Expected(_STACK, MESH))
    assert problem.path == "isthmus:clusters[0].kubeconfig"
    assert "PULUMI_K8S_DELETE_UNREACHABLE=true" in problem.fix


@pytest.mark.parametrize("state", [None, "99999999-2222-5333-8444-555555555555"])
def test_the_same_stack_of_another_state_is_refused(
    look: Preflight,
    mesh: Expected,
    state: str | None,
) -> None:
    found = look.refused("up", "other", expected=Expected(_STACK, state))
    assert {p.path for p in found} == {"isthmus:clusters[0]", "isthmus:clusters[1]"}
    assert f"it is in the mesh {MESH} of another state of {_STACK}" in found[0].rule


_FAILED = Expected(_STACK, MESH)
"""What a stack knows whose first update failed: its UUID, and no outputs."""


def test_an_installation_method_that_changed_after_a_failed_first_update_is_refused_once(
    look: Preflight, up: Kubernetes, other: Kubernetes
) -> None:
    mark(up, "uid-0", cluster="c0", uid="uid-0", mesh=MESH, install="release")
    mark(other, "uid-1", cluster="c1", uid="uid-1", mesh=MESH, install="release")
    (problem,) = look.refused("up", "other", expected=_FAILED)
    assert problem.name == "install-method-changed"
    released = replace(last(c0="uid-0", c1="uid-1"), install="release")
    (again,) = look.refused("up", "other", expected=replace(_FAILED, last=released))
    assert again == problem, "the outputs say the same"


def test_marks_without_a_method_compare_nothing(
    look: Preflight, up: Kubernetes, mesh: Expected
) -> None:
    """They were written before it was part of the marks."""
    assert look.examine("up", "other", expected=_FAILED).facts
    mark(up, "uid-0", cluster="c0", uid="uid-0", mesh=MESH, install="`reboot`")
    assert look.examine("up", "other", expected=_FAILED).facts, "no such method exists"


def test_every_cluster_is_marked_with_its_method() -> None:
    mesh = meshes.recorded(meshes.two_networks())
    for name in ("east", "west"):
        found = mesh.one("Namespace", f"{name}-namespace").inputs["metadata"]["annotations"]
        assert found[names.INSTALL] == "rendered"


def changes(**changed: Any) -> list[Problem]:
    """What a mesh of west and its primary east is refused for, with west changed so."""
    before = LastUpdate.read(_OUTPUTS)
    after = configuration(
        cluster("east", "e"),
        cluster("west", "w", **{"primary": "east", **changed.pop("west", {})}),
        **changed,
    )
    return list(check_changes(config.parse_types(after), before))


_OUTPUTS = {
    "mesh": {
        "spec": configuration(cluster("east", "e"), cluster("west", "w", primary="east")),
        "kubeconfigs": {},
    }
}


def test_another_network_names_the_pods_that_keep_the_former_one(
    look: Preflight, up: Kubernetes, other: Kubernetes, mesh: Expected
) -> None:
    """The last update had both clusters on network `n`."""
    up.has("/api/v1/pods", *({"metadata": {"name": f"pod-{i}"}} for i in range(3)))
    first, second = look.examine("up", "other", expected=mesh, network="another").warnings
    assert (first.name, first.path) == ("network-changed", "isthmus:clusters[0].network")
    assert "changes from n in cluster c0, which has 3 pods with proxies" in first.rule
    other.refusals["/api/v1/pods"] = 403
    (_, second) = look.examine("up", "other", expected=mesh, network="another").warnings
    assert "c1, which has an unknown number of pods" in second.rule
    assert not look.examine("up", "other", expected=mesh).warnings
    assert not look.examine("up", "other", expected=_FAILED, network="another").warnings


def test_the_stack_of_a_cluster_warns_of_another_network_too(
    look: Preflight, up: Kubernetes
) -> None:
    mark(up, "uid-0")
    last = LastUpdate.read({"cluster": {"name": "c0", "network": "before"}})
    (warning,) = look.examine("up", expected=Expected(_STACK, MESH, last)).warnings
    assert "changes from before in cluster c0" in warning.rule


def test_nothing_is_refused_of_an_unchanged_configuration() -> None:
    assert changes() == []


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"namespace": "istio"}, "isthmus:mesh.istio.namespace"),
        ({"install": "release"}, "isthmus:mesh.istio.install"),
        ({"west": {"gke": {"region": "europe-west1"}}}, "isthmus:clusters[1].gke"),
    ],
)
def test_a_change_that_would_delete_what_it_created_is_refused(
    changed: dict[str, Any], path: str
) -> None:
    (problem,) = changes(**changed)
    assert problem.path == path
    assert "`pulumi " in problem.fix


def stacks(before: str | None, now: str | None, mark: str | None = None) -> list[Problem]:
    """What stack `dev` says of a remote that had a stack of its own, or has one now."""

    def remote(stack: str | None) -> dict[str, Any]:
        return cluster("west", "w", primary="east", **({"stack": stack} if stack else {}))

    spec = config.parse_types(configuration(cluster("east", "e"), remote(now)))
    described = {**_OUTPUTS["mesh"], "spec": configuration(cluster("east", "e"), remote(before))}
    last = LastUpdate.read({"mesh": described})
    west = ClusterFacts(Connection("kubeconfig", "https://west", None), None, marks=Marks(mark))
    return list(check(spec, Expected(_STACK, MESH, last), {} if now else {1: west}))


def test_a_remote_that_this_stack_has_built_gets_no_stack_of_its_own() -> None:
    (problem,) = stacks(before=None, now="west", mark=_STACK)
    assert (problem.name, problem.path) == ("cluster-stack-changed", "isthmus:clusters[1].stack")
    assert "`pulumi up --stack dev`, and then `pulumi up --stack west`" in problem.fix


def test_a_remote_loses_its_stack_only_after_that_was_destroyed() -> None:
    (problem,) = stacks(before="west", now=None, mark="isthmus/west")
    assert problem.name == "cluster-stack-changed"
    assert "`pulumi destroy --stack west`, and then `pulumi up --stack dev`" in problem.fix
    assert not stacks(before="west", now=None)


def test_another_stack_for_a_remote_changes_nothing_in_the_meshs_stack() -> None:
    """The new one refuses a cluster with the mark of the former (preflight/foreign.py)."""
    assert not stacks(before="west", now="europe")


def test_a_remote_can_become_a_primary() -> None:
    """The chart of istiod keeps its URN, so nothing is deleted over what is created."""
    assert changes(west={"primary": None}) == []


def test_who_maintains_cacerts_stays_the_same() -> None:
    """Also where another writer changed the Secret meanwhile: `up --refresh` repairs it."""
    mesh = config.parse_types(_OUTPUTS["mesh"]["spec"])
    before = LastUpdate.read(_OUTPUTS)
    external = replace(mesh.mesh, ca=replace(mesh.mesh.ca, external=True))
    (problem,) = check_changes(replace(mesh, mesh=external), before)
    assert (problem.name, problem.path) == ("external-ca-changed", "isthmus:mesh.ca.external")
    (back,) = check_changes(mesh, replace(before, external_ca=True))
    assert back.name == problem.name


def test_every_cluster_is_marked_with_its_identity() -> None:
    found = meshes.recorded(meshes.two_networks()).one("Namespace", "west-namespace")
    annotations = found.inputs["metadata"]["annotations"]
    assert annotations[names.STACK] == "isthmus/test"
    assert annotations[names.CLUSTER] == "west"
    assert annotations[names.CLUSTER_UID] == "uid of west"
    east = meshes.recorded(meshes.two_networks()).one("Namespace", "east-namespace")
    assert annotations[names.MESH] == east.inputs["metadata"]["annotations"][names.MESH]
