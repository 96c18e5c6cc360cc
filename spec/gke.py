"""What is asked of Google Cloud: plain frozen records, like those of spec/mesh.py."""

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field, StringConstraints
from pydantic.dataclasses import dataclass

from spec.fields import STRICT_CAMEL, DnsLabel

IpRange = Annotated[str, StringConstraints(pattern=r"^\d{1,3}(\.\d{1,3}){3}/\d{1,2}$")]
"""An IPv4 range: `10.64.0.0/16`."""
IpRangeOrSize = Annotated[str, StringConstraints(pattern=r"^(\d{1,3}(\.\d{1,3}){3})?/\d{1,2}$")]
"""`/16` for a range of that size, planned; `10.64.0.0/16` for that very range."""
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]+-[a-z]+\d+$")]
Zone = Annotated[str, StringConstraints(pattern=r"^[a-z]+-[a-z]+\d+-[a-z]$")]


@dataclass(frozen=True, config=STRICT_CAMEL)
class GkeRanges:
    """Sizes of a cluster's ranges, or the ranges themselves. Planned ranges are taken from
    `isthmus:gcp.ranges` in the order of the clusters: one more at the end moves none."""

    nodes: IpRangeOrSize = "/22"
    """Nodes and internal load balancers: the subnet's own range."""
    pods: IpRangeOrSize = "/16"
    """Pods. A node of a Standard cluster takes a /24 of it, of an Autopilot cluster a /26."""
    services: IpRangeOrSize = "/20"
    """Services."""
    control_plane: IpRangeOrSize = "/28"
    """The API server's private endpoint. Google Cloud wants a /28."""


@dataclass(frozen=True, config=STRICT_CAMEL)
class GkeNodePool:
    """Nodes of one kind, of a Standard cluster."""

    name: DnsLabel
    machine_type: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+$")] = "e2-standard-4"
    """Compute Engine's name of the machine."""
    min_nodes: Annotated[int, Field(ge=1)] = 1
    """Fewest nodes in each zone."""
    max_nodes: Annotated[int, Field(ge=1)] = 3
    """Most nodes in each zone."""
    disk_gb: Annotated[int, Field(ge=20)] = 100
    """Size of a node's boot disk."""
    spot: bool = False
    """Cheaper machines that Google Cloud may take away at any time."""


@dataclass(frozen=True, config=STRICT_CAMEL)
class Gke:
    """A private, VPC-native cluster that the stack makes, in every zone of a region."""

    region: Region
    """Region of the cluster and its subnet, e.g. `europe-west1`."""
    mode: Literal["standard", "autopilot"] = "standard"
    """`autopilot`: Google Cloud sizes the nodes by the pods."""
    vpc: DnsLabel | None = None
    """VPC that the cluster is in; the one named as `network` if left out. Clusters that name the
    same network are in one VPC."""
    subnet: DnsLabel | None = None
    """Which subnet of a given VPC, where it has several in the region."""
    ranges: GkeRanges = field(default_factory=GkeRanges)
    release_channel: Literal["rapid", "regular", "stable", "extended"] = "regular"
    """How soon Google Cloud upgrades control plane and nodes."""
    version: Annotated[str, StringConstraints(pattern=r"^1\.\d+")] | None = None
    """At least this Kubernetes for the control plane; the channel's own choice if left out."""
    node_pools: tuple[GkeNodePool, ...] = ()
    """Of a Standard cluster; one of the defaults, named `default`, if left out."""
    zones: tuple[Zone, ...] = ()
    """Zones of a Standard cluster's nodes; three that Google Cloud chooses if left out."""
    deletion_protection: bool = True
    """Whether `destroy` is refused until this is set to false and `up` has run."""

    @property
    def pools(self) -> tuple[GkeNodePool, ...]:
        """Node pools that are made: none for Autopilot."""
        if self.mode == "autopilot":
            return ()
        return self.node_pools or (GkeNodePool(name="default"),)


@dataclass(frozen=True, config=STRICT_CAMEL)
class SecondaryRange:
    """A secondary range of a given subnet."""

    name: DnsLabel
    range: IpRange


@dataclass(frozen=True, config=STRICT_CAMEL)
class GivenSubnet:
    """A subnet that exists already, for one cluster."""

    name: DnsLabel
    region: Region
    nodes: IpRange
    """Its own range."""
    pods: SecondaryRange
    services: SecondaryRange


@dataclass(frozen=True, config=STRICT_CAMEL)
class GivenVpc:
    """A VPC that exists already, in the same project."""

    name: DnsLabel
    """A cluster is in it by `gke.vpc`, or by its `network`."""
    subnets: tuple[GivenSubnet, ...] = ()
    """Subnets to use; if there are none, each cluster gets a new one."""
    nat: bool = True
    """Whether nodes get a Cloud NAT; false where the VPC has a way to the internet already."""


@dataclass(frozen=True, config=STRICT_CAMEL)
class GoogleCloud:
    """Where clusters with `gke` are made."""

    project: Annotated[str, StringConstraints(pattern=r"^[a-z][-a-z0-9]{4,28}[a-z0-9]$")]
    """ID of the project."""
    ranges: IpRange
    """The range that all clusters' ranges are planned from. Nothing else may use it, in any VPC of
    the mesh and in any network that is connected to them."""
    vpcs: tuple[GivenVpc, ...] = ()
    """VPCs that exist already; every other one is made."""
    peering: bool = True
    """Whether the mesh's VPCs are peered with each other, so that gateways reach each other; false
    where they are connected already."""
    other_ranges: tuple[IpRange, ...] = ()
    """Further ranges that the mesh's traffic comes from, such as the pods and nodes of clusters
    that have a kubeconfig. Firewalls and load balancers let them in like those of the plan."""
