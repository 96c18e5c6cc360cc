"""Claims about how ranges are planned."""

import itertools
from ipaddress import IPv4Network
from typing import Any

import pytest

from spec.gke import Gke, GkeRanges, GoogleCloud
from spec.gke_ranges import KINDS, ClusterRanges, overlaps, plan

CLOUD = GoogleCloud(project="example", ranges="10.64.0.0/12")


def planned(*wishes: dict[str, Any]) -> dict[str, ClusterRanges]:
    """A plan for clusters c0, c1, …, each with the sizes and ranges that it wishes."""
    clusters = [
        (f"c{i}", Gke(region="europe-west1", ranges=GkeRanges(**w)), None)
        for i, w in enumerate(wishes)
    ]
    return dict(plan(CLOUD, clusters))


def test_every_cluster_has_every_range_and_no_two_overlap() -> None:
    found = planned(*[{}] * 12)
    blocks = [r.found[kind] for r in found.values() for kind in KINDS]
    assert len(blocks) == 48
    assert not [pair for pair in itertools.combinations(blocks, 2) if pair[0].overlaps(pair[1])]
    assert not list(overlaps(found))
    assert all(b.subnet_of(IPv4Network(CLOUD.ranges)) for b in blocks)


def test_sizes_are_those_requested() -> None:
    found = planned({"nodes": "/20", "pods": "/14", "services": "/24"})["c0"].found
    assert {k: b.prefixlen for k, b in found.items()} == {
        "nodes": 20,
        "pods": 14,
        "services": 24,
        "control_plane": 28,
    }


@pytest.mark.parametrize(
    "one_more",
    [{}, {"pods": "/14"}, {"nodes": "/28", "services": "/27"}, {"pods": "10.70.0.0/16"}],
    ids=["alike", "larger", "smaller", "fixed"],
)
def test_one_more_cluster_at_the_end_moves_none(one_more: dict[str, str]) -> None:
    before = planned({}, {"pods": "/15"}, {"nodes": "/26"})
    after = planned({}, {"pods": "/15"}, {"nodes": "/26"}, one_more)
    assert {k: v for k, v in after.items() if k in before} == before


def test_a_fixed_range_is_kept_clear_by_those_behind_it() -> None:
    found = planned({"pods": "10.65.0.0/16"}, {}, {})
    assert found["c0"]["pods"] == "10.65.0.0/16"
    assert not list(overlaps(found))


def test_a_cluster_in_the_middle_can_go_when_the_others_are_fixed() -> None:
    before = planned({}, {}, {})
    fixed = {kind: before["c2"][kind] for kind in KINDS}
    after = planned({}, fixed, {})  # c1 was removed, and a new one is added at the end
    assert after["c0"] == before["c0"]
    assert after["c1"].found == before["c2"].found
    assert after["c2"].found == before["c1"].found


def test_a_range_that_two_clusters_fix_is_reported_at_the_later_one() -> None:
    found = planned({"pods": "10.65.0.0/16"}, {"pods": "10.65.128.0/17"})
    assert list(overlaps(found)) == [(("c1", "pods"), ("c0", "pods"))]


def test_what_has_no_room_is_left_out_of_the_plan() -> None:
    found = planned({"pods": "/13"}, {"pods": "/13"})
    assert "pods" in found["c0"].found
    assert "pods" not in found["c1"].found
    assert not list(overlaps(found))


def test_a_range_outside_the_planned_one_takes_nothing_of_it() -> None:
    outside = {k: f"10.200.{i}.0/28" for i, k in enumerate(KINDS)}
    assert planned(outside, {})["c1"].found == planned({})["c0"].found
