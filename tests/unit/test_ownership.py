"""Claims about the mark by which a stack knows its own mesh."""

from typing import Any

import pulumi
import pytest

from components.names import STACK
from components.ownership import FIELD_MANAGER, this_stack, written_by_name
from tests.unit import meshes
from tests.unit.recorder import Recording


@pytest.fixture(scope="module")
def mesh() -> Recording:
    return meshes.recorded(meshes.two_networks())


@pytest.mark.parametrize("cluster", ["east", "west"])
def test_the_namespace_is_created_with_the_mark(mesh: Recording, cluster: str) -> None:
    namespace = mesh.one("Namespace", f"{cluster}-namespace")
    assert namespace.inputs["metadata"]["annotations"][STACK] == "isthmus/test"


@pytest.mark.parametrize("webhook", ["east-injector", "east-validator", "west-injector"])
def test_webhooks_are_marked_for_the_day_when_the_namespace_is_deleted_by_hand(
    mesh: Recording, webhook: str
) -> None:
    (patch,) = [r for r in mesh if r.name == webhook]
    assert patch.inputs["metadata"]["annotations"][STACK] == "isthmus/test"


@pytest.mark.parametrize("namespace", ["default", "kube-system"])
def test_istio_is_not_put_into_a_namespace_of_kubernetes(namespace: str) -> None:
    (problem,) = meshes.refused(meshes.two_networks(namespace=namespace))
    assert problem.path == "isthmus:mesh.istio.namespace"


def test_every_object_is_written_under_its_resources_name(mesh: Recording) -> None:
    components = {r.key: r for r in mesh if r.type.startswith("isthmus:")}
    for resource in mesh:
        if resource.type.startswith("kubernetes:"):
            assert components[resource.parent].transforms, resource.key


def managed(name: str = "east-cacerts", **metadata: Any) -> Any:
    """Annotations of a Secret of that name after the transform; None if there are none."""
    inputs = {"metadata": {"name": "cacerts", **metadata}}
    return written("kubernetes:core/v1:Secret", name, inputs)["metadata"].get("annotations")


def written(kind: str, name: str, props: dict[str, Any]) -> Any:
    args = pulumi.ResourceTransformArgs(True, kind, name, props, pulumi.ResourceOptions())
    result = written_by_name(args)
    return props if result is None else result.props


def test_other_annotations_stay() -> None:
    manager = f"{this_stack()}:east-cacerts"
    assert managed(annotations={"a": "b"}) == {"a": "b", FIELD_MANAGER: manager}


def test_a_long_name_is_cut_to_what_kubernetes_accepts() -> None:
    assert len(managed("east-istiod:" + 63 * "n" + "/" + 63 * "x")[FIELD_MANAGER]) == 128


def test_what_is_no_object_of_its_own_stays_as_it_is() -> None:
    metadata = {"metadata": {"name": "istiod"}}
    for kind, inputs in (
        ("kubernetes:helm.sh/v3:Release", {"name": "istiod"}),
        ("kubernetes:core/v1:ServicePatch", metadata),
        ("tls:index/privateKey:PrivateKey", metadata),
    ):
        assert written(kind, "x", inputs) == inputs
