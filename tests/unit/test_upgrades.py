"""Claims about the step from the Istio of the last update to another one."""

import datetime as dt
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from preflight import upgrades
from preflight.identity import Expected
from preflight.last_update import LastUpdate
from spec import config, description, rules, support
from spec.problems import Problem
from stacks.build import build_mesh
from stacks.identity import MeshIdentity
from tests.unit import meshes
from tests.unit.clusters import Kubernetes, Preflight
from tests.unit.recorder import Recording, record
from tests.unit.test_identity import mark


def last(version: str, **clusters: str) -> LastUpdate:
    """The mesh of east and west at a version; `clusters` had another."""
    return LastUpdate.read(
        {
            "mesh": {"spec": meshes.two_networks(version=version), "kubeconfigs": {}},
            "clusters": {
                n: {"istio": v} for n, v in ({"east": version, "west": version} | clusters).items()
            },
        }
    )


def step(before: str, now: str, accepted: str | None = None, **clusters: str) -> list[Problem]:
    spec = config.parse_types(meshes.two_networks(version=now))
    return list(upgrades.check(spec, last(before, **clusters), accepted))


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("1.30.1", "1.31.0"),
        ("1.31.0", "1.31.4"),
        ("1.31.4", "1.31.0"),
        ("1.31.0", "1.31.0"),
        ("1.31.0", "2.0.0"),
    ],
)
def test_the_next_minor_version_and_any_patch_are_accepted(before: str, now: str) -> None:
    assert step(before, now) == []


@pytest.mark.parametrize(("before", "now"), [("1.28.0", "1.30.4"), ("1.29.9", "1.31.0")])
def test_a_skipped_minor_version_is_refused_once(before: str, now: str) -> None:
    (problem,) = step(before, now)
    assert (problem.name, problem.path) == ("istio-minor-skipped", "isthmus:mesh.istio.version")
    between = f"1.{int(before[2:4]) + 1}"
    assert f"set the last patch of {between}, run `pulumi up`, restart" in problem.fix


def test_a_lower_minor_version_is_refused() -> None:
    (problem,) = step("1.31.0", "1.30.4")
    assert problem.name == "istio-downgraded"
    assert "restore 1.31.0" in problem.fix


@pytest.mark.parametrize(("before", "now"), [("1.31.0", "1.30.4"), ("1.28.0", "1.31.0")])
def test_any_step_to_a_version_can_be_accepted_for_one_command(before: str, now: str) -> None:
    (problem,) = step(before, now)
    assert f"`{upgrades.ACCEPTED}={now} pulumi up`" in problem.fix
    assert step(before, now, accepted=now) == []
    assert step(before, now, accepted="1.29.0"), "it is for another step"


def test_a_cluster_that_was_absent_skips_no_version_when_it_is_back() -> None:
    (problem,) = step("1.30.0", "1.31.0", west="1.29.0")
    assert "above 1.29.0, which cluster west has" in problem.rule
    spec = config.parse_types(meshes.two_networks())
    absent = tuple(replace(c, absent=c.name == "west") for c in spec.clusters)
    before = last("1.30.0", west="1.29.0")
    assert not list(upgrades.check(replace(spec, clusters=absent), before))


def test_new_clusters_have_no_step() -> None:
    assert not list(upgrades.check(config.parse_types(meshes.two_networks()), LastUpdate()))
    gone = LastUpdate({"gone": last("1.28.0").clusters["east"]}, istio="1.28.0")
    assert not list(upgrades.check(config.parse_types(meshes.two_networks()), gone))


def test_the_preflight_refuses_a_step(look: Preflight, up: Kubernetes) -> None:
    """Also in the stack of a single cluster."""
    mark(up, "uid-0")
    before = LastUpdate.read({"cluster": {"name": "c0", "istio": "1.29.0"}})
    (problem,) = look.refused("up", expected=Expected("isthmus/dev", last=before))
    assert problem.name == "istio-minor-skipped"
    accepted = Expected("isthmus/dev", last=before, accepted_istio="1.31.0")
    assert look.examine("up", expected=accepted).facts


@pytest.mark.parametrize(
    ("version", "ended"),
    [
        ("1.27.9", "before that of 1.28, which ended on 2026-07-01"),
        ("1.28.3", "on 2026-07-01"),
        ("1.29.0", None),
        ("1.40.0", None),
    ],
)
def test_a_version_without_support_causes_a_warning(
    monkeypatch: pytest.MonkeyPatch, version: str, ended: str | None
) -> None:
    monkeypatch.setattr(support, "today", lambda: dt.date(2026, 7, 2))
    found = rules.check(config.parse_types(meshes.two_networks(version=version)))
    said = [p for p in found if p.name == "istio-unsupported"]
    assert [p.refuses for p in said] == ([False] if ended else [])
    assert all(f"support of {version} ended {ended}" in p.rule for p in said)


def test_the_last_day_of_support_is_one_of_support(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "today", lambda: dt.date(2026, 7, 1))
    assert support.istio_ended("1.28.3") is None


_THREE = (
    meshes.cluster("east", "one"),
    meshes.cluster("west", "two", primary="east"),
    meshes.cluster("north", "three"),
)


def upgraded(*clusters: dict[str, Any], was: str = "1.30.4", **mesh: Any) -> Recording:
    """The update to 1.31 of a mesh of these clusters; `mesh` is what else it changes."""
    before = config.parse(meshes.configuration(*clusters, version=was, charts="charts-1.30"))
    left = {
        "mesh": {
            "spec": description.spec_for_output(before),
            "kubeconfigs": {},
            "control_planes": {"east": "198.51.100.1"},
        }
    }
    configured = meshes.configuration(*clusters)
    spec = config.parse({**configured, "mesh": {**configured["mesh"], **mesh}})
    return record(lambda: build_mesh(spec, meshes.facts(spec), MeshIdentity.create(), left))


def order(mesh: Recording, *names: str) -> bool:
    """Whether each of these charts waits for the one before."""
    charts = [next(r for r in mesh if r.name == n and "helm.sh" in r.type) for n in names]
    return all(mesh.waits_for(later, earlier) for earlier, later in pairwise(charts))


def test_another_istio_comes_to_remotes_before_their_primary() -> None:
    """The CRDs and the reader's role first, then what uses them; gateways after both."""
    mesh = upgraded(*_THREE)
    assert order(mesh, "west-base", "west-istiod", "east-istiod", "east-gateway")
    assert order(mesh, "east-gateway", "west-gateway"), "the webhooks of west call istiod there"
    values = mesh.one("helm.sh/v4:Chart", "west-istiod").inputs["values"]
    assert values["global"]["remotePilotAddress"] == "198.51.100.1", "the one that it has"


def test_another_istio_comes_to_one_primary_after_the_other() -> None:
    mesh = upgraded(*_THREE)
    for gateway in ("east-gateway", "west-gateway"):
        assert order(mesh, gateway, "north-istiod", "north-gateway")


def test_the_requests_that_verify_another_istio_go_through_its_gateways() -> None:
    mesh = upgraded(*_THREE)
    gateways = [r for r in mesh if r.name.endswith("-gateway") and "helm.sh" in r.type]
    assert len(gateways) == len(_THREE)
    for cluster in ("east", "west", "north"):
        job = mesh.one("Job", f"{cluster}-job")
        assert all(mesh.waits_for(job, gateway) for gateway in gateways)


def test_an_update_that_keeps_istio_is_in_the_order_of_a_new_mesh() -> None:
    for mesh in (meshes.recorded(meshes.configuration(*_THREE)), upgraded(*_THREE, was="1.31.0")):
        assert order(mesh, "east-gateway", "west-istiod", "west-gateway")
        assert not order(mesh, "east-istiod", "north-istiod")


def test_a_remote_whose_address_may_change_waits_for_its_primary() -> None:
    """Primaries are still updated one after the other."""
    moved = meshes.cluster("east", "one", controlPlane={"exposure": "pod-ip"})
    one_network = (moved, meshes.cluster("west", "one", primary="east"))
    another_port = upgraded(*_THREE, gateways={"port": 15444, "sourceRanges": ["10.0.0.0/8"]})
    assert order(upgraded(*one_network), "east-istiod", "west-istiod")
    assert order(another_port, "east-gateway", "west-istiod", "west-gateway", "north-istiod")


def test_the_webhooks_of_a_remote_let_istio_s_objects_pass_after_an_upgrade_too() -> None:
    """No istiod gives them a CA bundle, and the charts leave the policy out of an upgrade."""
    mesh = meshes.recorded(meshes.two_networks())
    for chart in (
        mesh.one("helm.sh/v3:Release", "west-base"),
        mesh.one("helm.sh/v4:Chart", "west-istiod"),
    ):
        assert chart.inputs["values"]["base"]["validationFailurePolicy"] == "Ignore"
    of_primary = mesh.one("helm.sh/v3:Release", "east-base").inputs["values"]
    assert "validationFailurePolicy" not in of_primary.get("base", {}), "istiod sets it to Fail"
