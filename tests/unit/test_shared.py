"""Claims about what clusters share, given what they have."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from components.service_entries import protocol_of
from spec import config
from spec.problems import Problem
from spec.shared import (
    MADE_BY_ISTHMUS,
    OCCUPIED,
    FoundConfiguration,
    FoundNamespace,
    FoundService,
    Inventory,
    PortOfService,
    ReadyPods,
    contradictions,
    shared_objects,
)
from stacks.build import build_mesh
from stacks.identity import MeshIdentity
from tests.unit.meshes import cluster, configuration, facts
from tests.unit.recorder import Recording, record

HTTP = PortOfService("http", 80, 8080)
CART = ("shop", "cart")
OWN = FoundService((HTTP,), {"app": "cart"}, made_by_isthmus=False, labelled=True)
COPY = replace(OWN, made_by_isthmus=True, labelled=False)
SHOP = FoundNamespace({"istio-injection": "enabled"}, made_by_isthmus=False)
SHOP_COPY = replace(SHOP, made_by_isthmus=True)

EAST = Inventory({"shop": SHOP}, {CART: OWN}, {CART: ReadyPods(3, "eu/eu-1")})
"""Has the user's own cart, and its pods."""
WEST = Inventory()
WEST_LATER = Inventory({"shop": SHOP_COPY}, {CART: COPY})
"""West with the copies that an update has created."""


def configured(discovery: str = "entries", **mesh: Any) -> dict[str, Any]:
    made = configuration(cluster("east", "east-net"), cluster("west", "west-net"))
    made["mesh"] |= {"discovery": discovery, "federate": "mesh=shared", **mesh}
    made["sample"] = {"enabled": False}
    return made


def built(inventories: Mapping[str, Inventory], given: dict[str, Any] | None = None) -> Recording:
    spec = config.parse(given or configured())
    known = {
        name: replace(x, inventory=inventories.get(name, Inventory()))
        for name, x in facts(spec).items()
    }
    return record(lambda: build_mesh(spec, known, MeshIdentity.create()))


def places(mesh: Recording, kind: str, name: str) -> set[str]:
    """Clusters in which the program creates an object of that name."""
    return {r.provider for r in mesh.of_type(kind) if r.inputs["metadata"]["name"] == name}


def entries(mesh: Recording) -> dict[str, list[str]]:
    """By cluster, the networks that its entries lead to."""
    return {
        r.provider: [e["network"] for e in r.inputs["spec"]["endpoints"]]
        for r in mesh.of_type("ServiceEntry")
    }


def refused(inventories: Mapping[str, Inventory], **mesh: Any) -> list[Problem]:
    given = configured(**mesh)
    given["namespaces"] = [{"name": "shop"}]
    return list(contradictions(config.parse(given), inventories))


def test_a_labelled_service_is_copied_to_the_cluster_that_lacks_it_and_to_no_other() -> None:
    mesh = built({"east": EAST, "west": WEST})
    assert places(mesh, "Service", "cart") == {"west"}
    assert places(mesh, "Namespace", "shop") == {"west"}
    copy = mesh.one("Service", "west/shop/cart").inputs
    assert copy["spec"]["selector"] == {"app": "cart"}
    assert [(p["name"], p["port"], p["targetPort"]) for p in copy["spec"]["ports"]] == [
        ("http", 80, 8080)
    ]
    namespace = mesh.one("Namespace", "west/shop").inputs["metadata"]
    assert namespace["labels"] == {"istio-injection": "enabled", MADE_BY_ISTHMUS: "mesh1"}


def test_the_entry_is_where_the_pods_are_not() -> None:
    assert entries(built({"east": EAST, "west": WEST})) == {"west": ["east-net"]}


def test_a_gateway_weighs_as_much_as_the_pods_behind_it_and_is_where_they_are() -> None:
    mesh = built({"east": EAST, "west": replace(WEST_LATER, running={CART: ReadyPods(1)})})
    endpoints = {
        r.provider: [(e["weight"], e.get("locality")) for e in r.inputs["spec"]["endpoints"]]
        for r in mesh.of_type("ServiceEntry")
    }
    assert endpoints == {"west": [(3, "eu/eu-1")], "east": [(1, None)]}


def test_copies_are_known_for_copies_the_next_time() -> None:
    mesh = built({"east": EAST, "west": WEST_LATER})
    assert places(mesh, "Service", "cart") == {"west"}
    assert places(mesh, "Namespace", "shop") == {"west"}


def test_entries_go_with_the_pods_and_copies_stay_with_the_service() -> None:
    mesh = built({"east": replace(EAST, running={}), "west": WEST_LATER})
    assert entries(mesh) == {}
    assert places(mesh, "Service", "cart") == {"west"}


def test_pods_beside_a_copy_are_found() -> None:
    both = {"east": EAST, "west": replace(WEST_LATER, running={CART: ReadyPods()})}
    assert entries(built(both)) == {"west": ["east-net"], "east": ["west-net"]}


def test_copies_go_with_the_users_service() -> None:
    mesh = built({"east": replace(EAST, services={}), "west": WEST_LATER})
    assert places(mesh, "Service", "cart") == set()
    assert places(mesh, "Namespace", "shop") == set()


def test_a_namespace_that_pods_moved_into_stays_when_the_service_goes() -> None:
    occupied = replace(WEST_LATER, namespaces={"shop": replace(SHOP_COPY, occupied=True)})
    mesh = built({"east": replace(EAST, services={}), "west": occupied})
    assert places(mesh, "Service", "cart") == set()
    assert "west" in places(mesh, "Namespace", "shop")


def test_a_users_service_is_not_created_where_it_exists() -> None:
    unlabelled = Inventory({"shop": SHOP}, {CART: replace(OWN, labelled=False)})
    mesh = built({"east": EAST, "west": unlabelled})
    assert places(mesh, "Service", "cart") == set()
    assert places(mesh, "Namespace", "shop") == set()
    assert entries(mesh) == {"west": ["east-net"]}


def test_a_declared_namespace_that_exists_is_left_to_the_user() -> None:
    given = configured()
    given["namespaces"] = [{"name": "shop"}]
    mesh = built({"east": Inventory({"shop": SHOP}), "west": WEST}, given)
    assert places(mesh, "Namespace", "shop") == {"west"}


def test_where_istiod_watches_copies_are_created_and_no_entries() -> None:
    mesh = built({"east": EAST, "west": WEST}, configured("endpoints"))
    assert places(mesh, "Service", "cart") == {"west"}
    assert entries(mesh) == {}


def test_clusters_of_a_declared_service_are_found_only_where_left_out() -> None:
    given = configured()
    given["namespaces"] = [{"name": "shop"}]
    service = {
        "namespace": "shop",
        "name": "cart",
        "ports": [{"name": "http", "port": 80}],
        "selector": {"app": "cart"},
    }
    running = {"west": Inventory(running={CART: ReadyPods()})}
    found = shared_objects(config.parse({**given, "services": [service]}), running)
    assert found.services[CART].runs_in == {"west": ReadyPods()}
    declared = {**service, "clusters": ["east"]}
    found = shared_objects(config.parse({**given, "services": [declared]}), running)
    assert found.services[CART].runs_in == {"east": ReadyPods()}


RULE = ("AuthorizationPolicy", "shop", "only-get")
FOUND = FoundConfiguration(
    "security.istio.io/v1", {"action": "ALLOW"}, made_by_isthmus=False, labelled=True
)
FOUND_COPY = replace(FOUND, made_by_isthmus=True, labelled=False)
WITH_RULE = Inventory({"shop": SHOP}, configuration={RULE: FOUND})


@pytest.mark.parametrize("discovery", ["endpoints", "entries"])
@pytest.mark.parametrize("west", [WEST, Inventory(configuration={RULE: FOUND_COPY})])
def test_a_labelled_object_of_istio_is_copied_to_every_other_control_plane(
    discovery: str, west: Inventory
) -> None:
    mesh = built({"east": WITH_RULE, "west": west}, configured(discovery))
    assert places(mesh, "AuthorizationPolicy", "only-get") == {"west"}
    assert places(mesh, "Namespace", "shop") == {"west"}
    copy = mesh.one("AuthorizationPolicy", "west/authorizationpolicy/shop/only-get")
    assert copy.inputs["spec"] == {"action": "ALLOW"}
    assert copy.inputs["metadata"]["labels"] == {MADE_BY_ISTHMUS: "mesh1"}
    assert mesh.waits_for(copy, mesh.one("Namespace", "west/shop"))


def test_copies_of_istios_objects_go_with_the_users_own() -> None:
    gone = {"east": Inventory({"shop": SHOP}), "west": Inventory(configuration={RULE: FOUND_COPY})}
    assert places(built(gone), "AuthorizationPolicy", "only-get") == set()


def test_a_remote_gets_no_copy_because_its_istiod_reads_another_cluster() -> None:
    given = configured("endpoints")
    given["clusters"][1]["primary"] = "east"
    assert places(built({"east": WITH_RULE}, given), "AuthorizationPolicy", "only-get") == set()


def test_an_object_in_istios_namespace_needs_no_namespace() -> None:
    mesh_wide = {("Telemetry", "istio-system", "all"): replace(FOUND, api_version="t/v1")}
    mesh = built({"east": Inventory(configuration=mesh_wide)})
    assert places(mesh, "Telemetry", "all") == {"west"}
    assert [r for r in mesh.of_type("Namespace") if "istio-system" in r.name] == []


def test_equal_objects_of_two_users_keep_their_owners() -> None:
    both = {"east": WITH_RULE, "west": WITH_RULE}
    assert refused(both) == []
    assert places(built(both), "AuthorizationPolicy", "only-get") == set()


@pytest.mark.parametrize("labelled", [True, False])
def test_different_objects_of_istio_are_refused_with_both_places(labelled: bool) -> None:
    other = replace(FOUND, spec={"action": "DENY"}, labelled=labelled)
    west = Inventory({"shop": SHOP}, configuration={RULE: other})
    (problem,) = refused({"east": WITH_RULE, "west": west})
    assert problem.name == "configuration-differs"
    assert "AuthorizationPolicy shop/only-get of cluster east" in problem.rule
    assert "that of cluster west" in problem.rule


def test_no_entry_opens_a_second_gateway() -> None:
    mesh = built({"east": EAST, "west": WEST})
    gateways = [r for r in mesh.of_type("Gateway") if r.provider == "west"]
    assert [r.inputs["metadata"]["name"] for r in gateways] == ["cross-network-gateway"]


def test_services_of_one_name_with_different_ports_are_refused() -> None:
    other = replace(OWN, ports=(PortOfService("http", 8080, 8080),))
    (problem,) = refused({"east": EAST, "west": Inventory({"shop": SHOP}, {CART: other})})
    assert problem.path == "isthmus:mesh.federate"
    assert "Service shop/cart must have the same ports in every cluster" in problem.rule
    assert "in west it has http 8080/TCP, elsewhere http 80/TCP" in problem.rule


def test_a_service_that_no_caller_dials_is_refused() -> None:
    for wrong in (replace(OWN, selector={}), replace(OWN, takes_callers=False)):
        (problem,) = refused({"east": replace(EAST, services={CART: wrong}), "west": WEST})
        assert "must have a selector and its own address" in problem.rule


def test_a_nameless_port_is_refused_where_entries_join_by_name() -> None:
    nameless = replace(OWN, ports=(PortOfService("", 80, 80),))
    east = replace(EAST, services={CART: nameless})
    (problem,) = refused({"east": east, "west": WEST})
    assert "must have a name" in problem.rule
    assert not refused({"east": east, "west": WEST}, discovery="endpoints")


def test_a_service_that_a_callers_cluster_lacks_is_refused() -> None:
    east = replace(EAST, services={CART: replace(OWN, labelled=False)})
    (problem,) = refused({"east": east, "west": WEST})
    assert problem.path == "isthmus:namespaces[0]"
    assert "Service shop/cart of east must be in every cluster; west lacks it" in problem.rule
    assert "isthmus:services" in problem.fix


def test_a_local_service_can_be_missing() -> None:
    east = replace(EAST, services={CART: replace(OWN, labelled=False)})
    local = ["*.shop.svc.cluster.local"]
    assert not refused({"east": east, "west": WEST}, clusterLocal=local)


@pytest.mark.parametrize(("discovery", "missed"), [("endpoints", False), ("entries", True)])
def test_a_service_can_be_missing_where_sidecars_resolve_what_istiod_watches(
    discovery: str, missed: bool
) -> None:
    """With entries, istiod does not know the Services of other clusters."""
    east = replace(EAST, services={CART: replace(OWN, labelled=False)})
    metadata = {"ISTIO_META_DNS_CAPTURE": "true"}
    values = {"istiod": {"meshConfig": {"defaultConfig": {"proxyMetadata": metadata}}}}
    istio = {"version": "1.31.0", "charts": "charts", "values": values}
    found = refused({"east": east, "west": WEST}, discovery=discovery, istio=istio)
    assert bool(found) is missed


@pytest.mark.parametrize(
    ("port", "app_protocol", "protocol"),
    [
        ("http", None, "HTTP"),
        ("grpc-api", None, "GRPC"),
        ("grpc-web-api", None, "GRPC-WEB"),
        ("db", None, ""),
        ("db", "mysql", "MYSQL"),
        ("web", "kubernetes.io/h2c", "HTTP2"),
    ],
)
def test_an_entry_speaks_what_the_service_speaks(
    port: str, app_protocol: str | None, protocol: str
) -> None:
    assert protocol_of(port, app_protocol) == protocol


@pytest.mark.parametrize("federate", [None, "mesh=shared"])
def test_a_copied_namespace_with_objects_of_users_is_kept(federate: str | None) -> None:
    """Its key is gone from the configuration, or the label from the Service."""
    left = FoundNamespace({"istio-injection": "enabled"}, made_by_isthmus=True, occupied=True)
    given = configured()
    given["mesh"]["federate"] = federate
    mesh = built({"east": Inventory(), "west": Inventory(namespaces={"shop": left})}, given)
    kept = mesh.one("Namespace", "west/shop")
    assert kept.retained
    assert OCCUPIED in kept.inputs["metadata"]["labels"]


def test_a_namespace_that_was_kept_is_deleted_two_updates_after_it_is_empty() -> None:
    """Pulumi forgets a retained resource without deleting it, by the option of the last update."""
    kept = replace(SHOP_COPY, was_occupied=True)
    mesh = built({"east": Inventory(), "west": Inventory(namespaces={"shop": kept})})
    released = mesh.one("Namespace", "west/shop")
    assert not released.retained
    assert OCCUPIED not in released.inputs["metadata"]["labels"]
    released_copy = replace(kept, was_occupied=False)
    mesh = built({"east": Inventory(), "west": Inventory(namespaces={"shop": released_copy})})
    assert places(mesh, "Namespace", "shop") == set()
