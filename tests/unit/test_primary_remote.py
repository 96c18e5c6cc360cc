"""Claims about a primary and a remote on two networks."""

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any, cast

import pulumi
import pytest

from components import charts
from spec import config
from stacks.build import build_mesh
from stacks.identity import MeshIdentity
from tests.unit import meshes
from tests.unit.recorder import Recording, created_certificate, record

METHODS = {"rendered": "kubernetes:helm.sh/v4:Chart", "release": "kubernetes:helm.sh/v3:Release"}


@pytest.fixture(scope="module")
def mesh() -> Recording:
    return meshes.recorded(meshes.two_networks())


def test_every_resource_has_a_parent_but_the_components_and_providers(mesh: Recording) -> None:
    for resource in mesh:
        top = resource.type.startswith(("isthmus:", "pulumi:providers:"))
        assert resource.parent.startswith("pulumi:pulumi:Stack::" if top else "isthmus:"), resource


def test_every_object_is_in_the_cluster_that_its_component_names(mesh: Recording) -> None:
    for resource in mesh:
        if resource.type.startswith("kubernetes:"):
            assert resource.provider in ("east", "west"), resource
            assert resource.name.startswith(resource.provider), resource


def test_children_are_named_after_their_component(mesh: Recording) -> None:
    for resource in mesh:
        if resource.parent.startswith("isthmus:"):
            assert resource.name.startswith(resource.parent.split("::")[1]), resource


def test_names_are_unique_by_type(mesh: Recording) -> None:
    keys = [r.urn for r in mesh]
    assert len(keys) == len(set(keys))


def test_a_provider_is_not_replaced_by_new_credentials(mesh: Recording) -> None:
    for provider in mesh.of_type("pulumi:providers:kubernetes"):
        assert provider.inputs["clusterIdentifier"] == provider.name
        assert "kubeconfig" in provider.secret_paths


def test_an_update_that_was_killed_can_go_on(mesh: Recording) -> None:
    for provider in mesh.of_type("pulumi:providers:kubernetes"):
        assert provider.inputs["upsertExistingObjects"] == "true"


def test_nothing_is_adopted_where_that_was_not_seen_to_be_right() -> None:
    spec = config.parse(meshes.two_networks())
    facts = meshes.facts(spec)
    facts["west"] = replace(facts["west"], adoptable=False)
    mesh = record(lambda: build_mesh(spec, facts, MeshIdentity.create()), {})
    adopts = {
        provider.name: provider.inputs["upsertExistingObjects"]
        for provider in mesh.of_type("pulumi:providers:kubernetes")
    }
    assert adopts == {"east": "true", "west": "false"}


def test_what_istiod_reads_is_changed_in_place(mesh: Recording) -> None:
    for provider in mesh.of_type("pulumi:providers:kubernetes"):
        assert provider.inputs["enableSecretMutable"] == "true"
        assert provider.inputs["enableConfigMapMutable"] == "true"


def test_cacerts_exist_before_istiod_starts(mesh: Recording) -> None:
    cacerts = mesh.one("Secret", "east-cacerts")
    assert set(cacerts.inputs["stringData"]) == {
        "ca-cert.pem",
        "ca-key.pem",
        "root-cert.pem",
        "cert-chain.pem",
    }
    assert mesh.waits_for(mesh.one("helm.sh/v4:Chart", "east-istiod"), cacerts)


def test_the_chain_is_the_intermediate_and_then_the_root(mesh: Recording) -> None:
    files = mesh.one("Secret", "west-cacerts").inputs["stringData"]
    assert files["cert-chain.pem"] == created_certificate("ca/west") + created_certificate(
        "ca-root"
    )
    assert files["ca-key.pem"] == "KEY of ca/west\n"


def test_private_keys_and_tokens_are_secrets_wherever_they_go(mesh: Recording) -> None:
    for resource in mesh:
        for path, value in _leaves(resource.inputs):
            if isinstance(value, str) and ("KEY of" in value or "token:" in value):
                assert any(path.startswith(s) for s in resource.secret_paths), (resource.key, path)


def _leaves(value: object, path: str = "") -> list[tuple[str, object]]:
    if isinstance(value, dict):
        return [x for k, v in value.items() for x in _leaves(v, f"{path}.{k}".lstrip("."))]
    return [(path, value)]


def test_the_gateway_address_is_the_remotes_discovery_address(mesh: Recording) -> None:
    service = mesh.one("Service", "east-service")
    chart = mesh.one("helm.sh/v4:Chart", "west-istiod")
    address = chart.inputs["values"]["global"]["remotePilotAddress"]
    assert address.startswith("192.0.2.")
    assert mesh.waits_for(chart, service)


def test_a_remote_takes_its_place_in_this_order(mesh: Recording) -> None:
    chart = "helm.sh/v4:Chart"
    steps = [
        mesh.one("Namespace", "west-namespace"),
        mesh.one("Secret", "west-cacerts"),
        mesh.one("helm.sh/v3:Release", "west-base"),
        mesh.one(chart, "west-istiod"),
        mesh.one("Secret", "east/reads/west-secret"),
        mesh.one("MutatingWebhookConfigurationPatch", "west-injector"),
        mesh.one(chart, "west-gateway"),
    ]
    for earlier, later in pairwise(steps):
        assert mesh.waits_for(later, earlier), f"{later.key} does not wait for {earlier.key}"


def test_nothing_is_injected_before_the_webhook_has_its_ca_bundle(mesh: Recording) -> None:
    for cluster in ("east", "west"):
        patch = mesh.one("MutatingWebhookConfigurationPatch", f"{cluster}-injector")
        wait = json.loads(patch.inputs["metadata"]["annotations"]["pulumi.com/waitFor"])
        assert wait[0] == "jsonpath={.webhooks[0].clientConfig.caBundle}"
        for injected in (
            mesh.one("helm.sh/v4:Chart", f"{cluster}-gateway"),
            mesh.one("Deployment", f"{cluster}-sleep"),
        ):
            assert mesh.waits_for(injected, patch)


def test_the_primary_reads_the_remote_and_no_cluster_reads_the_primary(mesh: Recording) -> None:
    secrets = [
        s.inputs["metadata"]["name"]
        for s in mesh.of_type("Secret")
        if "istio/multiCluster" in s.inputs["metadata"].get("labels", {})
    ]
    assert secrets == ["istio-remote-secret-west"]
    assert not [r for r in mesh if r.name == "east-reader-token"]


def test_another_token_is_created_beside_the_former_one() -> None:
    """Under the same name, the former one would be deleted before its users have the next one."""
    configured = meshes.two_networks()
    configured["clusters"][1]["tokenGeneration"] = 2
    again = meshes.recorded(configured)
    token = again.one("Secret", "west-reader-token-2")
    assert token.inputs["metadata"]["name"].endswith("-istio-remote-secret-token-2")
    assert not [r for r in again if r.name == "west-reader-token"]
    assert again.waits_for(again.one("Secret", "east/reads/west-secret"), token)


def test_the_remote_secret_is_named_for_the_cluster_everywhere(mesh: Recording) -> None:
    secret = mesh.one("Secret", "east/reads/west-secret")
    assert secret.provider == "east"
    assert secret.inputs["metadata"]["annotations"] == {"networking.istio.io/cluster": "west"}
    assert list(secret.inputs["stringData"]) == ["west"]
    kubeconfig = secret.inputs["stringData"]["west"]
    assert kubeconfig.count("name: west") == 3
    assert "current-context: west" in kubeconfig
    assert "server: https://west.test:6443" in kubeconfig
    assert "token: token" in kubeconfig


def test_one_name_goes_into_every_place_that_istiod_compares(mesh: Recording) -> None:
    values = mesh.one("helm.sh/v4:Chart", "west-istiod").inputs["values"]
    assert values["global"]["multiCluster"]["clusterName"] == "west"
    assert values["istiodRemote"]["injectionPath"] == "/inject/cluster/west/net/west-net"
    namespace = mesh.one("Namespace", "west-namespace").inputs["metadata"]
    assert namespace["labels"]["topology.istio.io/network"] == "west-net"
    assert namespace["annotations"]["topology.istio.io/controlPlaneClusters"] == "east"


def test_services_are_exposed_where_the_configuration_is_read_or_may_be(mesh: Recording) -> None:
    """A remote that becomes a primary has its Gateway before its own istiod reads it."""
    gateways = {r.name: r.inputs["spec"] for r in mesh.of_type("networking.istio.io/v1:Gateway")}
    assert set(gateways) == {
        *("east-expose-services", "west-expose-services"),
        "east-expose-istiod",
    }
    assert gateways["west-expose-services"] == gateways["east-expose-services"]
    server = gateways["east-expose-services"]["servers"][0]
    assert server["tls"] == {"mode": "AUTO_PASSTHROUGH"}
    assert server["hosts"] == ["*.local"]
    assert server["port"]["number"] == 15443


def test_each_gateway_service_opens_what_it_serves_and_no_more(mesh: Recording) -> None:
    def ports(name: str) -> list[int]:
        return [int(p["port"]) for p in mesh.one("Service", name).inputs["spec"]["ports"]]

    assert ports("east-service") == [15443, 15012, 15017]
    assert ports("west-service") == [15443]


def test_the_network_label_is_on_the_gateway_service(mesh: Recording) -> None:
    labels = mesh.one("Service", "west-service").inputs["metadata"]["labels"]
    assert labels["topology.istio.io/network"] == "west-net"


def test_gateways_carry_the_annotations_of_their_cloud() -> None:
    configured = meshes.two_networks()
    configured["mesh"]["gateways"] = {"annotations": {"cloud/scheme": "internal"}}
    mesh = meshes.recorded(configured)
    for name in ("east-service", "west-service"):
        annotations = mesh.one("Service", name).inputs["metadata"]["annotations"]
        assert annotations["cloud/scheme"] == "internal"


def test_what_istio_leaves_behind_is_removed_last(mesh: Recording) -> None:
    for cluster in ("east", "west"):
        last = mesh.one("helm.sh/v3:Release", f"{cluster}-leave-nothing")
        assert mesh.waits_for(last, mesh.one("Namespace", f"{cluster}-namespace"))
        assert mesh.waits_for(mesh.one("helm.sh/v3:Release", f"{cluster}-base"), last)
        for chart in ("istiod", "gateway"):
            assert mesh.waits_for(mesh.one("helm.sh/v4:Chart", f"{cluster}-{chart}"), last)
    west = mesh.one("helm.sh/v3:Release", "west-leave-nothing")
    assert mesh.waits_for(mesh.one("Secret", "east/reads/west-secret"), west)


def test_every_cluster_asks_for_every_version(mesh: Recording) -> None:
    for cluster in ("east", "west"):
        job = mesh.one("Job", f"{cluster}-job")
        script = job.inputs["spec"]["template"]["spec"]["containers"][0]["command"][2]
        assert "for v in v1 v2" in script
        for there in ("east", "west"):
            assert mesh.waits_for(job, mesh.one("Service", f"{there}-service")), "for its address"
            webhook = mesh.one("MutatingWebhookConfigurationPatch", f"{there}-injector")
            assert mesh.waits_for(job, webhook)


def test_requests_start_beside_the_workloads_that_answer_them(mesh: Recording) -> None:
    """They wait for the workloads themselves; starting after them cost an update nine seconds."""
    for job in (mesh.one("Job", "east-job"), mesh.one("Job", "west-job")):
        for name in ("east-helloworld-v1", "west-helloworld-v2"):
            assert not mesh.waits_for(job, mesh.one("Deployment", name))


def test_a_charts_service_is_not_waited_for_beyond_its_workloads() -> None:
    def of(kind: str) -> pulumi.ResourceTransformArgs:
        metadata = {"name": "istiod", "annotations": {"kept": "yes"}}
        return pulumi.ResourceTransformArgs(
            custom=True,
            type_=kind,
            name="istiod",
            props={"metadata": metadata},
            opts=pulumi.ResourceOptions(),
        )

    changed = charts.wait_for_workloads_only(of("kubernetes:core/v1:Service"))
    assert changed is not None
    metadata = cast("dict[str, Any]", changed.props["metadata"])
    assert metadata["annotations"] == {
        "kept": "yes",
        "pulumi.com/skipAwait": "true",
    }
    assert charts.wait_for_workloads_only(of("kubernetes:apps/v1:Deployment")) is None


def test_plain_text_to_the_sample_is_refused(mesh: Recording) -> None:
    strict = mesh.of_type("security.istio.io/v1:PeerAuthentication")
    assert [(r.provider, r.inputs["spec"]) for r in strict] == [
        ("east", {"mtls": {"mode": "STRICT"}})
    ]


def test_each_request_to_the_sample_opens_a_new_connection(mesh: Recording) -> None:
    """A gateway chooses among its network's clusters for each connection, not each request."""
    rules = mesh.of_type("networking.istio.io/v1:DestinationRule")
    assert [(r.provider, r.inputs["spec"]["host"]) for r in rules] == [
        ("east", "helloworld.sample.svc.cluster.local")
    ]
    (rule,) = rules
    http = rule.inputs["spec"]["trafficPolicy"]["connectionPool"]["http"]
    assert http == {"maxRequestsPerConnection": 1}
    for cluster in ("east", "west"):
        assert mesh.waits_for(mesh.one("Job", f"{cluster}-job"), rule)


@pytest.mark.parametrize(("method", "chart_type"), METHODS.items())
def test_each_method_installs_the_same_charts(method: str, chart_type: str) -> None:
    mesh = meshes.recorded(meshes.two_networks(install=method))
    for cluster in ("east", "west"):
        for chart in ("istiod", "gateway"):
            assert mesh.one(chart_type, f"{cluster}-{chart}")


def test_crds_are_no_resources_of_the_stack(mesh: Recording) -> None:
    assert mesh.one("helm.sh/v3:Release", "east-base").inputs["chart"] == "charts/base"


def test_every_helm_release_is_adopted_where_a_killed_update_left_it() -> None:
    mesh = meshes.recorded(meshes.two_networks(install="release"))
    components = {r.key: r for r in mesh if r.type.startswith("isthmus:")}
    releases = mesh.of_type("helm.sh/v3:Release")
    assert len(releases) == 8, "base, leave-nothing, istiod and gateway in each cluster"
    seen = {(r.parent.split(":")[2], components[r.parent].transforms) for r in releases}
    # The hook, and the name to write under; for a remote, the addresses of a former istiod too.
    assert {count for name, count in seen if name != "RemoteCluster"} == {2}
    assert ("RemoteCluster", 3) in seen


def test_what_istiod_closes_itself_is_no_drift() -> None:
    def transformed(kind: str) -> list[str] | None:
        args = pulumi.ResourceTransformArgs(
            custom=True, type_=kind, name="x", props={}, opts=pulumi.ResourceOptions()
        )
        result = charts.leave_to_istiod(args)
        return result.opts.ignore_changes if result else None

    group = "kubernetes:admissionregistration.k8s.io/v1"
    assert transformed(f"{group}:ValidatingWebhookConfiguration") == ["webhooks[*].failurePolicy"]
    assert transformed(f"{group}:MutatingWebhookConfiguration") is None


def test_the_cleanup_hook_can_come_from_the_users_registry() -> None:
    image = {"image": "registry.test/curl:1"}
    mesh = meshes.recorded(meshes.two_networks(values={"leaveNothing": image}))
    for cluster in ("east", "west"):
        values = mesh.one("helm.sh/v3:Release", f"{cluster}-leave-nothing").inputs["values"]
        assert values["image"] == image["image"]
        assert values["crdsOf"] == "istio-base"
