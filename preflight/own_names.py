"""Names of what the stack creates in Istio's namespace and in `sample`.

An object of such a name in a namespace of the user would be adopted, and deleted in the end.
"""

from collections.abc import Iterator, Mapping

from components import names
from spec.mesh import Cluster, MeshSpec

_ROLES = "/apis/rbac.authorization.k8s.io/v1"


def of(spec: MeshSpec, cluster: Cluster) -> Mapping[str, tuple[str, ...]]:
    """Paths of the objects by namespace, each with `{}` in place of the namespace."""
    wanted = {spec.mesh.istio.namespace: tuple(_of_istio(spec, cluster))}
    if spec.sample.enabled:
        wanted[names.SAMPLE_NAMESPACE] = tuple(_of_sample(spec, cluster))
    return wanted


def _of_istio(spec: MeshSpec, cluster: Cluster) -> Iterator[str]:
    """Without `cacerts`, of which preflight/foreign.py knows more."""
    gateway = names.GATEWAYS[spec.mesh.gateways.pods]
    for name in (names.ISTIOD, gateway):
        yield f"/apis/apps/v1/namespaces/{{}}/deployments/{name}"
        yield f"/api/v1/namespaces/{{}}/services/{name}"
        yield f"/apis/policy/v1/namespaces/{{}}/poddisruptionbudgets/{name}"
        yield f"/apis/autoscaling/v2/namespaces/{{}}/horizontalpodautoscalers/{name}"
        yield f"{_ROLES}/namespaces/{{}}/roles/{name}"
        yield f"{_ROLES}/namespaces/{{}}/rolebindings/{name}"
    for name in (names.ISTIOD, gateway, names.READER):
        yield f"/api/v1/namespaces/{{}}/serviceaccounts/{name}"
    yield f"/api/v1/namespaces/{{}}/services/{names.REMOTE_SERVICE}"
    for name in ("istio", "istio-sidecar-injector", "values"):
        yield f"/api/v1/namespaces/{{}}/configmaps/{name}"
    token = names.reader_token(cluster.token_generation)
    yield f"/api/v1/namespaces/{{}}/secrets/{token}"
    for other in spec.clusters:
        if cluster in spec.readers_of(other):
            yield f"/api/v1/namespaces/{{}}/secrets/{names.REMOTE_PREFIX}{other.name}"
        if cluster == spec.kiali_for(other):
            yield f"/api/v1/namespaces/{{}}/secrets/{names.KIALI_PREFIX}{other.name}"
    if spec.kiali_for(cluster):
        yield f"/api/v1/namespaces/{{}}/serviceaccounts/{names.KIALI}"
        token = names.generated(names.KIALI, cluster.token_generation)
        yield f"/api/v1/namespaces/{{}}/secrets/{token}"
    yield "/apis/networking.istio.io/v1/namespaces/{}/gateways/cross-network-gateway"
    if cluster.primary is not None:
        slices = "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices"
        yield f"{slices}/{names.ADDRESSES}"
    else:
        yield "/apis/networking.istio.io/v1/namespaces/{}/gateways/istiod-gateway"
        yield "/apis/networking.istio.io/v1/namespaces/{}/virtualservices/istiod-vs"
        if spec.mesh.mtls == "strict":
            yield "/apis/security.istio.io/v1/namespaces/{}/peerauthentications/default"
        if spec.mesh.traffic_policy:
            yield f"/apis/networking.istio.io/v1/namespaces/{{}}/destinationrules/{names.MESH_RULE}"


def _of_sample(spec: MeshSpec, cluster: Cluster) -> Iterator[str]:
    service, version = names.SAMPLE_SERVICE, spec.clusters.index(cluster) + 1
    yield f"/api/v1/namespaces/{{}}/services/{service}"
    yield f"/apis/apps/v1/namespaces/{{}}/deployments/{service}-v{version}"
    yield "/apis/apps/v1/namespaces/{}/deployments/sleep"
    yield "/apis/batch/v1/namespaces/{}/jobs/verify-mesh"
    if cluster.primary is None:
        yield "/apis/security.istio.io/v1/namespaces/{}/peerauthentications/default"
        yield f"/apis/networking.istio.io/v1/namespaces/{{}}/destinationrules/{service}"
    if spec.mesh.discovery == "entries":
        yield f"/apis/networking.istio.io/v1/namespaces/{{}}/serviceentries/{service}-elsewhere"
