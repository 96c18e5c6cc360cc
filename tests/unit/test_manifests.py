"""Claims about files with Istio's objects for every control plane."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from spec import config, description
from spec.mesh import MeshSpec
from spec.problems import MeshRefusedError
from spec.shared import (
    MADE_BY_ISTHMUS,
    FoundConfiguration,
    Inventory,
    contradictions,
    shared_objects,
)
from stacks.build import build_mesh
from stacks.identity import MeshIdentity
from tests.unit import meshes
from tests.unit.meshes import cluster, configuration, facts
from tests.unit.recorder import Recording, record

_POLICY = {
    "apiVersion": "security.istio.io/v1",
    "kind": "AuthorizationPolicy",
    "metadata": {"name": "only-get", "namespace": "shop", "labels": {"team": "shop"}},
    "spec": {"action": "ALLOW"},
}
_NAME = ("AuthorizationPolicy", "shop", "only-get")
_OWN = FoundConfiguration(
    "security.istio.io/v1", {"action": "ALLOW"}, made_by_isthmus=False, labelled=False
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "policies.yaml"


def _configured(file: Path, *objects: Any) -> dict[str, Any]:
    file.write_text(yaml.safe_dump_all(objects))
    made = configuration(
        cluster("east", "east-net"),
        cluster("west", "west-net"),
        cluster("south", "south-net", primary="east"),
    )
    return {**made, "manifests": [str(file)]}


def _spec(file: Path, *objects: Any) -> MeshSpec:
    return config.parse(_configured(file, *objects))


def _built(spec: MeshSpec, **inventories: Inventory) -> Recording:
    known = {
        n: replace(f, inventory=inventories.get(n, Inventory())) for n, f in facts(spec).items()
    }
    return record(lambda: build_mesh(spec, known, MeshIdentity.create()))


def _made_in(mesh: Recording) -> set[str]:
    return {r.provider for r in mesh.of_type("AuthorizationPolicy")}


def test_every_control_plane_gets_the_object_after_its_namespace(file: Path) -> None:
    mesh = _built(_spec(file, _POLICY))
    assert _made_in(mesh) == {"east", "west"}, "istiod of east is that of south"
    copy = mesh.one("AuthorizationPolicy", "west/authorizationpolicy/shop/only-get")
    assert copy.inputs["spec"] == {"action": "ALLOW"}
    assert copy.inputs["metadata"]["labels"] == {MADE_BY_ISTHMUS: "mesh1"}
    assert mesh.waits_for(copy, mesh.one("Namespace", "west/shop"))


def test_an_equal_object_of_a_user_stays_the_users(file: Path) -> None:
    spec, own = _spec(file, _POLICY), Inventory(configuration={_NAME: _OWN})
    assert not list(contradictions(spec, {"east": own, "west": Inventory()}))
    assert _made_in(_built(spec, east=own)) == {"west"}


@pytest.mark.parametrize("labelled", [True, False])
def test_a_different_object_of_a_user_is_refused_with_both_places(
    file: Path, labelled: bool
) -> None:
    other = replace(_OWN, spec={"action": "DENY"}, labelled=labelled)
    found = {"west": Inventory(configuration={_NAME: other})}
    (problem,) = contradictions(_spec(file, _POLICY), found)
    assert (problem.name, problem.path) == ("configuration-differs", "isthmus:manifests")
    assert f"AuthorizationPolicy shop/only-get of {file} must be" in problem.rule
    assert "cluster west" in problem.rule


def test_its_own_copies_follow_the_file(file: Path) -> None:
    copy = replace(_OWN, spec={"action": "DENY"}, made_by_isthmus=True)
    found = {"west": Inventory(configuration={_NAME: copy})}
    spec = _spec(file, _POLICY)
    assert not list(contradictions(spec, found))
    assert shared_objects(spec, found).configuration[_NAME].spec == {"action": "ALLOW"}
    assert _made_in(_built(spec, **found)) == {"east", "west"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file"),
        ("a: [", "must be a file of YAML objects"),
        ("- a", "document 1 must have apiVersion"),
        ("apiVersion: v1\nkind: X\nmetadata: {name: a}", "metadata.namespace"),
    ],
)
def test_a_file_that_is_not_understood_is_refused_by_its_name(
    file: Path, text: str | None, said: str
) -> None:
    configured = _configured(file)
    file.unlink() if text is None else file.write_text(text)
    with pytest.raises(MeshRefusedError) as refusal:
        config.parse(configured)
    assert f"{file}: " in str(refusal.value)
    assert said in str(refusal.value)
    assert "isthmus:manifests" in str(refusal.value)


@pytest.mark.parametrize(
    ("objects", "refused"),
    [
        ([{**_POLICY, "kind": "Secret", "apiVersion": "v1"}], "manifest-kind"),
        ([{**_POLICY, "apiVersion": "other.example/v1"}], "manifest-kind"),
        ([_POLICY, _POLICY], "manifest-repeated"),
        (
            [
                {
                    **_POLICY,
                    "kind": "PeerAuthentication",
                    "metadata": {"name": "default", "namespace": "istio-system"},
                }
            ],
            "manifest-of-isthmus",
        ),
    ],
)
def test_objects_that_cannot_be_shared_are_refused(
    file: Path, objects: list[Any], refused: str
) -> None:
    assert [p.name for p in meshes.refused(_configured(file, *objects))] == [refused]


def test_what_other_programs_read_of_the_spec_has_no_manifests(file: Path) -> None:
    assert "manifests" not in description.spec_for_output(_spec(file, _POLICY))


def test_a_changed_spec_keeps_its_manifests(file: Path) -> None:
    """A copy is validated again, and the file can be gone."""
    spec = _spec(file, _POLICY)
    file.unlink()
    assert replace(spec, clusters=spec.clusters[:1]).manifests == spec.manifests


@pytest.mark.parametrize("given", ["policies.yaml", [{"kind": "AuthorizationPolicy"}]])
def test_anything_but_paths_is_refused(given: object) -> None:
    with pytest.raises(MeshRefusedError, match="must be a list of paths"):
        config.parse({**meshes.two_networks(), "manifests": given})


def test_empty_documents_are_passed_over(file: Path) -> None:
    assert [m.name for m in _spec(file, None, _POLICY, None).manifests] == ["only-get"]
