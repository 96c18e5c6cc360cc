"""Claims about a CA that another tool maintains."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from kube.api import ClusterApi
from stacks import external_ca
from tests.authorities import Authority
from tests.unit.meshes import recorded, refused, two_networks

ROOT = Authority("Root of another tool")


def configured(**ca: Any) -> dict[str, Any]:
    mesh = two_networks()
    mesh["mesh"]["ca"] = {"external": True, "root": {"certificate": ROOT.certificate}, **ca}
    return mesh


def test_no_key_is_created_and_no_cacerts_written() -> None:
    mesh = recorded(configured())
    assert not [s.key for s in mesh.of_type("Secret") if s.name.endswith("cacerts")]
    assert {k.name for k in mesh.of_type("PrivateKey")} <= {"mesh-uuid"}


def test_the_rest_of_the_mesh_is_built_as_usual() -> None:
    mesh = recorded(configured())
    namespace = mesh.one("Namespace", "east-namespace")
    assert mesh.waits_for(mesh.one("helm.sh/v3:Release", "east-base"), namespace)
    base = mesh.one("helm.sh/v3:Release", "east-base")
    assert mesh.waits_for(mesh.one("helm.sh/v4:Chart", "east-istiod"), base)


def test_the_root_must_be_known() -> None:
    mesh = configured()
    del mesh["mesh"]["ca"]["root"]
    (problem,) = refused(mesh)
    assert problem.path == "isthmus:mesh.ca.root.certificate"


def test_nothing_that_isthmus_would_sign_with_or_write_is_accepted() -> None:
    mesh = configured(root={"certificate": ROOT.certificate, "key": ROOT.provided["key"]})
    mesh["clusters"][0]["ca"] = ROOT.below("east").provided
    assert [p.path for p in refused(mesh)] == [
        "isthmus:mesh.ca.root.key",
        "isthmus:clusters[0].ca",
    ]


@dataclass
class Api:
    """A cluster in which the Secret exists when it has been looked for so often."""

    after: int
    asked: list[str] = field(default_factory=list[str])

    def metadata(self, path: str) -> Mapping[str, Any] | None:
        self.asked.append(path)
        return {} if len(self.asked) > self.after else None


def wait(monkeypatch: pytest.MonkeyPatch, api: Api) -> None:
    @contextmanager
    def connect(_kubeconfig: str) -> Generator[Api]:
        yield api

    monkeypatch.setattr(ClusterApi, "connect", connect)
    monkeypatch.setattr(external_ca, "_PAUSE_SECONDS", 0)
    external_ca.wait_in_cluster("kubeconfig", "istio-system", "east")


def test_the_secret_is_waited_for_by_its_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(after=2)
    wait(monkeypatch, api)
    assert api.asked == 3 * ["/api/v1/namespaces/istio-system/secrets/cacerts"]


def test_a_secret_that_never_comes_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external_ca, "_PATIENCE_SECONDS", 0)
    with pytest.raises(TimeoutError, match="cluster east has no Secret cacerts"):
        wait(monkeypatch, Api(after=1000))
