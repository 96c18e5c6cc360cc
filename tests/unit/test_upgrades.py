"""Claims about the step from the Istio of the last update to another one."""

import datetime as dt
from dataclasses import replace

import pytest

from preflight import upgrades
from preflight.identity import Expected
from preflight.last_update import LastUpdate
from spec import config, rules, support
from spec.problems import Problem
from tests.unit import meshes
from tests.unit.clusters import Kubernetes, Preflight
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
