"""Claims about the update in which a remote becomes a primary."""

from typing import Any

import pytest

from spec import config
from stacks.build import build_mesh
from stacks.identity import MeshIdentity
from tests.unit import meshes
from tests.unit.meshes import cluster, configuration
from tests.unit.recorder import Recording, record


def updated(before: dict[str, Any] | None, after: dict[str, Any]) -> Recording:
    left = before and {
        "mesh": {"spec": before, "kubeconfigs": {}},
        "clusters": {c["name"]: {} for c in before["clusters"]},
    }
    spec = config.parse(after)
    return record(lambda: build_mesh(spec, meshes.facts(spec), MeshIdentity.create(), left or {}))


PRIMARIES = configuration(cluster("west", "west-net"), cluster("east", "east-net"))


@pytest.fixture(scope="module")
def promoted() -> Recording:
    west, east = PRIMARIES["clusters"]
    return updated({**PRIMARIES, "clusters": [{**west, "primary": "east"}, east]}, PRIMARIES)


def test_its_istiod_starts_when_it_can_read_the_other_clusters(promoted: Recording) -> None:
    istiod = promoted.one("helm.sh/v4:Chart", "west-istiod")
    assert promoted.waits_for(istiod, promoted.one("Secret", "west/reads/east-secret"))


def test_the_istiod_that_served_it_waits_for_nothing_of_it(promoted: Recording) -> None:
    istiod = promoted.one("helm.sh/v4:Chart", "east-istiod")
    for resource in promoted:
        if resource.name.startswith("west"):
            assert not promoted.waits_for(istiod, resource)


@pytest.mark.parametrize("before", [None, PRIMARIES], ids=["first update", "next update"])
def test_primaries_do_not_wait_for_each_other_otherwise(before: dict[str, Any] | None) -> None:
    mesh = updated(before, PRIMARIES)
    for name, other in (("west", "east"), ("east", "west")):
        istiod = mesh.one("helm.sh/v4:Chart", f"{name}-istiod")
        assert not mesh.waits_for(istiod, mesh.one("helm.sh/v4:Chart", f"{other}-istiod"))


def test_two_remotes_can_become_primaries_at_once() -> None:
    clusters = [cluster(n, f"{n}-net") for n in ("west", "south", "east")]
    before = [{**c, "primary": "east"} for c in clusters[:2]] + clusters[2:]
    mesh = updated(configuration(*before), configuration(*clusters))
    for name in ("west", "south"):
        istiod = mesh.one("helm.sh/v4:Chart", f"{name}-istiod")
        assert mesh.waits_for(istiod, mesh.one("Secret", f"{name}/reads/east-secret"))
