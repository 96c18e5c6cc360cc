"""Claims about what clusters are queried for, and how their answers are read."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from kube.api import UnansweredError
from preflight import services
from preflight.last_update import LastUpdate
from spec import config
from spec.problems import MeshRefusedError
from spec.shared import MADE_BY_ISTHMUS, OCCUPIED, Inventory, ReadyPods
from tests.unit.meshes import cluster, configuration, facts

CART = ("shop", "cart")
Answers = Mapping[str, Any]


def ready(value: bool, **metadata: str) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": str(value)}]
    node = metadata.pop("node", "node-1")
    return {
        "metadata": metadata,
        "spec": {"nodeName": node},
        "status": {"conditions": conditions},
    }


def service(*, labels: Mapping[str, str], **spec: Any) -> dict[str, Any]:
    port = {"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP"}
    return {
        "metadata": {"namespace": "shop", "name": "cart", "labels": labels},
        "spec": {"type": "ClusterIP", "selector": {"app": "cart"}, "ports": [port], **spec},
    }


OWN = service(labels={"mesh": "shared"})
SHOP = {"metadata": {"name": "shop", "labels": {"istio-injection": "enabled", "team": "a"}}}
EAST: Answers = {
    "/api/v1/services mesh=shared": [OWN],
    "/api/v1/namespaces": [SHOP],
    "/api/v1/namespaces/shop/services": [OWN],
    "/api/v1/namespaces/shop/pods app=cart": [ready(False), ready(True)],
}


@dataclass
class Whole:
    """An object that is not a list."""

    item: Any


@dataclass
class Api:
    """An API server with prepared answers; nothing elsewhere."""

    answers: Answers

    def get(self, path: str, labelSelector: str = "", limit: str = "") -> Any:
        found = self.answers.get(f"{path} {labelSelector}".strip(), [])
        if isinstance(found, Exception):
            raise found
        if isinstance(found, Whole):
            return found.item
        return {"items": found}

    def metadata_list(self, path: str) -> list[Any]:
        return [x["metadata"] for x in self.get(path)["items"]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Answers]:
    """Answers by the cluster's name; a cluster that is not in it must not be queried."""
    clusters: dict[str, Answers] = {}

    class Connections:
        @staticmethod
        @contextmanager
        def connect(kubeconfig: str) -> Generator[Api]:
            yield Api(clusters[kubeconfig.removeprefix("kubeconfig of ")])

    monkeypatch.setattr(services, "ClusterApi", Connections)
    return clusters


def inventories(discovery: str = "entries", **more: Any) -> dict[str, Inventory]:
    given = configuration(cluster("east", "n1"), cluster("west", "n2"))
    given["mesh"] |= {"discovery": discovery, **({"federate": "mesh=shared"} if not more else {})}
    spec = config.parse({**given, **more})
    known = services.with_inventories(spec, facts(spec), LastUpdate())
    return {name: x.inventory for name, x in known.items()}


def test_a_labelled_service_is_read_with_its_namespace_and_its_ready_pods(
    asked: dict[str, Answers],
) -> None:
    asked |= {"east": EAST, "west": {}}
    east = inventories()["east"]
    found = east.services[CART]
    assert (found.labelled, found.made_by_isthmus, found.takes_callers) == (True, False, True)
    assert [(p.name, p.port, p.target_port) for p in found.ports] == [("http", 80, "web")]
    assert east.namespaces["shop"].injection == {"istio-injection": "enabled"}
    assert east.running == {CART: ReadyPods(1)}


def test_pods_count_before_their_cluster_has_the_service(asked: dict[str, Answers]) -> None:
    pods = {"/api/v1/namespaces/shop/pods app=cart": [ready(True)]}
    asked |= {"east": EAST, "west": pods}
    assert inventories()["west"].running == {CART: ReadyPods(1)}


def node(name: str, *locality: str) -> dict[str, Any]:
    keys = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone")
    return {"metadata": {"name": name, "labels": dict(zip(keys, locality, strict=False))}}


@pytest.mark.parametrize(
    ("nodes", "locality"),
    [
        ([node("a", "eu", "eu-1"), node("b", "eu", "eu-1"), node("c", "us", "us-1")], "eu/eu-1"),
        ([node("a", "eu", "eu-1"), node("b", "eu", "eu-2")], "eu"),
        ([node("a", "eu", "eu-1"), node("b", "us", "us-1")], ""),
        ([node("a", "eu", "eu-1"), node("b")], ""),
        ([], ""),
        (UnansweredError(403, "forbidden"), ""),
    ],
)
def test_pods_are_counted_with_the_locality_that_they_have_in_common(
    asked: dict[str, Answers], nodes: Any, locality: str
) -> None:
    pods = [ready(True, node="a"), ready(True, node="a"), ready(True, node="b"), ready(False)]
    asked |= {
        "east": {**EAST, "/api/v1/namespaces/shop/pods app=cart": pods, "/api/v1/nodes": nodes},
        "west": {},
    }
    assert inventories()["east"].running == {CART: ReadyPods(3, locality)}


@pytest.mark.parametrize("pod", [ready(False), ready(True, deletionTimestamp="now")])
def test_pods_that_are_not_ready_or_terminating_do_not_count(
    asked: dict[str, Answers], pod: dict[str, Any]
) -> None:
    asked |= {"east": {**EAST, "/api/v1/namespaces/shop/pods app=cart": [pod]}, "west": {}}
    assert inventories()["east"].running == {}


RULE = {
    "metadata": {"namespace": "shop", "name": "only-get", "labels": {"mesh": "shared"}},
    "spec": {"action": "ALLOW"},
}
RULES = "/apis/security.istio.io/v1/authorizationpolicies mesh=shared"


def test_istios_objects_are_found_by_label_and_elsewhere_by_name(
    asked: dict[str, Answers],
) -> None:
    one = "/apis/security.istio.io/v1/namespaces/shop/authorizationpolicies/only-get"
    unlabelled = {"metadata": {**RULE["metadata"], "labels": {}}, "spec": {"action": "DENY"}}
    asked |= {"east": {RULES: [RULE]}, "west": {one: Whole(unlabelled)}}
    with pytest.raises(MeshRefusedError) as refusal:
        inventories()
    (problem,) = refusal.value.problems
    assert problem.name == "configuration-differs"
    assert "AuthorizationPolicy shop/only-get of cluster east" in problem.rule
    assert "of cluster west" in problem.rule


def test_a_cluster_without_istios_kinds_has_none_of_its_objects(
    asked: dict[str, Answers],
) -> None:
    none = {f"/apis/{v}/{p} mesh=shared": UnansweredError(404, "") for _, v, p in services.KINDS}
    one = "/apis/security.istio.io/v1/namespaces/shop/authorizationpolicies/only-get"
    asked |= {"east": {RULES: [RULE]}, "west": {**none, one: UnansweredError(404, "")}}
    found = inventories()
    assert found["west"].configuration == {}
    assert list(found["east"].configuration) == [("AuthorizationPolicy", "shop", "only-get")]


def test_copies_are_known_by_their_mark(asked: dict[str, Answers]) -> None:
    copy = service(labels={MADE_BY_ISTHMUS: "mesh1"})
    namespace = {"metadata": {"name": "shop", "labels": {MADE_BY_ISTHMUS: "mesh1"}}}
    west = {"/api/v1/namespaces": [namespace], "/api/v1/namespaces/shop/services": [copy]}
    asked |= {"east": EAST, "west": west}
    found = inventories()["west"]
    assert found.services[CART].made_by_isthmus
    assert found.namespaces["shop"].made_by_isthmus


@pytest.mark.parametrize("spec", [{"clusterIP": "None"}, {"type": "ExternalName"}])
def test_headless_services_and_external_names_are_known(
    asked: dict[str, Answers], spec: dict[str, Any]
) -> None:
    wrong = service(labels={"mesh": "shared"}, **spec)
    answers = {"/api/v1/services mesh=shared": [wrong], "/api/v1/namespaces/shop/services": [wrong]}
    asked |= {"east": {**EAST, **answers}, "west": {}}
    with pytest.raises(MeshRefusedError, match="its own address"):
        inventories()


@pytest.mark.parametrize(
    ("kind", "name", "occupied"),
    [
        ("/api/v1/namespaces/old/pods", "web", True),
        ("/api/v1/namespaces/old/persistentvolumeclaims", "data", True),
        ("/api/v1/namespaces/old/secrets", "password", True),
        ("/apis/batch/v1/namespaces/old/cronjobs", "nightly", True),
        ("/apis/networking.k8s.io/v1/namespaces/old/ingresses", "web", True),
        ("/api/v1/namespaces/old/configmaps", "istio-ca-root-cert", False),
    ],
)
def test_a_copied_namespace_says_whether_objects_of_users_are_in_it(
    asked: dict[str, Answers], kind: str, name: str, occupied: bool
) -> None:
    labels = {MADE_BY_ISTHMUS: "mesh1"}
    namespace = {"metadata": {"name": "old", "labels": labels}}
    west = {"/api/v1/namespaces": [namespace], kind: [{"metadata": {"name": name}}]}
    asked |= {"east": {}, "west": west}
    found = inventories()["west"].namespaces["old"]
    assert (found.occupied, found.was_occupied) == (occupied, False)
    labels[OCCUPIED] = "true"
    assert inventories()["west"].namespaces["old"].was_occupied


@pytest.mark.parametrize(("namespace", "occupied"), [("old", True), ("other", False)])
def test_a_users_rule_keeps_a_copied_namespace(
    asked: dict[str, Answers], namespace: str, occupied: bool
) -> None:
    copied = {"metadata": {"name": "old", "labels": {MADE_BY_ISTHMUS: "mesh1"}}}
    rule = {"metadata": {"name": "route", "namespace": namespace}}
    west = {"/api/v1/namespaces": [copied], "/apis/networking.istio.io/v1/virtualservices": [rule]}
    asked |= {"east": {}, "west": west}
    assert inventories()["west"].namespaces["old"].occupied is occupied


def test_a_cluster_that_does_not_list_its_objects_is_refused_with_its_path(
    asked: dict[str, Answers],
) -> None:
    refusal = UnansweredError(403, "Forbidden")
    asked |= {"east": EAST, "west": {"/api/v1/services mesh=shared": refusal}}
    with pytest.raises(MeshRefusedError) as refused:
        inventories()
    (problem,) = refused.value.problems
    assert problem.path == "isthmus:clusters[1].kubeconfig"
    assert "403 Forbidden" in problem.rule


def test_nothing_is_queried_where_nothing_is_shared(asked: dict[str, Answers]) -> None:
    assert not asked
    assert inventories(sample={"enabled": True}) == {"east": Inventory(), "west": Inventory()}
