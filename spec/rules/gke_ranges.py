"""Ranges and subnets of the clusters that the stack creates on Google Cloud."""

from collections.abc import Iterator

from spec import gke_ranges as ranges
from spec.gke import GivenSubnet, Gke, GkeRanges, GoogleCloud
from spec.gke_network import NetworkPlan, vpc_of
from spec.gke_ranges import KINDS, network, overlaps
from spec.mesh import MeshSpec
from spec.problems import MISSING, Problem
from spec.rules.gke import gke_clusters

_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
"""Destinations for which GKE keeps the pods' own addresses (its ip-masq-agent)."""
_DOCKER = "172.17.0.0/16"
_SIZES = {
    # Smallest and largest prefix length that Google Cloud accepts.
    "nodes": (8, 29),
    "pods": (8, 24),
    "services": (16, 27),
    "control_plane": (28, 28),
}
_KEYS = {kind: kind for kind in KINDS} | {"control_plane": "controlPlane"}
_RESERVED = 4
"""Addresses that Google Cloud reserves in every subnet."""


def _ranges_of_others_are_configured(spec: MeshSpec) -> Iterator[Problem]:
    given = [c.name for c in spec.clusters if c.gke is None]
    if spec.gcp is not None and any(gke_clusters(spec)) and given and not spec.gcp.other_ranges:
        yield Problem(
            "gke-other-ranges-missing",
            "isthmus:gcp.otherRanges",
            f"is required, because {given[0]} has a kubeconfig",
            "firewalls admit only known sources, and Isthmus does not know those of its pods",
            "list the ranges of its pods and nodes, as seen from Google Cloud",
        )


def _ranges_can_be_read(spec: MeshSpec) -> Iterator[Problem]:
    for path, text in _configured_ranges(spec):
        try:
            if text.startswith("/"):
                ranges.prefix(text)
            else:
                network(text)
        except ValueError as error:
            yield Problem(
                "gke-range-invalid",
                path,
                str(error),
                "ranges are allocated from it",
                "write it like 10.64.0.0/16, with no bits behind the prefix",
                text,
            )


def _configured_ranges(spec: MeshSpec) -> Iterator[tuple[str, str]]:
    """Every range and size in the configuration, with its path."""
    for path, _, gke in gke_clusters(spec):
        for kind in KINDS:
            yield f"{path}.gke.ranges.{_KEYS[kind]}", getattr(gke.ranges, kind)
    if spec.gcp is not None:
        yield "isthmus:gcp.ranges", spec.gcp.ranges
        for i, text in enumerate(spec.gcp.other_ranges):
            yield f"isthmus:gcp.otherRanges[{i}]", text
        for i, vpc in enumerate(spec.gcp.vpcs):
            for j, subnet in enumerate(vpc.subnets):
                here = f"isthmus:gcp.vpcs[{i}].subnets[{j}]"
                yield f"{here}.nodes", subnet.nodes
                yield f"{here}.pods.range", subnet.pods.range
                yield f"{here}.services.range", subnet.services.range


def _readable(spec: MeshSpec) -> tuple[GoogleCloud, NetworkPlan] | None:
    """The plan, if the configuration is complete enough for one."""
    if spec.gcp is None or any(_ranges_can_be_read(spec)):
        return None
    return spec.gcp, NetworkPlan(spec, spec.gcp)


def _ranges_are_private(spec: MeshSpec) -> Iterator[Problem]:
    planned = _readable(spec)
    if planned is None:
        return
    texts = [("isthmus:gcp.ranges", planned[0].ranges)]
    for path, cluster, _ in gke_clusters(spec):
        found = planned[1].ranges[cluster.name]
        texts += [
            (_path(path, planned[1].subnet(cluster), k), found[k]) for k in sorted(found.fixed)
        ]
    for path, text in texts:
        here = network(text)
        outside = not any(here.subnet_of(network(p)) for p in _PRIVATE)
        if outside or here.overlaps(network(_DOCKER)):
            yield Problem(
                "gke-range-not-private",
                path,
                f"must be inside one of {', '.join(_PRIVATE)}, and outside {_DOCKER}",
                "for other ranges GKE replaces the pods' addresses by those of their nodes, which "
                f"the mesh's firewall rules do not admit; Docker uses {_DOCKER} on every node",
                "choose a private range that nothing else uses, such as 10.64.0.0/10",
                text,
            )


def _ranges_are_large_enough(spec: MeshSpec) -> Iterator[Problem]:
    planned = _readable(spec)
    if planned is None:
        return
    for path, cluster, gke in gke_clusters(spec):
        subnet = planned[1].subnet(cluster)
        wishes = ranges.requested(gke, subnet)
        for kind, wish in wishes.items():
            largest, smallest = _SIZES[kind]
            if not largest <= ranges.prefix(wish) <= smallest:
                wanted = f"/{largest}" if largest == smallest else f"/{largest} to /{smallest}"
                yield Problem(
                    "gke-range-size",
                    _path(path, subnet, kind),
                    f"must be {wanted}",
                    "Google Cloud accepts no other size there",
                    f"use {GkeRanges.__dataclass_fields__[kind].default}",
                    wish,
                )
        yield from _room_for_nodes(path, gke, subnet)


def _room_for_nodes(path: str, gke: Gke, subnet: GivenSubnet | None) -> Iterator[Problem]:
    """Check that a Standard cluster's nodes, plus one for upgrades, have addresses and pods."""
    if gke.mode == "autopilot":
        return
    zones = len(gke.zones) or 3
    nodes = sum(p.max_nodes for p in gke.pools) * zones + 1
    for kind, each, kept in (("pods", 256, 0), ("nodes", 1, _RESERVED)):
        wish = ranges.requested(gke, subnet)[kind]
        room = (2 ** (32 - ranges.prefix(wish)) - kept) // each
        if room < nodes:
            yield Problem(
                "gke-range-too-few-nodes",
                _path(path, subnet, kind),
                f"must have room for {nodes} nodes, and has room for {room}",
                f"the pools grow to {nodes - 1} nodes in {zones} zones, and an upgrade adds one",
                f"use at least /{32 - (nodes * each + kept - 1).bit_length()}, or lower maxNodes",
                wish,
            )


def _ranges_have_room(spec: MeshSpec) -> Iterator[Problem]:
    planned = _readable(spec)
    if planned is None:
        return
    cloud, plan = planned
    for path, cluster, gke in gke_clusters(spec):
        wishes = ranges.requested(gke, plan.subnet(cluster))
        for kind in KINDS:
            if kind not in plan.ranges[cluster.name].found:
                yield Problem(
                    "gke-ranges-exhausted",
                    "isthmus:gcp.ranges",
                    f"must have room for {path}.gke.ranges.{_KEYS[kind]} ({wishes[kind]})",
                    f"{cluster.name} would have no addresses for its {kind.replace('_', ' ')}",
                    "use a larger range, or smaller ones for the clusters",
                    cloud.ranges,
                )


def _ranges_do_not_overlap(spec: MeshSpec) -> Iterator[Problem]:
    planned = _readable(spec)
    if planned is None:
        return
    plan = planned[1]
    paths = {c.name: (p, c) for p, c, _ in gke_clusters(spec)}
    for (name, kind), (other, other_kind) in overlaps(plan.ranges):
        path, cluster = paths[name]
        subnet = plan.subnet(cluster)
        if subnet is not None and subnet == plan.subnet(paths[other][1]):
            continue  # gke-subnet-shared reports it
        yield Problem(
            "gke-ranges-overlap",
            _path(path, subnet, kind),
            f"overlaps {other_kind.replace('_', ' ')} of {other}, {plan.ranges[other][other_kind]}",
            "an address would exist twice, and Google Cloud refuses the second subnet or peering",
            "write a size such as /20 to have a range allocated, or a range that is free",
            plan.ranges[name][kind],
        )
    for path, text in _configured_ranges(spec):
        if path.startswith("isthmus:gcp.otherRanges"):
            for name, found in plan.ranges.items():
                for kind, here in found.found.items():
                    if here.overlaps(network(text)):
                        yield Problem(
                            "gke-range-overlaps-other",
                            path,
                            f"overlaps {kind.replace('_', ' ')} of {name}, {here}",
                            "an address would exist twice",
                            "set isthmus:gcp.ranges to another range",
                            text,
                        )


def _given_subnets_are_found(spec: MeshSpec) -> Iterator[Problem]:
    planned = _readable(spec)
    if planned is None:
        return
    plan = planned[1]
    taken: dict[tuple[str, str], str] = {}
    for path, cluster, gke in gke_clusters(spec):
        vpc = plan.existing_vpc(vpc_of(cluster))
        if vpc is None or not vpc.subnets:
            if gke.subnet is not None:
                yield Problem(
                    "gke-subnet-unused",
                    f"{path}.gke.subnet",
                    "is only for an existing VPC that lists its subnets",
                    f"Isthmus creates the subnet of {cluster.name}, and names it after the cluster",
                    "remove it, or list the VPC's subnets in isthmus:gcp.vpcs",
                    gke.subnet,
                )
            continue
        found = plan.subnets(cluster)
        there = [f"{s.name} in {s.region}" for s in vpc.subnets]
        if len(found) != 1:
            in_region = [s.name for s in vpc.subnets if s.region == gke.region]
            yield Problem(
                "gke-subnet-ambiguous",
                f"{path}.gke.{'subnet' if in_region else 'region'}",
                f"must lead to one subnet of the VPC {vpc.name}, which has: {', '.join(there)}",
                "a cluster is in one subnet of its region",
                f"name one of {', '.join(in_region)} as gke.subnet"
                if in_region
                else f"list a subnet in {gke.region} for it, or choose another region",
                (gke.subnet or MISSING) if in_region else gke.region,
            )
            continue
        other = taken.setdefault((vpc.name, found[0].name), cluster.name)
        if other != cluster.name:
            yield Problem(
                "gke-subnet-shared",
                f"{path}.gke.subnet",
                f"must not be {found[0].name}, the subnet of {other}",
                "two clusters cannot have the same ranges of pods and Services",
                "list a subnet for each cluster",
                found[0].name,
            )


def _path(path: str, subnet: GivenSubnet | None, kind: str) -> str:
    """Return the path of a range: in the cluster, or in its existing subnet."""
    if subnet is None or kind == "control_plane":
        return f"{path}.gke.ranges.{_KEYS[kind]}"
    return f"{path}.gke (subnet {subnet.name}, {kind})"


RULES = (
    _ranges_of_others_are_configured,
    _ranges_can_be_read,
    _ranges_are_private,
    _ranges_are_large_enough,
    _ranges_have_room,
    _ranges_do_not_overlap,
    _given_subnets_are_found,
)
