"""Claims about the ways to reach a control plane."""

from typing import Any

import pytest

from stacks import config
from stacks.problems import MeshRefusedError
from tests.unit import meshes
from tests.unit.meshes import cluster, configuration


def one_network(**control_plane: Any) -> dict[str, Any]:
    return configuration(
        cluster("a", "net", controlPlane=control_plane), cluster("b", "net", primary="a")
    )


@pytest.mark.parametrize(
    ("cloud", "annotation"),
    [
        ("gke", "networking.gke.io/internal-load-balancer-allow-global-access"),
        ("aks", "service.beta.kubernetes.io/azure-load-balancer-internal"),
        ("eks", "service.beta.kubernetes.io/aws-load-balancer-scheme"),
    ],
)
def test_an_internal_load_balancer_has_its_clouds_annotations(cloud: str, annotation: str) -> None:
    mesh = meshes.recorded(one_network(exposure="internal-load-balancer", cloud=cloud))
    service = mesh.one("Service", "a-istiod-remotes")
    assert annotation in service.inputs["metadata"]["annotations"]
    assert [int(p["port"]) for p in service.inputs["spec"]["ports"]] == [15012, 15017]


def test_a_control_plane_with_a_service_of_its_own_needs_no_gateway_on_one_network() -> None:
    mesh = meshes.recorded(one_network(exposure="load-balancer"))
    assert not mesh.of_type("isthmus:index:ClusterAwareGateway")
    service = mesh.one("Service", "a-istiod-remotes")
    assert set(service.inputs["metadata"]["annotations"]) == {"pulumi.com/waitFor"}
    chart = mesh.one("helm.sh/v4:Chart", "b-istiod")
    assert mesh.waits_for(chart, service)
    assert chart.inputs["values"]["global"]["remotePilotAddress"].startswith("192.0.2.")


def test_the_pods_own_address_is_read_when_istiod_is_ready() -> None:
    mesh = meshes.recorded(one_network(exposure="pod-ip"))
    mark = mesh.one("ServicePatch", "a-istiod")
    assert mesh.waits_for(mark, mesh.one("MutatingWebhookConfigurationPatch", "a-injector"))
    values = mesh.one("helm.sh/v4:Chart", "b-istiod").inputs["values"]
    assert values["global"]["remotePilotAddress"] == "198.51.100.7"


def refusal(configured: dict[str, Any]) -> list[str]:
    with pytest.raises(MeshRefusedError) as refused:
        config.parse(configured)
    return [p.path for p in refused.value.problems]


def test_a_pods_address_is_of_no_use_to_another_network() -> None:
    configured = configuration(
        cluster("a", "n1", controlPlane={"exposure": "pod-ip"}), cluster("b", "n2", primary="a")
    )
    assert refusal(configured) == ["isthmus:clusters[0].controlPlane.exposure"]


def test_an_internal_load_balancer_without_a_cloud_would_be_public() -> None:
    assert refusal(one_network(exposure="internal-load-balancer")) == [
        "isthmus:clusters[0].controlPlane.cloud"
    ]


def test_annotations_without_a_load_balancer_are_refused() -> None:
    assert refusal(one_network(exposure="gateway", annotations={"a": "b"})) == [
        "isthmus:clusters[0].controlPlane.annotations"
    ]


def test_the_last_remote_can_go_without_another_change() -> None:
    configured = configuration(cluster("a", "net", controlPlane={"exposure": "gateway"}))
    spec = config.parse(configured)
    assert not spec.has_gateway(spec.clusters[0])
