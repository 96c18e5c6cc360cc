"""Configuration of clusters on Google Cloud: plain frozen records, like those of spec/mesh.py."""

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field, StringConstraints
from pydantic.dataclasses import dataclass

from spec.fields import STRICT_CAMEL, DnsLabel

IpRange = Annotated[str, StringConstraints(pattern=r"^\d{1,3}(\.\d{1,3}){3}/\d{1,2}$")]
"""An IPv4 range: `10.64.0.0/16`."""
IpRangeOrSize = Annotated[str, StringConstraints(pattern=r"^(\d{1,3}(\.\d{1,3}){3})?/\d{1,2}$")]
"""`/16` for a planned range of that size; `10.64.0.0/16` for exactly that range."""
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]+-[a-z]+\d+$")]
Zone = Annotated[str, StringConstraints(pattern=r"^[a-z]+-[a-z]+\d+-[a-z]$")]


@dataclass(frozen=True, config=STRICT_CAMEL)
class GkeRanges:
    """Sizes of a cluster's ranges, or the ranges themselves. Ranges are allocated from
    `isthmus:gcp.ranges` in list order, so appending a cluster changes none of the others."""

    nodes: IpRangeOrSize = "/22"
    """Range of nodes and internal load balancers: the subnet's primary range."""
    pods: IpRangeOrSize = "/16"
    """Range of pods. Each node of a Standard cluster uses a /24, of an Autopilot cluster a /26."""
    services: IpRangeOrSize = "/20"
    """Range of Services."""
    control_plane: IpRangeOrSize = "/28"
    """Range of the API server's private endpoint. Google Cloud requires a /28."""


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
    """Whether to use cheaper machines, which Google Cloud can reclaim at any time."""


@dataclass(frozen=True, config=STRICT_CAMEL)
class Gke:
    """A private, VPC-native, regional cluster that the stack creates."""

    region: Region
    """Region of the cluster and its subnet, e.g. `europe-west1`."""
    mode: Literal["standard", "autopilot"] = "standard"
    """`autopilot`: Google Cloud sizes the nodes by the pods."""
    vpc: DnsLabel | None = None
    """VPC of the cluster; named like `network` if left out. Clusters on the same network are in one
    VPC."""
    subnet: DnsLabel | None = None
    """Subnet of an existing VPC, if the VPC has several in the region."""
    ranges: GkeRanges = field(default_factory=GkeRanges)
    release_channel: Literal["rapid", "regular", "stable", "extended"] = "regular"
    """How soon Google Cloud upgrades control plane and nodes."""
    version: Annotated[str, StringConstraints(pattern=r"^1\.\d+")] | None = None
    """At least this Kubernetes for the control plane; the channel's own choice if left out."""
    node_pools: tuple[GkeNodePool, ...] = ()
    """Node pools of a Standard cluster; one pool `default` with default settings if left out."""
    zones: tuple[Zone, ...] = ()
    """Zones of a Standard cluster's nodes; three that Google Cloud chooses if left out."""
    deletion_protection: bool = True
    """Whether `destroy` is refused until this is set to false and `up` has run."""

    @property
    def pools(self) -> tuple[GkeNodePool, ...]:
        """Node pools to create: none for Autopilot."""
        if self.mode == "autopilot":
            return ()
        return self.node_pools or (GkeNodePool(name="default"),)


@dataclass(frozen=True, config=STRICT_CAMEL)
class SecondaryRange:
    """A secondary range of an existing subnet."""

    name: DnsLabel
    range: IpRange


@dataclass(frozen=True, config=STRICT_CAMEL)
class GivenSubnet:
    """An existing subnet, for one cluster."""

    name: DnsLabel
    region: Region
    nodes: IpRange
    """Its own range."""
    pods: SecondaryRange
    services: SecondaryRange


@dataclass(frozen=True, config=STRICT_CAMEL)
class GivenVpc:
    """An existing VPC in the same project."""

    name: DnsLabel
    """Name of the VPC. Clusters refer to it by `gke.vpc`, or by their `network`."""
    subnets: tuple[GivenSubnet, ...] = ()
    """Subnets to use; if there are none, each cluster gets a new one."""
    nat: bool = True
    """Whether to create a Cloud NAT for the nodes; false if the VPC already has internet access."""


@dataclass(frozen=True, config=STRICT_CAMEL)
class GoogleCloud:
    """Project and networks of the clusters with `gke`."""

    project: Annotated[str, StringConstraints(pattern=r"^[a-z][-a-z0-9]{4,28}[a-z0-9]$")]
    """ID of the project."""
    ranges: IpRange
    """The range from which the ranges of all clusters are allocated. Nothing else must use it, in
    any VPC of the mesh and in any network that is connected to them."""
    vpcs: tuple[GivenVpc, ...] = ()
    """Existing VPCs. Isthmus creates all others."""
    peering: bool = True
    """Whether to peer the mesh's VPCs with each other, so that gateways reach each other; false if
    they are already connected."""
    other_ranges: tuple[IpRange, ...] = ()
    """Further sources of the mesh's traffic, such as pods and nodes of clusters with a kubeconfig.
    Firewalls and load balancers admit them like the allocated ranges."""
