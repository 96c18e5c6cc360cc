"""Claims about the mark by which a stack knows its own mesh."""

import pytest

from components.names import STACK
from tests.unit import meshes
from tests.unit.recorder import Recording


@pytest.fixture(scope="module")
def mesh() -> Recording:
    return meshes.recorded(meshes.two_networks())


@pytest.mark.parametrize("cluster", ["east", "west"])
def test_the_namespace_is_made_with_the_mark(mesh: Recording, cluster: str) -> None:
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
