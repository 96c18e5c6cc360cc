"""Claims about what is refused before anything changes."""

import datetime as dt
import json
from dataclasses import replace
from io import BytesIO
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
import yaml

import preflight
from components.names import STACK
from kube.kubeconfig import Connection
from preflight.identity import Expected
from spec import config
from spec.mesh import MeshSpec, Ranges
from spec.problems import MeshRefusedError
from spec.rules import kubeconfigs
from tests.authorities import certificate, new_key
from tests.unit.clusters import (
    EXPECTED,
    LISTS,
    NAMESPACE,
    OWN_STACK,
    REVIEWS,
    Kubernetes,
    Preflight,
    issue,
    spec,
)
from tests.unit.meshes import cluster, configuration

_ROOT = certificate(new_key(), name="Root of the test")
_ROOT_CONFIG_MAP = f"{NAMESPACE}/configmaps/istio-ca-root-cert"
_KUBE_SYSTEM = "/api/v1/namespaces/kube-system"


def test_an_api_server_that_the_kubeconfigs_ca_has_not_signed_is_refused(
    look: Preflight, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    issue(tmp_path / "other")
    (tmp_path / "other/ca.pem").replace(tmp_path / "ca.pem")
    (problem,) = look.refused("up")
    assert problem.path == "isthmus:clusters[0].kubeconfig"
    assert "must answer (SSLError: [SSL: CERTIFICATE_VERIFY_FAILED]" in problem.rule


def test_a_healthy_cluster_gives_facts_and_no_problems(look: Preflight, up: Kubernetes) -> None:
    found = look.examine("up", "other")
    assert found.facts["c0"].kubernetes == "1.34.4"
    assert (found.warnings, found.unchecked) == ((), ())
    assert "do-not-print" not in repr(found)


def test_the_root_of_the_stacks_own_mesh_is_read(look: Preflight, up: Kubernetes) -> None:
    up.answers[_ROOT_CONFIG_MAP] = {"data": {"root-cert.pem": _ROOT}}
    assert look.examine("up").facts["c0"].root is None, "the cluster is not marked"
    up.answers[NAMESPACE] = {"metadata": {"annotations": {STACK: OWN_STACK}}}
    assert look.examine("up").facts["c0"].root == _ROOT
    for unreadable in ({}, {"data": {}}, {"data": {"root-cert.pem": "PEM"}}):
        up.answers[_ROOT_CONFIG_MAP] = unreadable
        (problem,) = look.refused("up")
        assert "its root of trust (its ConfigMap istio-ca-root-cert has no" in problem.rule
    del up.answers[_ROOT_CONFIG_MAP]
    assert look.examine("up").facts["c0"].root is None, "istiod has not written it yet"


def test_an_api_server_that_does_not_answer_is_named_with_its_cluster(
    look: Preflight, caplog: pytest.LogCaptureFixture
) -> None:
    (problem,) = look.refused("up", "down")
    assert "Retrying" not in caplog.text, "three time-outs are no better than one"
    assert problem.path == "isthmus:clusters[1].kubeconfig"
    assert "of cluster c1 must answer" in problem.rule
    assert "Connection refused" in problem.rule


def test_credentials_that_are_not_accepted_are_named_with_their_cluster(
    look: Preflight, up: Kubernetes
) -> None:
    up.refusals["*"] = 401
    (problem,) = look.refused("up")
    assert problem.path == "isthmus:clusters[0].kubeconfig"
    assert "credentials that cluster c0 accepts (401" in problem.rule


def test_an_unknown_context_is_named_with_those_that_exist(look: Preflight) -> None:
    (problem,) = look.refused("sideways")
    assert problem.path == "isthmus:clusters[0].context"
    assert "down, other, up" in problem.fix


def test_charts_that_are_not_there_are_named(kubeconfig: str, tmp_path: Path) -> None:
    found = Preflight(kubeconfig, str(tmp_path / "nothing")).refused("up")
    assert {p.path for p in found} == {"isthmus:mesh.istio.charts"}
    assert len(found) == 3


@pytest.mark.parametrize(
    "charts",
    ["https://istio-release.storage.googleapis.com/charts", "oci://gcr.io/istio-release/charts"],
)
def test_charts_are_not_looked_for_where_istio_publishes_none(kubeconfig: str, charts: str) -> None:
    (problem,) = Preflight(kubeconfig, charts).refused("up")
    assert problem.path == "isthmus:mesh.istio.charts"
    assert "oci://ghcr.io/istio/release/charts" in problem.fix
    (warning,) = Preflight(kubeconfig, charts).examine("up", version="1.30.4").warnings
    assert warning.name == "charts-retired"


@pytest.mark.parametrize("page", ["<html><p>Log in: {</p>", "hello", "entries: 7"])
def test_a_page_to_log_in_at_is_no_repository(
    kubeconfig: str, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    def urlopen(*args: Any, **kwargs: Any) -> BytesIO:
        return BytesIO(page.encode())

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    (problem,) = Preflight(kubeconfig, "https://charts.test").refused("up")
    assert problem.name == "charts-not-found"
    assert "not the index of a Helm repository" in problem.rule


def test_charts_of_another_version_are_refused(look: Preflight) -> None:
    found = look.refused("up", version="1.30.4")
    assert {p.path for p in found} == {"isthmus:mesh.istio.version"}
    assert "set it to 1.31.0" in found[0].fix


def test_configuration_clusters_and_charts_are_refused_together(
    look: Preflight, tmp_path: Path
) -> None:
    look = replace(look, charts=str(tmp_path / "nothing"))
    found = look.refused("down", "sideways", "up", name="same")
    assert sorted(p.path for p in found) == [
        "isthmus:clusters[0].kubeconfig",
        "isthmus:clusters[1].context",
        "isthmus:clusters[1].name",
        "isthmus:clusters[2].name",
        *["isthmus:mesh.istio.charts"] * 3,
    ]


def test_a_loopback_api_server_is_refused_where_another_cluster_watches(look: Preflight) -> None:
    found = look.refused("up", "other", apiServer={})
    assert [p.path for p in found] == [f"isthmus:clusters[{i}].kubeconfig" for i in (0, 1)]
    assert "istiod of c1 watches c0" in found[0].rule
    assert "isthmus:clusters[0].apiServer.server" in found[0].fix
    assert look.examine("up", apiServer={}).facts, "no cluster watches the only one"


def test_a_path_through_a_proxy_causes_a_warning_where_another_cluster_watches(
    look: Preflight,
) -> None:
    mesh = spec(look.kubeconfig, look.charts, "up", "other", apiServer={})
    there = Connection("", "https://api.test", None, proxy="http://proxy.test")
    (problem,) = kubeconfigs.check_kubeconfigs(mesh, {1: there})
    assert problem.path == "isthmus:clusters[1].apiServer.server"
    assert not problem.refuses
    assert not list(kubeconfigs.check_kubeconfigs(mesh, {1: replace(there, proxy=None)}))


def test_two_contexts_of_one_cluster_are_refused(
    look: Preflight, up: Kubernetes, other: Kubernetes
) -> None:
    (problem,) = look.refused("up", "up")
    assert problem.path == "isthmus:clusters[1].context"
    assert "the same API server" in problem.rule
    other.answers["/api/v1/namespaces/kube-system"] = {"metadata": {"uid": str(id(up))}}
    (problem,) = look.refused("up", "other")
    assert "another cluster than c0" in problem.rule


@pytest.mark.parametrize(
    ("version", "refuses"), [("v1.31.9-gke.1", True), ("v1.32.0", None), ("v1.38.1+k3s1", False)]
)
def test_kubernetes_is_of_a_version_that_istio_supports(
    look: Preflight, up: Kubernetes, version: str, refuses: bool | None
) -> None:
    up.version = version
    if refuses:
        (problem,) = look.refused("up")
        assert "1.32 to 1.37" in problem.rule
        assert "set isthmus:mesh.istio.version to 1.28 or 1.29" in problem.fix
    else:
        assert len(look.examine("up").warnings) == (refuses is False)


def node(*ranges: str) -> dict[str, Any]:
    return {"metadata": {"name": "n"}, "spec": {"podCIDRs": list(ranges)}}


def test_nodes_of_one_network_have_separate_ranges(
    look: Preflight, up: Kubernetes, other: Kubernetes
) -> None:
    up.has("/api/v1/nodes", node("10.4.0.0/24"), node("10.4.1.0/24", "fd00::/64"))
    other.has("/api/v1/nodes", node("10.5.0.0/24"), node("10.4.1.128/25"))
    (problem,) = look.refused("up", "other")
    assert problem.path == "isthmus:clusters[1].network"
    assert "pods of c0 have 10.4.0.0/23 and pods of c1 10.4.1.128/25" in problem.rule
    other.has("/api/v1/nodes", node("10.5.0.0/24"))
    assert str(look.examine("up", "other").facts["c0"].pods[0]) == "10.4.0.0/23"


def test_configured_ranges_win_over_those_of_nodes(
    look: Preflight, up: Kubernetes, other: Kubernetes
) -> None:
    up.has("/api/v1/nodes", node("10.4.0.0/24"))
    other.has("/api/v1/nodes", node("10.4.0.0/24"))
    (problem,) = look.refused("up", "other", ranges={"pods": ["10.8.0.0/16"]})
    assert "10.8.0.0/16" in problem.rule, "the one that the node reports, and once"


def test_nodes_that_report_no_ranges_are_unchecked_until_ranges_are_configured(
    look: Preflight, up: Kubernetes
) -> None:
    up.has("/api/v1/nodes", node())
    (said,) = look.examine("up", "other").unchecked
    assert "its nodes have none; set isthmus:clusters[0].ranges.pods" in said
    mesh = spec(look.kubeconfig, look.charts, "up", "other")
    configured = replace(mesh.clusters[0], ranges=Ranges(pods=(IPv4Network("10.4.0.0/16"),)))
    mesh = replace(mesh, clusters=(configured, mesh.clusters[1]))
    assert not preflight.examine(mesh, EXPECTED).unchecked


def test_nodes_are_queried_only_for_what_depends_on_them(look: Preflight, up: Kubernetes) -> None:
    one = spec(look.kubeconfig, look.charts, "up")
    preflight.examine(replace(one, mesh=replace(one.mesh, redundant=False)), EXPECTED)
    assert "/api/v1/nodes" not in {path for path, _ in up.asked}


@pytest.mark.parametrize(("nodes", "several"), [(0, False), (1, False), (2, True)])
def test_more_than_one_node_is_a_fact(
    look: Preflight, up: Kubernetes, nodes: int, several: bool
) -> None:
    up.has("/api/v1/nodes", *({"spec": {}} for _ in range(nodes)))
    assert look.examine("up").facts["c0"].several_nodes is several


def test_a_cluster_that_does_not_list_its_nodes_is_taken_for_a_large_one(
    look: Preflight, up: Kubernetes
) -> None:
    """One replica of two would otherwise go because of an answer that was missing."""
    up.refusals["/api/v1/nodes"] = 403
    assert look.examine("up").facts["c0"].several_nodes


def named(name: str, namespace: str | None = None, **annotations: str) -> dict[str, Any]:
    home = {} if namespace is None else {"namespace": namespace}
    return {"metadata": {"name": name, "annotations": annotations, **home}}


def webhook(name: str, namespace: str | None) -> dict[str, Any]:
    service = {"service": {"namespace": namespace, "name": "istiod"}}
    client = service if namespace else {"url": "https://elsewhere.test"}
    return {**named(name), "webhooks": [{"clientConfig": client}]}


_INJECTORS, _VALIDATORS = sorted(x for x in LISTS if "admission" in x)
_OURS = {"metadata": {"annotations": {STACK: OWN_STACK}}}


def test_an_istio_of_someone_else_is_refused_once_with_its_webhooks(
    look: Preflight, up: Kubernetes
) -> None:
    up.has("/apis/apps/v1/deployments", named("istiod-1-28", "istio-system"))
    up.has(_INJECTORS, webhook("istio-sidecar-injector-1-28", "istio-system"))
    (problem,) = look.refused("up")
    assert problem.path == "isthmus:clusters[0]"
    assert "Deployment istiod-1-28 in namespace istio-system" in problem.rule
    assert f"kubectl annotate --overwrite namespace istio-system {STACK}={OWN_STACK}" in problem.fix


@pytest.mark.parametrize(
    ("kind", "name", "home"),
    [
        (_INJECTORS, "istio-sidecar-injector", "istio-system"),
        (_INJECTORS, "istio-revision-tag-default", "istio-system"),
        (_INJECTORS, "istio-sidecar-injector-asm", None),
        (_VALIDATORS, "istio-validator-istio-system", "istio-system"),
        (_VALIDATORS, "istiod-default-validator", "istio-system"),
    ],
)
def test_webhooks_that_an_old_istio_left_are_refused(
    look: Preflight, up: Kubernetes, kind: str, name: str, home: str | None
) -> None:
    up.has(kind, webhook(name, home), webhook("someone-elses", "default"))
    (problem,) = look.refused("up")
    assert name in problem.rule
    assert f"kubectl delete {kind.rsplit('/', 1)[1]} {name}" in problem.fix


def test_what_this_stack_created_is_not_foreign(look: Preflight, up: Kubernetes) -> None:
    up.answers[NAMESPACE] = _OURS
    up.answers[f"{NAMESPACE}/secrets/cacerts"] = named("cacerts")
    up.has("/apis/apps/v1/deployments", named("istiod", "istio-system"))
    up.has(_INJECTORS, webhook("istio-sidecar-injector", "istio-system"))
    assert look.examine("up").facts
    up.has("/apis/apps/v1/deployments", named("istiod", "elsewhere"))
    (problem,) = look.refused("up")
    assert "namespace elsewhere" in problem.rule, "beside ours there is room for none"


def test_our_webhooks_are_known_where_the_namespace_was_deleted_by_hand(
    look: Preflight, up: Kubernetes
) -> None:
    up.answers[f"{_INJECTORS}/istio-sidecar-injector"] = _OURS
    up.has(_INJECTORS, webhook("istio-sidecar-injector", "istio-system"))
    up.has(_VALIDATORS, webhook("istio-validator-istio-system", "istio-system"))
    assert look.examine("up").facts


def test_a_cluster_in_the_mesh_of_another_stack_is_refused(look: Preflight, up: Kubernetes) -> None:
    up.answers[NAMESPACE] = {"metadata": {"annotations": {STACK: "isthmus/prod"}}}
    (problem,) = look.refused("up")
    assert problem.value == "isthmus/prod"


def test_a_foreign_cacerts_is_refused_and_never_read(look: Preflight, up: Kubernetes) -> None:
    path = f"{NAMESPACE}/secrets/cacerts"
    up.answers[path] = {**named("cacerts"), "data": {"ca-key.pem": "do-not-print"}}
    (problem,) = look.refused("up")
    assert "Secret cacerts of another owner" in problem.rule
    forms = {form for asked, form in up.asked if asked == path}
    assert len(forms) == 1
    assert "PartialObjectMetadata" in forms.pop()


@pytest.mark.parametrize("silent", [NAMESPACE, _KUBE_SYSTEM, "/apis/apps/v1/deployments", "*"])
def test_nothing_is_adopted_in_a_cluster_that_does_not_say_whose_it_is(
    look: Preflight, up: Kubernetes, silent: str
) -> None:
    assert look.examine("up").facts["c0"].adoptable, "it is empty"
    up.refusals[silent] = 403
    (problem,) = look.refused("up")
    assert problem.name == "ownership-unknown"
    assert not look.examine("up", unchecked="accept").facts["c0"].adoptable


@pytest.mark.parametrize(
    ("silent", "what"),
    [
        (_ROOT_CONFIG_MAP, "its root of trust"),
        (_KUBE_SYSTEM, "its identity"),
        (NAMESPACE, "its marks"),
    ],
)
@pytest.mark.parametrize("status", [403, 503])
def test_a_cluster_of_the_mesh_that_hides_its_root_or_identity_is_refused(
    look: Preflight, up: Kubernetes, silent: str, what: str, status: int
) -> None:
    """Otherwise another root, or another cluster, would be let through unseen."""
    up.answers[NAMESPACE] = _OURS
    assert look.examine("up").facts
    up.refusals[silent] = status
    (problem,) = look.refused("up")
    assert problem.name == "ownership-unknown"
    assert f"{what} ({status}" in problem.rule
    assert what in look.examine("up", unchecked="accept").unchecked[0]


def test_a_cluster_without_the_namespace_kube_system_has_no_identity(
    look: Preflight, up: Kubernetes
) -> None:
    up.refusals[_KUBE_SYSTEM] = 404
    (problem,) = look.refused("up")
    assert "its identity" in problem.rule


def test_in_a_cluster_of_another_stack_only_a_mark_lets_objects_be_adopted(
    look: Preflight, up: Kubernetes
) -> None:
    mesh = spec(look.kubeconfig, look.charts, "up")
    assert not preflight.examine(mesh, EXPECTED, builds=()).facts["c0"].adoptable
    up.answers[NAMESPACE] = _OURS
    assert preflight.examine(mesh, EXPECTED, builds=()).facts["c0"].adoptable
    up.refusals["*"] = 503
    assert not preflight.examine(mesh, EXPECTED, builds=()).facts["c0"].adoptable


def test_permissions_that_the_update_will_need_are_named(look: Preflight, up: Kubernetes) -> None:
    up.denied = {"secrets", "clusterroles"}
    (problem,) = look.refused("up")
    assert problem.path == "isthmus:clusters[0].kubeconfig"
    assert "create clusterroles.rbac.authorization.k8s.io" in problem.rule
    assert "in namespace istio-system: create secrets, patch secrets" in problem.rule


def test_an_update_that_could_create_and_not_delete_is_refused(
    look: Preflight, up: Kubernetes
) -> None:
    """It stopped at its end, with the former token or the disabled sample still there."""
    up.denied = {"delete"}
    (problem,) = look.refused("up")
    assert problem.name == "permissions-missing"
    assert "delete namespaces" in problem.rule
    assert "in namespace istio-system: delete secrets" in problem.rule


def test_a_user_that_cannot_grant_permissions_is_warned(look: Preflight, up: Kubernetes) -> None:
    up.denied = {"escalate"}
    (warning,) = look.examine("up").warnings
    assert "allowed to grant permissions in cluster c0: escalate clusterroles" in warning.rule
    assert "bind" not in warning.rule


def balancer(minutes: int, **status: Any) -> dict[str, Any]:
    made = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=minutes)
    found = named("web", "shop")
    found["metadata"]["creationTimestamp"] = f"{made:%Y-%m-%dT%H:%M:%SZ}"
    return {**found, "status": {"loadBalancer": status}}


def test_load_balancers_that_never_come_cause_a_warning(look: Preflight, up: Kubernetes) -> None:
    up.has("/api/v1/services", balancer(60), balancer(5))

    def warned() -> list[str]:
        mesh = spec(look.kubeconfig, look.charts, "up", "other", network="n0")
        apart = (mesh.clusters[0], replace(mesh.clusters[1], network="n1"))
        return [p.rule for p in preflight.examine(replace(mesh, clusters=apart), EXPECTED).warnings]

    (rule,) = warned()
    assert "Service shop/web has waited for 60 minutes" in rule
    up.has("/api/v1/services", balancer(60), balancer(60, ingress=[{"ip": "192.0.2.1"}]))
    assert not warned(), "another has got its address"
    up.has("/api/v1/services", balancer(5))
    assert not warned(), "it may still come"


def test_other_gateways_between_networks_cause_a_warning(look: Preflight, up: Kubernetes) -> None:
    """istiod takes addresses of a Kubernetes Gateway from its spec; for others it has a Service."""
    gateways = "/apis/gateway.networking.k8s.io/v1/gateways"
    label = {"topology.istio.io/network": "n0"}

    def labelled(namespace: str, name: str, **spec: Any) -> dict[str, Any]:
        metadata = {**named(name, namespace)["metadata"], "labels": label}
        balancer = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
        return {"metadata": metadata, "spec": spec, "status": balancer}

    def warned() -> list[str]:
        mesh = spec(look.kubeconfig, look.charts, "up", "other", network="n0")
        apart = (mesh.clusters[0], replace(mesh.clusters[1], network="n1"))
        return [p.rule for p in preflight.examine(replace(mesh, clusters=apart), EXPECTED).warnings]

    own = labelled("istio-system", "istio-eastwestgateway")
    up.has("/api/v1/services", own)
    assert not warned(), "the mesh's own gateway, and a cluster without the Gateway API"
    up.has("/api/v1/services", own, labelled("edge", "ingress"))
    up.has(
        gateways,
        labelled("edge", "manual", addresses=[{"value": "192.0.2.7"}]),
        labelled("edge", "deployed"),
    )
    assert [r.split(": ")[1].split(" has ")[0] for r in warned()] == [
        "service edge/ingress",
        "gateways.gateway.networking.k8s.io edge/manual",
    ]


def test_a_query_without_permission_is_reported_as_unchecked(
    look: Preflight, up: Kubernetes
) -> None:
    for path in (*LISTS, NAMESPACE, REVIEWS, "/api/v1/namespaces/kube-system"):
        up.refusals[path] = 403
    found = look.examine("up", "other", unchecked="accept")
    (said,) = found.unchecked
    assert said.startswith("cluster c0 could not be checked for ")
    for what in ("its identity", "ranges of its pods", "an Istio of another owner", "permissions"):
        assert f"{what} (403 Forbidden)" in said
    assert found.facts["c0"].kubernetes == "1.34.4"


def test_a_kubeconfig_that_no_client_understands_is_refused(look: Preflight) -> None:
    file = Path(look.kubeconfig)
    file.write_text(file.read_text().replace("token: do-not", "client-key-data: do-not"))
    [problem] = look.refused("up")
    assert problem.rule == "must hold client-key-data in base64"


def with_plugin(kubeconfig: str, plugin: Path) -> None:
    """Get credentials from a program, as on GKE, EKS and AKS."""
    file = Path(kubeconfig)
    document = yaml.safe_load(file.read_text())
    version = "client.authentication.k8s.io/v1"
    called = {"apiVersion": version, "command": str(plugin), "interactiveMode": "Never"}
    document["users"][0]["user"] = {"exec": called}
    file.write_text(yaml.safe_dump(document))
    credential = {"apiVersion": version, "kind": "ExecCredential", "status": {"token": "made"}}
    plugin.write_text(f"#!/bin/sh\necho '{json.dumps(credential)}'\n")


def test_a_cluster_is_queried_with_the_credentials_of_the_kubeconfigs_plugin(
    look: Preflight, up: Kubernetes, tmp_path: Path
) -> None:
    plugin = tmp_path / "auth-plugin"
    with_plugin(look.kubeconfig, plugin)
    plugin.chmod(0o755)
    assert not look.examine("up").unchecked
    assert up.users == {"Bearer made"}


def test_a_plugin_that_is_missing_leaves_a_cluster_reported_as_unchecked(
    look: Preflight, up: Kubernetes, tmp_path: Path
) -> None:
    with_plugin(look.kubeconfig, tmp_path / "auth-plugin")
    assert [p.name for p in look.refused("up")] == ["ownership-unknown"]
    (said,) = look.examine("up", unchecked="accept").unchecked
    assert "auth-plugin gave no credentials" in said
    assert not up.users


def test_a_cluster_that_does_not_exist_yet_has_no_facts(look: Preflight) -> None:
    here = {"kubeconfig": look.kubeconfig, "context": "up"}
    there = {"name": "made", "network": "m", "gke": {"region": "europe-west1"}}
    server = {"server": "https://here.test"}
    configured = configuration(
        {**cluster("here", "n"), **here, "apiServer": server},
        there,
        charts=look.charts,
        install="release",
    )
    configured["gcp"] = {
        "project": "acme-mesh",
        "ranges": "10.64.0.0/10",
        "otherRanges": ["10.4.0.0/16"],
    }
    found = preflight.examine(config.parse_types(configured), Expected(OWN_STACK))
    assert set(found.facts) == {"here"}


@pytest.mark.parametrize("host_network", [True, False])
def test_ranges_of_nodes_that_are_not_the_pods_are_not_believed(
    look: Preflight, up: Kubernetes, other: Kubernetes, host_network: bool
) -> None:
    """Calico and Cilium have their own address management (projectcalico/calico#2592)."""
    pod = {"spec": {"hostNetwork": host_network}, "status": {"podIP": "10.1.0.7"}}
    for kubernetes in (up, other):
        kubernetes.has("/api/v1/nodes", node("10.244.0.0/24"))
        kubernetes.has("/api/v1/pods", pod)
    if host_network:
        (problem,) = look.refused("up", "other")
        assert "isthmus:clusters[1].ranges.pods" in problem.fix
    else:
        said, _ = look.examine("up", "other").unchecked
        assert "10.1.0.7 is one; set isthmus:clusters[0].ranges.pods" in said


def has_labels(kubernetes: Kubernetes, namespace: str, **labels: str) -> None:
    names = {key.replace("__", "/").replace("_", "-"): value for key, value in labels.items()}
    path = f"/api/v1/namespaces/{namespace}"
    annotations = {STACK: OWN_STACK}
    kubernetes.answers[path] = {
        "metadata": {"name": namespace, "labels": names, "annotations": annotations}
    }


def on_two_networks(look: Preflight) -> MeshSpec:
    one = spec(look.kubeconfig, look.charts, "up", "other")
    first, second = one.clusters
    return replace(one, clusters=(first, replace(second, network="m")))


def refused_for(mesh: MeshSpec) -> list[str]:
    try:
        preflight.examine(mesh, EXPECTED)
    except MeshRefusedError as refusal:
        return [p.name for p in refusal.problems]
    return []


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ({"istio_injection": "disabled"}, True),
        ({"istio.io__rev": "canary"}, True),
        ({"istio_injection": "enabled"}, False),
        ({"istio.io__rev": "default"}, False),
    ],
)
def test_a_label_that_keeps_gateways_from_being_injected_is_refused(
    look: Preflight, up: Kubernetes, labels: dict[str, str], problem: bool
) -> None:
    """The gateway's pod kept the image `auto`, and the update waited ten minutes for it."""
    has_labels(up, "istio-system", **labels)
    assert ("istio-namespace-not-injected" in refused_for(on_two_networks(look))) is problem
    assert not refused_for(spec(look.kubeconfig, look.charts, "up")), "it has no gateway"


@pytest.mark.parametrize(
    ("level", "problem"), [("baseline", True), ("restricted", True), ("privileged", False)]
)
def test_pod_security_that_refuses_sidecars_is_refused(
    look: Preflight, up: Kubernetes, level: str, problem: bool
) -> None:
    has_labels(up, "sample", **{"pod_security.kubernetes.io__enforce": level})
    mesh = spec(look.kubeconfig, look.charts, "up")
    assert refused_for(mesh) == ["pod-security-refuses-sidecars"] * problem
    up.has("/apis/apps/v1/daemonsets", {"metadata": {"name": "istio-cni-node"}})
    assert not refused_for(with_cni(mesh)), "the CNI plugin needs no NET_ADMIN in pods"


def with_cni(mesh: MeshSpec) -> MeshSpec:
    values = replace(mesh.mesh.istio.values, istiod={"pilot": {"cni": {"enabled": True}}})
    return replace(mesh, mesh=replace(mesh.mesh, istio=replace(mesh.mesh.istio, values=values)))


def test_the_cni_plugin_must_be_there_where_values_say_so(look: Preflight) -> None:
    mesh = spec(look.kubeconfig, look.charts, "up")
    assert refused_for(with_cni(mesh)) == ["cni-plugin-missing"]
