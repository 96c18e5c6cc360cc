"""The lab's description: what is planned, and what is refused with which words."""

from ipaddress import IPv4Network
from itertools import combinations

import pytest

from lab.spec import MAX_CLUSTERS, SpecError, parse, plan

FREE = IPv4Network("10.160.0.0/16")


def errors_of(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        plan(parse(text, "lab.yaml"), FREE)
    return "\n".join(caught.value.errors)


def test_planned_ranges_are_apart_for_the_largest_number_of_clusters() -> None:
    names = ", ".join(f"{{name: c{i}, network: n}}" for i in range(MAX_CLUSTERS))
    planned = plan(parse(f"clusters: [{names}]"), FREE)
    ranges = [planned.nodes]
    for c in planned.clusters:
        ranges += [c.pods, c.services, c.load_balancers]
        assert c.node in planned.nodes
    assert not [(a, b) for a, b in combinations(ranges, 2) if a.overlaps(b)]
    assert all(r.subnet_of(FREE) for r in ranges)
    addresses = {planned.machine, *(c.node for c in planned.clusters)}
    assert len(addresses) == MAX_CLUSTERS + 1


def test_the_smallest_range_still_holds_the_most_clusters() -> None:
    names = ", ".join(f"{{name: c{i}, network: n}}" for i in range(MAX_CLUSTERS))
    planned = plan(parse(f"{{range: 10.9.0.0/20, clusters: [{names}]}}"), FREE)
    assert planned.nodes == IPv4Network("10.9.0.0/24")
    assert planned.clusters[-1].load_balancers.subnet_of(IPv4Network("10.9.0.0/20"))


def test_ranges_that_are_set_are_taken_as_they_are() -> None:
    c = plan(
        parse(
            "clusters: [{name: a, network: n, pods: 10.1.0.0/16, services: 10.2.0.0/16,"
            " loadBalancers: 10.3.0.0/28, nodes: false}]"
        ),
        FREE,
    ).clusters[0]
    assert (str(c.pods), str(c.services)) == ("10.1.0.0/16", "10.2.0.0/16")
    assert (str(c.load_balancers), c.nodes) == ("10.3.0.0/28", False)
    assert str(c.dns) == "10.2.0.10"


def test_clusters_of_different_networks_can_use_the_same_pod_and_service_ranges() -> None:
    same = "pods: 10.1.0.0/16, services: 10.2.0.0/16"
    planned = plan(
        parse(f"clusters: [{{name: a, network: n, {same}}}, {{name: b, network: m, {same}}}]"), FREE
    )
    assert planned.clusters[0].pods == planned.clusters[1].pods


def test_all_mistakes_are_reported_at_once_with_path_and_fix() -> None:
    errors = errors_of(
        """
        range: 10.0.0.0/8
        colour: blue
        clusters:
          - { name: East_1, network: n, pods: 10.0.0.1/16, podz: 1 }
          - { name: b, network: n, pods: 10.1.0.0/16, services: 10.1.2.0/24 }
          - { name: b, network: n, pods: 10.1.0.0/20 }
          - { network: n, nodes: maybe }
          - 3
        """
    ).splitlines()
    for part in (
        "lab.yaml: range: '10.0.0.0/8' has the wrong size; use a prefix from /12 to /20",
        "lab.yaml: colour: is unknown; remove it",
        "lab.yaml: clusters[0].name: 'East_1' is not a DNS label; use at most 63",
        "lab.yaml: clusters[0].pods: '10.0.0.1/16' is not an IPv4 range; write it as 10.1.0.0/16",
        "lab.yaml: clusters[0].podz: is unknown; remove it or correct the spelling",
        "lab.yaml: clusters[1].services: 10.1.2.0/24 overlaps the same cluster's pods",
        "lab.yaml: clusters[2].name: 'b' is also the name of clusters[1]; give each cluster a",
        "lab.yaml: clusters[2].pods: 10.1.0.0/20 overlaps pods 10.1.0.0/16 of clusters[1]",
        "lab.yaml: clusters[3].name: is missing; add it",
        "lab.yaml: clusters[3].nodes: 'maybe' is not true or false",
        "lab.yaml: clusters[4]: must be a mapping such as",
    ):
        assert [e for e in errors if e.startswith(part)], f"{part}\nnot in\n" + "\n".join(errors)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("clusters: [", "lab.yaml: not YAML"),
        ("[]", "lab.yaml: must be a mapping with a list `clusters`"),
        ("clusters: []", "lab.yaml: clusters: must list 1 to 8 clusters"),
        ("clusters: [" + "3, " * 9 + "]", "lab.yaml: clusters: must list 1 to 8 clusters"),
        ("clusters: [{name: " + "a" * 41 + ", network: n}]", "is too long; use at most 40"),
        (
            "clusters: [{name: a, network: n, pods: 10.160.0.0/26}]",
            "clusters[0].pods: 10.160.0.0/26 overlaps the nodes' 10.160.0.0/24",
        ),
        (
            "clusters: [{name: a, network: n, loadBalancers: 10.160.32.0/24},"
            " {name: b, network: m}]",
            "clusters[1].pods: 10.160.32.0/22 overlaps loadBalancers 10.160.32.0/24 of clusters[0]",
        ),
    ],
)
def test_a_mistake_is_a_sentence(text: str, error: str) -> None:
    assert error in errors_of(text)
