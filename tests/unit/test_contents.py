"""Claims about namespaces that an update would delete while users have objects in them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import preflight
from components import names
from preflight.facts import PreflightResult
from preflight.identity import Expected
from preflight.last_update import CREATED, LastCluster, LastUpdate
from spec.problems import MeshRefusedError
from spec.shared import MADE_BY_ISTHMUS, OCCUPIED
from tests.unit.clusters import Kubernetes, Preflight, spec
from tests.unit.test_existing import marked, removed

_SYSTEM, _SAMPLE = "/api/v1/namespaces/istio-system", "/api/v1/namespaces/sample"
_LEADER = "control-plane.alpha.kubernetes.io/leader"
_KIALI = {"metadata": {"name": "kiali", "namespace": "istio-system"}}


def written(name: str, manager: str, **more: Any) -> dict[str, Any]:
    """An object that a field manager has created."""
    return {"metadata": {"name": name, "managedFields": [{"manager": manager}], **more}}


@pytest.fixture
def gone(look: Preflight, other: Kubernetes) -> Expected:
    """The last update had a cluster `gone`, with an Istio and a sample of its own."""
    other.answers["/api/v1/namespaces/kube-system"] = {"metadata": {"uid": "uid"}}
    other.answers[_SYSTEM] = other.answers[_SAMPLE] = marked()
    before = removed(look, "other")
    return replace(before, last=replace(before.last, sample=True))


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        (_SYSTEM, "/secrets"),
        (_SYSTEM, "/persistentvolumeclaims"),
        ("/apis/apps/v1/namespaces/istio-system", "/deployments"),
        ("/apis/networking.k8s.io/v1/namespaces/istio-system", "/ingresses"),
        ("/apis/telemetry.istio.io/v1", "/telemetries"),
        ("/apis/security.istio.io/v1", "/peerauthentications"),
    ],
)
def test_a_cluster_is_not_removed_while_users_have_objects_beside_istio(
    look: Preflight, other: Kubernetes, gone: Expected, where: str, kind: str
) -> None:
    other.has(where + kind, _KIALI)
    (problem,) = look.refused("up", expected=gone)
    assert problem.name == "namespace-in-use"
    assert "namespace istio-system of cluster gone" in problem.rule
    assert f"{kind.strip('/')}" in problem.rule
    assert "`kubectl --context gone -n istio-system delete " in problem.fix


def test_the_objects_of_a_mesh_do_not_keep_its_cluster_from_being_removed(
    look: Preflight, other: Kubernetes, gone: Expected
) -> None:
    helm = {"meta.helm.sh/release-name": "istio-base"}
    record = {"owner": "helm", "name": "leave-nothing"}
    other.has(
        f"{_SYSTEM}/secrets",
        written("cacerts", "isthmus/dev:gone-cacerts"),
        written("istio-remote-secret-west", "isthmus/west:east/reads/west-secret"),
        {"metadata": {"name": "sh.helm.release.v1.leave-nothing.v1", "labels": record}},
        written("reader", "x", annotations={"kubernetes.io/service-account.name": "reader"}),
    )
    other.has(
        f"{_SYSTEM}/configmaps",
        written("kube-root-ca.crt", "kube-controller-manager"),
        written("istio-ca-root-cert", "pilot-discovery"),
        written("istio-gateway-status-leader", "x", annotations={_LEADER: "{}"}),
        written("of-the-chart", "helm", annotations=helm),
    )
    replica_set = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "sleep-1"}
    other.has(f"{_SAMPLE}/pods", written("sleep-1-x", "x", ownerReferences=[replica_set]))
    strict = {"name": "default", "namespace": "sample", "annotations": {names.STACK: "isthmus/dev"}}
    other.has("/apis/security.istio.io/v1/peerauthentications", {"metadata": strict})
    assert look.examine("up", expected=gone).warnings == ()


def test_what_a_users_operator_or_release_has_created_is_the_users(
    look: Preflight, other: Kubernetes, gone: Expected
) -> None:
    operator = {"apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus", "name": "main"}
    other.has(
        "/apis/apps/v1/namespaces/istio-system/statefulsets",
        written("prometheus-main", "operator", ownerReferences=[operator]),
    )
    kiali = {"meta.helm.sh/release-name": "kiali"}
    other.has(f"{_SYSTEM}/services", written("kiali", "helm", annotations=kiali))
    (problem,) = look.refused("up", expected=gone)
    assert "it has services/kiali, statefulsets/prometheus-main" in problem.rule


def test_istiods_status_does_not_make_a_users_object_istios(
    look: Preflight, other: Kubernetes, gone: Expected
) -> None:
    fields = [{"manager": "kubectl"}, {"manager": "pilot-discovery", "subresource": "status"}]
    route = {"name": "route", "namespace": "sample", "managedFields": fields}
    other.has("/apis/networking.istio.io/v1/virtualservices", {"metadata": route})
    (problem,) = look.refused("up", expected=gone)
    assert "virtualservices.networking.istio.io/route" in problem.rule


def test_a_volume_that_would_be_deleted_is_named_with_its_data(
    look: Preflight, other: Kubernetes, gone: Expected
) -> None:
    other.has(f"{_SAMPLE}/persistentvolumeclaims", written("data", "kubectl"))
    (problem,) = look.refused("up", expected=gone)
    assert "copy the data of the volumes" in problem.fix


def test_a_namespace_that_stays_may_hold_anything(
    look: Preflight, other: Kubernetes, gone: Expected
) -> None:
    other.answers[_SYSTEM] = marked(**{names.ADOPTED: "true"})
    other.has(f"{_SYSTEM}/secrets", _KIALI)
    assert look.examine("up", expected=gone).warnings == ()


def test_a_destroy_that_runs_the_program_is_refused_like_a_removal_of_all_clusters(
    look: Preflight, up: Kubernetes
) -> None:
    up.answers[_SYSTEM] = marked()
    up.has(f"{_SYSTEM}/secrets", _KIALI)
    last = LastUpdate({"c0": LastCluster("kubeconfig that has ended")}, "istio-system")
    expected = Expected("isthmus/dev", last=last)
    assert look.examine("up", expected=expected).facts
    (problem,) = look.refused("up", expected=replace(expected, destroys=True))
    assert problem.name == "namespace-in-use"
    assert "secrets/kiali" in problem.rule
    assert problem.fix.startswith("keep the mesh. Or write them to a file")


def test_a_destroy_of_a_clusters_own_stack_is_refused_too(look: Preflight, up: Kubernetes) -> None:
    up.answers[_SYSTEM] = marked()
    up.has(f"{_SYSTEM}/secrets", _KIALI)
    left = {"cluster": {"name": "c0", "namespaces": {"istio-system": CREATED}}}
    expected = Expected("isthmus/dev", last=LastUpdate.read(left), destroys=True)
    (problem,) = look.refused("up", expected=expected)
    assert problem.name == "namespace-in-use"


def test_an_annotation_of_a_user_does_not_hide_what_would_be_deleted(
    look: Preflight, other: Kubernetes, gone: Expected
) -> None:
    other.answers[_SYSTEM] = marked(**{names.ADOPTED: "true"})
    other.has(f"{_SYSTEM}/secrets", _KIALI)
    created = replace(gone.last.clusters["gone"], namespaces={"istio-system": CREATED})
    last = replace(gone.last, clusters={**gone.last.clusters, "gone": created})
    (problem,) = look.refused("up", expected=replace(gone, last=last))
    assert problem.name == "namespace-in-use"


def test_a_shared_namespace_of_a_removed_cluster_is_refused_until_an_update_keeps_it(
    look: Preflight, up: Kubernetes, other: Kubernetes, gone: Expected
) -> None:
    up.has("/api/v1/namespaces")
    labels = {MADE_BY_ISTHMUS: "mesh1"}
    other.answers["/api/v1/namespaces/shop"] = {"metadata": {"name": "shop", "labels": labels}}
    other.has("/api/v1/namespaces/shop/secrets", {"metadata": {"name": "password"}})
    gone = replace(gone, last=replace(gone.last, shared=("shop",)))
    (problem,) = look.refused("up", expected=gone)
    assert "namespace shop of cluster gone" in problem.rule
    assert "add gone again and run `pulumi up`" in problem.fix
    labels[OCCUPIED] = "true"
    assert look.examine("up", expected=gone).facts


@pytest.fixture
def without_sample(look: Preflight, up: Kubernetes) -> Callable[[], PreflightResult]:
    """The preflight of an update that disables the sample of the last one."""
    up.answers[_SYSTEM] = up.answers[_SAMPLE] = marked()
    mesh = spec(look.kubeconfig, look.charts, "up")
    mesh = replace(mesh, sample=replace(mesh.sample, enabled=False))
    last = LastUpdate({"c0": LastCluster(uid="uid")}, "istio-system", sample=True)
    up.answers["/api/v1/namespaces/kube-system"] = {"metadata": {"uid": "uid"}}
    return lambda: preflight.examine(mesh, Expected("isthmus/dev", last=last))


def test_a_sample_that_users_have_objects_in_is_not_disabled(
    up: Kubernetes, without_sample: Callable[[], PreflightResult]
) -> None:
    assert without_sample().warnings == ()
    up.has(f"{_SAMPLE}/configmaps", written("mine", "kubectl"))
    with pytest.raises(MeshRefusedError) as refusal:
        without_sample()
    (problem,) = refusal.value.problems
    assert (problem.name, problem.path) == ("namespace-in-use", "isthmus:sample.enabled")
    assert "configmaps/mine" in problem.rule
    up.answers[_SAMPLE] = marked(**{names.ADOPTED: "true"})
    assert without_sample().facts, "the namespace is the user's, and stays"


def test_a_sample_whose_objects_cannot_be_listed_is_not_disabled(
    up: Kubernetes, without_sample: Callable[[], PreflightResult]
) -> None:
    up.refusals[f"{_SAMPLE}/secrets"] = 403
    with pytest.raises(MeshRefusedError, match="ownership-unknown"):
        without_sample()
