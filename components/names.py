"""Names and numbers that more than one part of the program relies on. This module imports nothing.

Istio's are those of Istio 1.31 (manifests/charts, pkg/config/constants and istio.io's "Ports used
by Istio"). Isthmus's own marks stand below them.
"""

# Helm releases, in every cluster those of Istio's documents.
BASE = "istio-base"
ISTIOD = "istiod"
EAST_WEST_GATEWAY = "istio-eastwestgateway"
INGRESS_GATEWAY = "istio-ingressgateway"
LEAVE_NOTHING = "leave-nothing"

GATEWAYS = {"own": EAST_WEST_GATEWAY, "ingress": INGRESS_GATEWAY}
"""By kind of gateway: the release, the Service and the Deployment have this name, and the label
`istio` has it without `istio-`."""

# Ports.
GATEWAY_PORT = 15443
"""mTLS between networks."""
XDS_PORT = 15012
"""istiod's configuration and CA, over TLS."""
WEBHOOK_PORT = 15017
"""istiod's injection and validation webhooks."""
STATUS_PORT = 15021
"""Health of a proxy, over HTTP without authentication."""

# Labels and annotations.
NETWORK = "topology.istio.io/network"
"""Label of Istio's namespace and of a gateway's Service: the network that is behind it."""
CLUSTER_LABEL = "topology.istio.io/cluster"
"""Label that istiod gives to every proxy and pod: the name of its cluster."""
REGION = "topology.kubernetes.io/region"
ZONE = "topology.kubernetes.io/zone"
SUBZONE = "topology.istio.io/subzone"
"""Labels of a node: where it is."""
CONTROL_PLANE_CLUSTERS = "topology.istio.io/controlPlaneClusters"
"""Annotation of a remote's Istio namespace: the clusters whose istiod may serve it."""
REMOTE_LABEL = "istio/multiCluster"
"""Label of a Secret with a kubeconfig, by which istiod finds it."""
REMOTE_PREFIX = "istio-remote-secret-"
"""How its name begins, before the name of the cluster."""
REMOTE_CLUSTER = "networking.istio.io/cluster"
"""Annotation of such a Secret: the name of the cluster."""
KIALI = "kiali-remote-access"
"""Service account with which Kiali reads a cluster that it does not run in, its ClusterRole and its
token's Secret; named as in Kiali's kiali-prepare-remote-cluster.sh."""
KIALI_LABEL = "kiali.io/multiCluster"
"""Label of a Secret with a kubeconfig, by which Kiali finds it."""
KIALI_PREFIX = "kiali-remote-cluster-secret-"
"""How its name begins, before the name of the cluster."""
KIALI_CLUSTER = "kiali.io/cluster"
"""Annotation of such a Secret: the name of the cluster."""
LISTENER_PORT = "networking.istio.io/gatewayPort"
"""Label of a gateway's Service whose port is not 15443."""
INJECTION = "istio-injection"
"""Label of a namespace: whether its pods get sidecars."""
REVISION = "istio.io/rev"
"""Label of a namespace or pod: the control plane that injects it."""
INJECTED = "service.istio.io/canonical-name"
"""Label of every injected pod (pkg/kube/inject/webhook.go in istio/istio)."""
TLS_MODE = "security.istio.io/tlsMode"
"""Label of every pod and endpoint that takes mTLS; its value is `istio`."""
INJECT = "sidecar.istio.io/inject"
"""Label of a pod: whether it gets a sidecar."""

# Objects.
CACERTS = "cacerts"
"""Secret with istiod's intermediate CA."""
READER = "istio-reader-service-account"
"""Service account that other clusters' istiods use; the chart `base` creates it."""
FIRST_ROOT = "root"
"""Name of the root of a mesh that lists none."""
ROOT_CONFIG_MAP = "istio-ca-root-cert"
"""ConfigMap with the roots that proxies trust; istiod writes it into every namespace."""
FOLLOWS_ROOTS = "PROXY_CONFIG_XDS_AGENT"
"""Variable of a proxy that learns of another root without a restart."""
PROXY = "istio-proxy"
"""Container of a sidecar and of a gateway."""
ADDRESSES = "istiod-addresses"
"""EndpointSlice of a remote: all addresses of its control plane, of which the chart's has one."""
MESH_RULE = "mesh-locality"
"""Isthmus's own DestinationRule for all Services."""
REMOTE_SERVICE = "istiod-remotes"
"""Isthmus's own Service for remotes, beside the chart's Service of istiod."""
CLUSTER_DOMAIN = "svc.cluster.local"

ISTIO_CRDS = (
    "trafficextensions.extensions.istio.io/v1alpha1",
    "wasmplugins.extensions.istio.io/v1alpha1",
    "destinationrules.networking.istio.io/v1",
    "envoyfilters.networking.istio.io/v1alpha3",
    "gateways.networking.istio.io/v1",
    "proxyconfigs.networking.istio.io/v1beta1",
    "serviceentries.networking.istio.io/v1",
    "sidecars.networking.istio.io/v1",
    "virtualservices.networking.istio.io/v1",
    "workloadentries.networking.istio.io/v1",
    "workloadgroups.networking.istio.io/v1",
    "authorizationpolicies.security.istio.io/v1",
    "peerauthentications.security.istio.io/v1",
    "requestauthentications.security.istio.io/v1",
    "telemetries.telemetry.istio.io/v1",
)
"""Istio's CRDs (manifests/charts/base/files/crd-all.gen.yaml), each with a version that it
serves."""

# The sample.
SAMPLE_NAMESPACE = "sample"
SAMPLE_SERVICE = "helloworld"
SAMPLE_PORT = 5000
CLIENT_IMAGE = "docker.io/curlimages/curl:8.17.0"
"""Image of the sample's client, the verification, the checks' probe and the last hook."""
SERVER_IMAGE = "docker.io/istio/examples-helloworld-v1:1.0"
"""Image of the sample's `helloworld`."""

AKS_OPT_OUT = {"admissions.enforcer/disabled": "true"}
"""Annotation of webhooks that AKS's admissions enforcer leaves alone. It would otherwise change
their `namespaceSelector`, so that each preview shows a difference and the next upgrade of Istio
stops at a conflict (Azure/AKS, aws-observability/helm-charts#350)."""

# Isthmus's marks.
STACK = "isthmus/stack"
"""Annotation of Istio's namespace and of webhooks: the `<project>/<stack>` that owns the mesh."""
CLUSTER = "isthmus/cluster"
"""Annotation beside it: the cluster's name in the mesh."""
CLUSTER_UID = "isthmus/cluster-uid"
"""Annotation beside it: UID of the cluster's namespace `kube-system`."""
INSTALL = "isthmus/install"
"""Annotation beside it: how the charts were installed."""
ADOPTED = "isthmus/adopted"
"""Annotation beside it: the namespace is the user's, and stays when the mesh goes."""
MESH = "isthmus/mesh"
"""Annotation beside it: the mesh's UUID, which the stack's state keeps."""


def host(service: str, namespace: str) -> str:
    """The name by which every cluster of the mesh resolves a Service."""
    return f"{service}.{namespace}.{CLUSTER_DOMAIN}"


def injector(namespace: str) -> str:
    """The istiod chart's injection webhook (templates/mutatingwebhook.yaml)."""
    suffix = "" if namespace == "istio-system" else f"-{namespace}"
    return f"istio-sidecar-injector{suffix}"


def injection_path(*, cluster: str, network: str) -> str:
    """The path of the injection webhook that says whose pod istiod injects.

    Keys and values alternate (pkg/kube/inject/webhook.go in istio/istio). Names are DNS labels
    here, so no slash has to be escaped.
    """
    return f"/inject/cluster/{cluster}/net/{network}"


def reader_token(generation: int) -> str:
    """Name of the Secret with the reader's token."""
    return generated(f"{READER}-{REMOTE_PREFIX}token", generation)


def generated(name: str, generation: int) -> str:
    """Name of one generation of an object; the first has no number."""
    return name if generation == 1 else f"{name}-{generation}"
