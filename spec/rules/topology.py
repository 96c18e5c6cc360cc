"""Roles, networks, and the paths between clusters."""

from collections.abc import Iterator

from pydantic.alias_generators import to_snake

from components import names
from spec.mesh import MeshSpec, cluster_path
from spec.problems import Problem


def _there_is_a_primary(spec: MeshSpec) -> Iterator[Problem]:
    if not spec.primaries:
        yield Problem(
            "primary-missing",
            "isthmus:clusters",
            "must have a cluster without `primary`",
            "a mesh needs a control plane, and a primary cluster runs it",
            "add a cluster, or remove `primary` from one",
            [c.name for c in spec.clusters],
        )


def _namespace_is_istios_own(spec: MeshSpec) -> Iterator[Problem]:
    namespace = spec.mesh.istio.namespace
    if namespace == "default" or namespace.startswith("kube-"):
        yield Problem(
            "istio-namespace-of-kubernetes",
            "isthmus:mesh.istio.namespace",
            "must not be default or begin with kube-",
            "the mesh labels, marks and finally deletes its namespace, and these are Kubernetes's",
            "remove the key, to use istio-system, or write another name",
            namespace,
        )


def _names_are_unique(spec: MeshSpec) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for i, cluster in enumerate(spec.clusters):
        if cluster.name in first:
            yield Problem(
                "cluster-name-repeated",
                f"{cluster_path(i)}.name",
                f"must be unique; clusters[{first[cluster.name]}] has the same name",
                "istiod silently ignores the second cluster with a name",
                "rename one of the two",
                cluster.name,
            )
        first.setdefault(cluster.name, i)


def _names_are_not_istios_default(spec: MeshSpec) -> Iterator[Problem]:
    for path, cluster in spec.numbered():
        if cluster.name == "kubernetes":
            yield Problem(
                "cluster-name-default",
                f"{path}.name",
                "must not be Istio's default cluster ID",
                "a proxy without a cluster ID would be treated as one of this cluster",
                "name the cluster after its place or purpose",
                cluster.name,
            )


def _primaries_exist(spec: MeshSpec) -> Iterator[Problem]:
    by_name = {c.name: c for c in spec.clusters}
    primaries = ", ".join(c.name for c in spec.primaries) or "none"
    for at, cluster in spec.numbered():
        if cluster.primary is None:
            continue
        path = f"{at}.primary"
        if cluster.primary == cluster.name:
            name, rule = "primary-is-itself", "must name another cluster"
            fix = "remove it to make this cluster a primary"
        elif cluster.primary not in by_name:
            orphans = ", ".join(c.name for c in spec.clusters if c.primary == cluster.primary)
            name, rule = "primary-unknown", "must name a cluster of this mesh"
            fix = (
                f"name one of: {primaries}; if {cluster.primary} was removed from "
                f"isthmus:clusters, remove its remotes first or together with it: {orphans}"
            )
        elif by_name[cluster.primary].is_remote:
            name = "primary-is-remote"
            rule = "must name a primary, but that cluster is itself a remote"
            fix = f"name one of: {primaries}"
        else:
            continue
        yield Problem(
            name, path, rule, "a remote needs the control plane of a primary", fix, cluster.primary
        )


def _control_planes_are_of_primaries(spec: MeshSpec) -> Iterator[Problem]:
    for path, cluster in spec.numbered():
        if cluster.is_remote and cluster.control_plane is not None:
            yield Problem(
                "control-plane-on-remote",
                f"{path}.controlPlane",
                f"is only for a primary, but {cluster.name} is a remote of {cluster.primary}",
                "a remote uses the control plane of its primary",
                "remove controlPlane, or remove primary",
            )


def _exposures_can_work(spec: MeshSpec) -> Iterator[Problem]:
    for at, cluster in spec.numbered():
        control_plane = cluster.control_plane
        path = f"{at}.controlPlane"
        if control_plane is None or cluster.is_remote:
            continue
        if control_plane.exposure == "pod-ip":
            for remote in spec.remotes_of(cluster):
                if remote.network != cluster.network:
                    yield Problem(
                        "control-plane-not-reachable",
                        f"{path}.exposure",
                        f"needs one network, and the remote {remote.name} is on {remote.network}",
                        f"pods of {cluster.network} cannot be reached from {remote.network}",
                        "use gateway, load-balancer or internal-load-balancer",
                        control_plane.exposure,
                    )
        internal = control_plane.exposure == "internal-load-balancer"
        if internal and not (control_plane.cloud or control_plane.annotations or cluster.gke):
            yield Problem(
                "control-plane-cloud-missing",
                f"{path}.cloud",
                "is required for an internal load balancer",
                "without the cloud's annotations it would be on the internet",
                "set cloud to gke, aks or eks, or write the annotations yourself",
            )
        if not control_plane.has_load_balancer:
            for key in ("cloud", "annotations", "sourceRanges"):
                if getattr(control_plane, to_snake(key)):
                    yield Problem(
                        "control-plane-setting-unused",
                        f"{path}.{key}",
                        "is only for the load balancer of a control plane",
                        f"the exposure {control_plane.exposure} creates no Service for istiod",
                        f"remove {key}, or choose internal-load-balancer",
                    )


def _entries_need_primaries_on_separate_networks(spec: MeshSpec) -> Iterator[Problem]:
    if spec.mesh.discovery != "entries":
        return
    for path, cluster in spec.numbered():
        if cluster.is_remote:
            yield Problem(
                "entries-with-remote",
                f"{path}.primary",
                "cannot be set if isthmus:mesh.discovery is entries",
                "the primary of a remote watches its API server, but with entries no istiod "
                "watches another cluster",
                "remove primary, or set discovery to endpoints",
                cluster.primary,
            )
        shared = [c.name for c in spec.clusters if c.network == cluster.network and c != cluster]
        if shared:
            yield Problem(
                "entries-on-shared-network",
                f"{path}.network",
                f"must be the cluster's own if discovery is entries; {shared[0]} is on it too",
                "an entry leads to another cluster's gateway, and gateways are between networks",
                "name another network, or set discovery to endpoints",
                cluster.network,
            )


def _injection_is_where_gateways_are(spec: MeshSpec) -> Iterator[Problem]:
    for path, cluster in spec.numbered():
        if cluster.injection == "manual" and spec.has_gateway(cluster):
            yield Problem(
                "injection-manual-with-gateway",
                f"{path}.injection",
                f"must be automatic, because {cluster.name} has a gateway",
                "the injection webhook sets the image of a gateway's pod",
                "set it to automatic, or put the cluster on its primary's network and expose the "
                "control plane by a load balancer",
                cluster.injection,
            )


def _gateway_ports_are_free(spec: MeshSpec) -> Iterator[Problem]:
    taken = {
        names.STATUS_PORT: "health checks",
        names.XDS_PORT: "the control plane",
        names.WEBHOOK_PORT: "webhooks",
    }
    if spec.mesh.gateways.pods == "ingress":
        taken[80] = "ingress"
    port = spec.mesh.gateways.port
    if port in taken:
        yield Problem(
            "gateway-port-taken",
            "isthmus:mesh.gateways.port",
            f"must not be a port that the gateway uses for {taken[port]}",
            "a port of a Service has one target",
            "use 15443, or 443 on the ingress gateway",
            port,
        )


def _kiali_can_have_its_secrets(spec: MeshSpec) -> Iterator[Problem]:
    if spec.kiali is None:
        return
    path, found = "isthmus:kiali.cluster", spec.kiali.cluster
    cluster = next((c for c in spec.clusters if c.name == found), None)
    if cluster is None:
        yield Problem(
            "kiali-cluster-unknown",
            path,
            "must be a cluster of this mesh",
            "Kiali finds the other clusters by Secrets in the cluster that it runs in",
            f"name one of: {', '.join(c.name for c in spec.clusters)}",
            found,
        )
    elif cluster.stack is not None:
        yield Problem(
            "kiali-cluster-has-stack",
            path,
            f"must be a cluster that the mesh's stack builds; {cluster.stack} builds this one",
            "the mesh's stack creates Secrets there, and can run before the cluster exists",
            "name another cluster, or remove its stack",
            found,
        )


RULES = (
    _there_is_a_primary,
    _namespace_is_istios_own,
    _names_are_unique,
    _names_are_not_istios_default,
    _primaries_exist,
    _control_planes_are_of_primaries,
    _exposures_can_work,
    _entries_need_primaries_on_separate_networks,
    _injection_is_where_gateways_are,
    _gateway_ports_are_free,
    _kiali_can_have_its_secrets,
)
