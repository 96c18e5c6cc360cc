"""What a mesh is: plain frozen records, with everything about its topology derived from them.

Nothing here knows Pulumi. A cluster's name and network are written once, in `Cluster`; every other
part of the program takes them from that object, so that they cannot disagree (the commonest silent
failure of multi-cluster meshes: istio/istio#52065, GoogleCloudPlatform/bank-of-anthos#473).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import Field, IPvAnyAddress, IPvAnyNetwork, StringConstraints
from pydantic.dataclasses import dataclass

from components import names
from spec.fields import STRICT_CAMEL, DnsLabel
from spec.gke import Gke, GoogleCloud
from spec.locality import TrafficPolicy
from spec.manifests import Manifests

HelmValues = Mapping[str, Any]


@dataclass(frozen=True, config=STRICT_CAMEL)
class ExtraValues:
    """The user's Helm values for each chart. Values that Isthmus derives take precedence."""

    base: HelmValues = field(default_factory=dict[str, Any])
    """CRDs and the reader account."""
    istiod: HelmValues = field(default_factory=dict[str, Any])
    """istiod, and the webhooks of a remote."""
    gateway: HelmValues = field(default_factory=dict[str, Any])
    """Gateways between networks."""
    leave_nothing: HelmValues = field(default_factory=dict[str, Any])
    """Isthmus's own chart, which deletes on `destroy` what Istio leaves behind. `crds`: `ifUnused`
    (Istio's CRDs of which no object is left), `delete` (all, with every object of their kinds) or
    `keep`. `image`: another image with a shell and curl."""


@dataclass(frozen=True, config=STRICT_CAMEL)
class Istio:
    """Istio's version, the place of its charts, and how they are installed."""

    version: Annotated[str, StringConstraints(pattern=r"^\d+\.\d+\.\d+$")]
    """Version of the charts and images, e.g. `1.31.0`."""
    charts: Annotated[str, StringConstraints(min_length=1)]
    """A directory with `base`, `istiod` and `gateway`, a Helm repository, or an `oci://` prefix."""
    install: Literal["rendered", "release"] = "rendered"
    """`rendered`: every object is a resource of the stack. `release`: one Helm release a chart."""
    namespace: DnsLabel = "istio-system"
    """Istio's namespace: the same in every cluster of the mesh, as Istio demands."""
    values: ExtraValues = field(default_factory=ExtraValues)


@dataclass(frozen=True, config=STRICT_CAMEL)
class ProvidedRoot:
    """A user-provided root CA, as PEM text; the key as a Pulumi secret."""

    certificate: str
    """Certificate that is allowed to sign CAs: pathlen of 1 or more, or none."""
    key: str | None = field(default=None, repr=False)
    """Its private key: PKCS#1, SEC1 or PKCS#8, not encrypted. Not needed if every cluster has a
    user-provided intermediate."""


@dataclass(frozen=True, config=STRICT_CAMEL)
class TrustedRoot:
    """One of several roots that the mesh trusts while it changes from one to the other."""

    name: DnsLabel
    """A name that stays with the root. `root` is the one that the mesh had before it listed any."""
    certificate: str | None = None
    """PEM text of a user-provided root, as `ca.root.certificate`. Isthmus creates the root if left
    out."""
    key: str | None = field(default=None, repr=False)
    """Its private key, as `ca.root.key`."""


@dataclass(frozen=True, config=STRICT_CAMEL)
class ProvidedIntermediate:
    """A user-provided intermediate CA, as PEM text; the key as a Pulumi secret."""

    certificate: str
    """Its certificate, followed by those of the CAs between it and the root, if there are any."""
    key: str = field(repr=False)
    """Its private key: PKCS#1, SEC1 or PKCS#8, not encrypted."""


@dataclass(frozen=True, config=STRICT_CAMEL)
class CertificateAuthority:
    """The common root of trust and the intermediates under it."""

    algorithm: Literal["ECDSA-P256", "RSA-4096", "RSA-2048"] = "ECDSA-P256"
    """Algorithm of every key that Isthmus creates. An existing root keeps its own."""
    root_days: Annotated[int, Field(ge=1)] = 3650
    """Lifetime of the root, in days. An existing root keeps its own."""
    intermediate_days: Annotated[int, Field(ge=1)] = 730
    """Lifetime of an intermediate, in days. If the root has fewer left, it is halved until it
    fits."""
    renew_before_days: Annotated[int, Field(ge=0)] = 30
    """An `up` this many days before an intermediate ends issues a new one under the same root."""
    root: ProvidedRoot | None = None
    roots: tuple[TrustedRoot, ...] = ()
    """Every root that the mesh trusts, instead of `root`: for a change of the root without an
    outage (docs/trust.md)."""
    signs: DnsLabel | None = None
    """Name of the one of `roots` that signs the intermediates. Can be left out if there is one."""
    external: bool = False
    """Whether another tool (cert-manager, Vault, External Secrets) maintains the Secret `cacerts`
    of every cluster, of type `Opaque` or `kubernetes.io/tls`. Isthmus waits for it, and never
    reads, writes or deletes it. Needs the certificate of `root`, without its key."""

    @property
    def trusted(self) -> tuple[TrustedRoot, ...]:
        """Every root that the mesh trusts, whichever key of the configuration has it."""
        if self.roots:
            return self.roots
        if self.root is None:
            return (TrustedRoot(names.FIRST_ROOT),)
        return (TrustedRoot(names.FIRST_ROOT, self.root.certificate, self.root.key),)

    @property
    def signer(self) -> TrustedRoot:
        """The root that signs the intermediates; the first if none has the name in `signs`."""
        return next((r for r in self.trusted if r.name == self.signs), self.trusted[0])

    def place(self, root: TrustedRoot) -> str:
        """Configuration path of a root."""
        path = "isthmus:mesh.ca.root"
        return f"{path}s[{self.roots.index(root)}]" if self.roots else path


Port = Annotated[int, Field(ge=1, le=65535)]
Cloud = Literal["gke", "aks", "eks"]


@dataclass(frozen=True, config=STRICT_CAMEL)
class Gateways:
    """The gateways between networks, the same in every cluster."""

    pods: Literal["own", "ingress"] = "own"
    """`own`: an east-west gateway. `ingress`: the ingress gateway, which also serves port 80."""
    port: Port = names.GATEWAY_PORT
    """Port that other networks connect to."""
    announced_by: Literal["labels", "mesh-networks"] = "labels"
    """How istiod learns which gateway leads to which network: by the label
    `topology.istio.io/network`, or by `meshNetworks` in its configuration."""
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    """Annotations for the gateways' Services, for example the cloud's load balancer settings. They
    take precedence over those of `cloud`."""
    cloud: Cloud | None = None
    """Makes the gateways' load balancers internal, with the annotations of this cloud."""
    source_ranges: tuple[IPvAnyNetwork, ...] = ()
    """Ranges that the gateways' load balancers accept connections from, e.g. `10.0.0.0/8`. All if
    left out."""
    status_port: bool = False
    """Whether the load balancers also have port 15021, which reports the gateways' health without
    authentication."""


@dataclass(frozen=True, config=STRICT_CAMEL)
class Mesh:
    """Settings that apply to every cluster of the mesh."""

    istio: Istio
    id: DnsLabel = "mesh1"
    """Istio's mesh ID, the same in every cluster."""
    ca: CertificateAuthority = field(default_factory=CertificateAuthority)
    discovery: Literal["endpoints", "entries"] = "endpoints"
    """How control planes find pods of other clusters. `endpoints`: each istiod watches the other
    clusters, with remote secrets. `entries`: no istiod watches another cluster; every cluster is a
    primary, and ServiceEntries lead to the gateways of the clusters where a Service runs."""
    mtls: Literal["permissive", "strict"] = "permissive"
    """Whether workloads also accept plain text. Traffic between networks is always mTLS."""
    gateways: Gateways = field(default_factory=Gateways)
    redundant: bool | None = None
    """Whether istiod and gateways have two replicas, on different nodes where possible, and a
    PodDisruptionBudget. If left out, those of clusters with more than one node have. User-provided
    Helm values take precedence."""
    traffic_policy: TrafficPolicy | None = None
    """Which pods of a Service answer first, and which if these have failed (docs/services.md). For
    all Services but those with their own policy or a DestinationRule of the user's. If left out,
    the pods of all clusters answer alike."""
    cluster_local: tuple[str, ...] = ()
    """Hosts that are answered only from the caller's own cluster, e.g.
    `*.kube-system.svc.cluster.local`."""
    federate: (
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9./_-]+(=[A-Za-z0-9._-]+)?$")] | None
    ) = None
    """Label, `key` or `key=value`, that marks the user's Services and Istio's objects to share.
    Each `up` finds them and copies them, and their namespaces, to the clusters that lack them;
    Istio's objects only to primaries. Existing objects are not changed. A copy is deleted when the
    original or its label is removed."""


@dataclass(frozen=True, config=STRICT_CAMEL)
class ControlPlane:
    """How the control plane of a primary cluster is reached by its remotes."""

    exposure: Literal["gateway", "internal-load-balancer", "load-balancer", "pod-ip"] = "gateway"
    """`gateway`: through the cluster's east-west gateway, shared with data traffic.
    `internal-load-balancer`, `load-balancer`: through a Service for istiod alone.
    `pod-ip`: at the address of istiod's pod, for clusters of one network. When the pod moves,
    remotes lose the control plane until the next `up`."""
    cloud: Cloud | None = None
    """The cloud whose annotations make the load balancer internal."""
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    """Annotations for istiod's Service. They take precedence over those of `cloud`."""
    source_ranges: tuple[IPvAnyNetwork, ...] = ()
    """Ranges that istiod's load balancer accepts connections from. All if left out."""

    @property
    def has_load_balancer(self) -> bool:
        """Whether istiod has its own Service, of type LoadBalancer."""
        return self.exposure in ("internal-load-balancer", "load-balancer")


@dataclass(frozen=True, config=STRICT_CAMEL)
class ClusterGateway:
    """Settings of one cluster's gateway, in addition to `isthmus:mesh.gateways`."""

    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    """Annotations for its Service. They take precedence over those of `isthmus:mesh.gateways`."""
    address: IPvAnyAddress | None = None
    """IP address that other clusters connect to, if the gateway is behind NAT. The load balancer's
    own if left out."""


@dataclass(frozen=True, config=STRICT_CAMEL)
class ApiServer:
    """How istiod in other clusters reaches this cluster's API server, if that differs from the
    kubeconfig: past a proxy, by another name, or with another certificate."""

    server: Annotated[str, StringConstraints(pattern=r"^https://")] | None = None
    """URL instead of the kubeconfig's."""
    certificate_authority: str | None = None
    """PEM text of the CA to trust instead of the cluster's own."""
    tls_server_name: str | None = None
    """Name to expect in the API server's certificate."""


@dataclass(frozen=True, config=STRICT_CAMEL)
class Ranges:
    """Addresses of one cluster, if its nodes do not list them. They must not overlap with those of
    another cluster on the same network."""

    pods: tuple[IPvAnyNetwork, ...] = ()
    """Ranges of its pods, e.g. `10.4.0.0/14`."""
    services: tuple[IPvAnyNetwork, ...] = ()
    """Ranges of its Services."""


@dataclass(frozen=True, config=STRICT_CAMEL)
class Cluster:
    """One Kubernetes cluster and its place in the mesh."""

    name: DnsLabel
    """Istio's cluster ID. Resources of this cluster are named after it."""
    network: DnsLabel
    """Name of its network. Pods of clusters on the same network reach each other directly."""
    kubeconfig: str | None = field(default=None, repr=False)
    """Path of a kubeconfig file, relative to the project, or a list `a:b` of paths; or its content
    as a secret."""
    context: str | None = None
    """Context in the kubeconfig; its current context if left out."""
    gke: Gke | None = None
    """Creates the cluster on Google Kubernetes Engine. Without it `kubeconfig` names an existing
    cluster."""
    primary: DnsLabel | None = None
    """Name of a primary cluster, which makes this cluster its remote."""
    control_plane: ControlPlane | None = None
    """Only for a primary."""
    gateway: ClusterGateway = field(default_factory=ClusterGateway)
    absent: bool = False
    """Whether to leave the cluster as it is, because its API server does not answer: everything in
    it, and its remote secrets in other clusters. The others are updated meanwhile. The environment
    variable `ISTHMUS_ABSENT` names clusters for one command, e.g. `west,north`."""
    adopt: bool = False
    """Whether the mesh uses Istio's namespace and `sample` if they exist already. It then labels
    them, and never deletes them. Without it, a namespace that this stack did not create is
    refused."""
    unchecked: Literal["refuse", "accept"] = "refuse"
    """`accept`: the update runs although the cluster did not say what exists there, which cluster
    it is, or which root its proxies trust, for example because the credentials cannot read it. The
    update then adopts nothing."""
    injection: Literal["automatic", "manual"] = "automatic"
    """`manual`: no injection webhook; users add sidecars with `istioctl kube-inject`."""
    api_server: ApiServer = field(default_factory=ApiServer)
    ranges: Ranges = field(default_factory=Ranges)
    ca: ProvidedIntermediate | None = None
    """A user-provided intermediate CA, signed by `isthmus:mesh.ca.root`, or by the one of
    `isthmus:mesh.ca.roots` that signs. If left out, Isthmus creates one."""
    token_generation: Annotated[int, Field(ge=1)] = 1
    """Number of the token with which other clusters' istiods read this one. With another number,
    an update creates a new token, gives it to them, verifies the traffic, and deletes the former
    one."""
    token_days: Annotated[int, Field(ge=1)] | None = None
    """Age in days at which the next update replaces that token. Its number rises by one then, and
    `tokenGeneration` is the lowest that it has. If left out, it is replaced with another
    `tokenGeneration` only."""
    stack: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,100}$")] | None = None
    """Only for a remote: name of the stack that builds it from the outputs of this one
    (docs/state.md)."""

    @property
    def is_remote(self) -> bool:
        return self.primary is not None

    @property
    def role(self) -> Literal["primary", "remote"]:
        return "remote" if self.is_remote else "primary"


@dataclass(frozen=True, config=STRICT_CAMEL)
class Sample:
    """Istio's `helloworld` and a client in every cluster, whose traffic verifies the mesh."""

    enabled: bool = False
    """Whether the sample is installed. Without it no traffic is verified."""


@dataclass(frozen=True, config=STRICT_CAMEL)
class Images:
    """Every image of Isthmus's own, for clusters that reach only a registry of their own. Give
    them by digest (`…@sha256:…`) where a tag could move. Istio's are in its charts' values."""

    client: str = names.CLIENT_IMAGE
    """The sample's client, the verification, the probe of the checks, and what deletes on
    `destroy` what Istio leaves behind: `curl`, `nc`, a shell."""
    server: str = names.SERVER_IMAGE
    """The sample's `helloworld`."""
    pull_secrets: tuple[DnsLabel, ...] = ()
    """Secrets for pulling these images; they are in Istio's namespace and in `sample`."""


@dataclass(frozen=True, config=STRICT_CAMEL)
class Kiali:
    """A Kiali that you install yourself, which shows all clusters (docs/dashboards.md)."""

    cluster: DnsLabel
    """Cluster that Kiali runs in, in Istio's namespace. Every other cluster gets a read-only
    account for Kiali, and this one a Secret for each of them, by which Kiali finds it."""


@dataclass(frozen=True, config=STRICT_CAMEL)
class SharedNamespace:
    """A namespace that exists in every cluster (namespace sameness)."""

    name: DnsLabel
    inject: bool = True
    """Whether its pods get sidecars."""


@dataclass(frozen=True, config=STRICT_CAMEL)
class SharedPort:
    """A port of a shared Service."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    """A name that begins with the protocol: `http`, `grpc-api`, `tcp-db`, …"""
    port: Port
    target_port: Port | None = None
    """Port of the pods; the same number if left out."""


@dataclass(frozen=True, config=STRICT_CAMEL)
class SharedService:
    """A Service that exists in every cluster, so that its name resolves everywhere."""

    namespace: DnsLabel
    """One of the shared namespaces."""
    name: DnsLabel
    ports: tuple[SharedPort, ...]
    selector: Mapping[str, str]
    """Labels of its pods, wherever they run."""
    clusters: tuple[DnsLabel, ...] | None = None
    """Clusters that have pods for it; with `discovery: entries` the entries lead there. If left
    out, each `up` checks in which clusters such pods are ready."""
    traffic_policy: TrafficPolicy | None = None
    """As `isthmus:mesh.trafficPolicy`, which it replaces for this Service."""


def cluster_path(index: int) -> str:
    """Configuration path of a cluster, such as `isthmus:clusters[1]`."""
    return f"isthmus:clusters[{index}]"


@dataclass(frozen=True, config=STRICT_CAMEL)
class MeshSpec:
    """The whole mesh. Its topology is derived from roles and networks alone."""

    mesh: Mesh
    clusters: tuple[Cluster, ...]
    sample: Sample = field(default_factory=Sample)
    images: Images = field(default_factory=Images)
    namespaces: tuple[SharedNamespace, ...] = ()
    services: tuple[SharedService, ...] = ()
    manifests: Manifests = ()
    """Files with Istio's objects, relative to the project: VirtualServices, AuthorizationPolicies,
    … Every control plane gets them (docs/services.md)."""
    kiali: Kiali | None = None
    gcp: GoogleCloud | None = None

    def numbered(self) -> Iterator[tuple[str, Cluster]]:
        """Each cluster with its configuration path."""
        return ((cluster_path(i), c) for i, c in enumerate(self.clusters))

    def is_local(self, namespace: str, service: str) -> bool:
        """Whether only the caller's own cluster answers requests for a Service."""
        host = names.host(service, namespace)
        return any(fnmatchcase(host, pattern) for pattern in self.mesh.cluster_local)

    @property
    def primaries(self) -> tuple[Cluster, ...]:
        return tuple(c for c in self.clusters if not c.is_remote)

    @property
    def remotes(self) -> tuple[Cluster, ...]:
        return tuple(c for c in self.clusters if c.is_remote)

    @property
    def needed_by_other_stacks(self) -> frozenset[str]:
        """Names of the primaries of clusters that have their own stacks."""
        return frozenset(c.primary for c in self.clusters if c.stack and c.primary)

    @property
    def in_mesh_stack(self) -> tuple[Cluster, ...]:
        """Clusters that the mesh's stack builds; the others have their own stacks."""
        return tuple(c for c in self.clusters if c.stack is None)

    @property
    def absent(self) -> tuple[Cluster, ...]:
        """Clusters that are left as they are."""
        return tuple(c for c in self.clusters if c.absent)

    @property
    def networks(self) -> tuple[str, ...]:
        """Every network once, in the order of the clusters."""
        return tuple(dict.fromkeys(c.network for c in self.clusters))

    @property
    def spans_networks(self) -> bool:
        return len(self.networks) > 1

    def remotes_of(self, primary: Cluster) -> tuple[Cluster, ...]:
        return tuple(c for c in self.remotes if c.primary == primary.name)

    def control_plane(self, primary: Cluster) -> ControlPlane | None:
        """How remotes reach a primary's control plane; None where it has no remotes."""
        if not self.remotes_of(primary):
            return None
        return primary.control_plane or ControlPlane()

    def exposes_control_plane(self, cluster: Cluster) -> bool:
        """Whether remotes reach this cluster's control plane through its gateway."""
        control_plane = self.control_plane(cluster)
        return control_plane is not None and control_plane.exposure == "gateway"

    def has_gateway(self, cluster: Cluster) -> bool:
        """Whether the cluster gets an east-west gateway: for other networks or for its remotes."""
        return self.spans_networks or self.exposes_control_plane(cluster)

    def readers_of(self, cluster: Cluster) -> tuple[Cluster, ...]:
        """The primaries that hold a remote secret for this cluster."""
        if self.mesh.discovery == "entries":
            return ()
        return tuple(p for p in self.primaries if p.name != cluster.name)

    def kiali_for(self, cluster: Cluster) -> Cluster | None:
        """The cluster whose Kiali reads this one; None if there is none, or it runs in this one."""
        if self.kiali is None or self.kiali.cluster == cluster.name:
            return None
        return next((c for c in self.clusters if c.name == self.kiali.cluster), None)

    def callers_of(self, cluster: Cluster) -> tuple[Cluster, ...]:
        """The clusters whose pods call this cluster's API server: of istiod, and of Kiali."""
        kiali, readers = self.kiali_for(cluster), self.readers_of(cluster)
        return readers if kiali is None or kiali in readers else (*readers, kiali)

    @property
    def mesh_networks(self) -> Mapping[str, Sequence[str]]:
        """Names of the clusters of each network."""
        return {n: [c.name for c in self.clusters if c.network == n] for n in self.networks}

    def control_plane_of(self, cluster: Cluster) -> str:
        """Name of the cluster whose istiod configures this cluster's proxies."""
        return cluster.primary or cluster.name
