"""Changes with which Google Cloud would replace a cluster, or move it to another VPC or project.

The outputs of the last update say what each cluster has: from the configuration alone it does not
show, because VPCs are named after networks, and ranges are allocated in the order of the list.
"""

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network

from pydantic import TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from preflight.last_update import LastCluster, LastUpdate
from spec.gke import GivenVpc
from spec.gke_network import NetworkPlan, settings, subnets_for, vpc_of
from spec.gke_ranges import KINDS, ClusterRanges
from spec.mesh import Cluster, MeshSpec
from spec.problems import Problem

_VPC: TypeAdapter[GivenVpc | None] = TypeAdapter(GivenVpc | None)
_REPLACED = "Google Cloud would replace the cluster, with everything that runs in it"


def changed_project(spec: MeshSpec, last: LastUpdate) -> Iterator[Problem]:
    """Another project for clusters that exist."""
    existing = [
        c.name for c in spec.clusters if (x := last.clusters.get(c.name)) and x.gke and c.gke
    ]
    if existing and spec.gcp and last.project not in (None, spec.gcp.project):
        yield Problem(
            "gke-project-changed",
            "isthmus:gcp.project",
            f"cannot change while the mesh has clusters in project {last.project}: "
            f"{', '.join(existing)}",
            "a cluster and its VPC cannot move: new ones would be created, and these deleted",
            f"restore {last.project}; to change it: `pulumi destroy`, then `pulumi up`",
            spec.gcp.project,
        )


def changed_cluster(
    spec: MeshSpec, path: str, cluster: Cluster, before: LastCluster, again: str
) -> Iterator[Problem]:
    """Other settings of one cluster. `again` says how to create it again."""
    if (cluster.gke is None) != (before.gke is None):
        yield Problem(
            "cluster-gke-changed",
            f"{path}.gke",
            f"cannot change while cluster {cluster.name} is in the mesh",
            "it would be another cluster under the same name",
            f"restore it; to change it: {again}",
        )
    elif cluster.gke and before.gke:
        yield from _changed_settings(path, cluster, before.gke, again)
        yield from _changed_vpc(path, cluster, before, again)
        yield from _changed_existing_vpc(spec, cluster, before, again)
        yield from _changed_ranges(spec, path, cluster, before.ranges, again)


def _changed_settings(
    path: str, cluster: Cluster, before: Mapping[str, object], again: str
) -> Iterator[Problem]:
    for key in ("region", "mode", "subnet"):
        was = before.get(key, "standard" if key == "mode" else None)
        if (now := getattr(cluster.gke, key)) != was:
            yield Problem(
                "cluster-gke-changed",
                f"{path}.gke.{key}",
                f"cannot change while cluster {cluster.name} is in the mesh, where it is {was}",
                _REPLACED,
                f"restore {was}; to change it: {again}",
                now,
            )


def _changed_vpc(path: str, cluster: Cluster, before: LastCluster, again: str) -> Iterator[Problem]:
    if before.vpc not in (None, now := vpc_of(cluster)):
        yield Problem(
            "cluster-gke-changed",
            f"{path}.gke.vpc",
            f"must be {before.vpc}, where cluster {cluster.name} is; it is named like `network` if "
            "left out",
            _REPLACED,
            f"set it to {before.vpc}; to change it: {again}",
            now,
        )


def _changed_existing_vpc(
    spec: MeshSpec, cluster: Cluster, before: LastCluster, again: str
) -> Iterator[Problem]:
    """What `isthmus:gcp.vpcs` says of the VPC, which is the same one by its name."""
    vpc = vpc_of(cluster)
    if spec.gcp is None or before.vpc != vpc:
        return
    try:
        was = _VPC.validate_python(before.existing_vpc)
    except ValidationError:
        return  # Another version wrote it.
    now = next((v for v in spec.gcp.vpcs if v.name == vpc), None)
    had, has = _subnet(cluster, was), _subnet(cluster, now)
    if was is None and now is not None:
        rule = f"must not list VPC {vpc} of cluster {cluster.name}, which this stack created"
        reason = "an existing VPC is not the stack's: it would delete the one that it created"
    elif was is not None and now is None:
        rule = f"must list VPC {vpc} of cluster {cluster.name}, which this stack did not create"
        reason = "it would create a VPC of the same name, which Google Cloud refuses"
    elif had != has:
        rule = f"must give cluster {cluster.name} {had} of VPC {vpc}, where it is; now {has}"
        reason = _REPLACED
    else:
        return
    fix = f"restore it; to change it: {again}"
    yield Problem("gke-vpcs-changed", "isthmus:gcp.vpcs", rule, reason, fix)


def _subnet(cluster: Cluster, vpc: GivenVpc | None) -> str:
    """The subnet of a cluster, with all of it that the cluster's own settings name."""
    found = subnets_for(settings(cluster), vpc) if vpc else ()
    if len(found) != 1:
        return "a new subnet"
    (subnet,) = found
    return f"subnet {subnet.name} (pods {subnet.pods.name}, services {subnet.services.name})"


def _changed_ranges(
    spec: MeshSpec, path: str, cluster: Cluster, before: Mapping[str, str], again: str
) -> Iterator[Problem]:
    planned = _planned(spec, cluster)
    if planned is None:
        return
    moved = {
        to_camel(kind): str(planned.found[kind])
        for kind in KINDS
        if (was := before.get(to_camel(kind)))
        and kind in planned.found
        and not _is_in_place(kind, IPv4Network(was), planned.found[kind])
    }
    if moved:
        pinned = ", ".join(f"{kind}: {text}" for kind, text in before.items())
        yield Problem(
            "gke-ranges-changed",
            f"{path}.gke.ranges",
            f"must be those that cluster {cluster.name} has: "
            + ", ".join(f"{kind} {before[kind]}" for kind in moved),
            f"{_REPLACED}. Ranges follow from `gke.ranges`, `isthmus:gcp.ranges` and the order of "
            "isthmus:clusters",
            f"restore what changed, or pin the ranges: `{{{pinned}}}`; to change them: {again}",
            ", ".join(f"{kind} {text}" for kind, text in moved.items()),
        )


def _planned(spec: MeshSpec, cluster: Cluster) -> ClusterRanges | None:
    """The ranges of a cluster; None where a rule of the spec refuses them."""
    if spec.gcp is None:
        return None
    try:
        plan = NetworkPlan(spec, spec.gcp)
    except ValueError:
        return None
    ranges = plan.ranges[cluster.name]
    if plan.subnet(cluster) is None:
        return ranges
    # The rest is what the configuration says of a subnet that exists.
    own = {k: v for k, v in ranges.found.items() if k == "control_plane"}
    return ClusterRanges(own, ranges.fixed)


def _is_in_place(kind: str, before: IPv4Network, now: IPv4Network) -> bool:
    """Whether a range stays, or is the range of a subnet, which can be extended."""
    return before == now or (kind == "nodes" and now.supernet_of(before))
