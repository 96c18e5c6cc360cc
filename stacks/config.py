"""Configuration text → validated spec. Every problem is found before the first is told."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from stacks.problems import MISSING, MeshRefusedError, Problem
from stacks.spec import MeshSpec

_SECRET_KEYS = {"kubeconfig", "key"}
_CURES: Mapping[str, str] = {
    "missing": "add it to Pulumi.<stack>.yaml",
    "extra_forbidden": "remove it; docs/configuration.md lists the keys that exist",
}
_CHART_KEYS_DERIVED: Mapping[str, tuple[str, ...]] = {
    "base": ("profile",),
    "istiod": (
        "profile",
        "revision",
        "global.meshID",
        "global.multiCluster.clusterName",
        "global.network",
        "global.externalIstiod",
        "global.configCluster",
        "global.remotePilotAddress",
        "global.istioNamespace",
        "istiodRemote.injectionPath",
    ),
    "gateway": ("name", "networkGateway", "revision", "service.type"),
}


def parse(config: Mapping[str, Any]) -> MeshSpec:
    """Make the spec of the configuration `{"mesh": …, "clusters": […], "sample": …}`.

    Raises:
        MeshRefusedError: with every problem that the text or the mesh it describes has.
    """
    try:
        spec = TypeAdapter(MeshSpec).validate_python(dict(config))
    except ValidationError as error:
        raise MeshRefusedError([_from_pydantic(e) for e in error.errors()]) from None
    problems = [p for rule in _RULES for p in rule(spec)]
    if problems:
        raise MeshRefusedError(problems)
    return spec


def config_path(location: tuple[int | str, ...]) -> str:
    """The path as the `pulumi config` command takes it: ("clusters", 1, "name") → isthmus:…"""
    head, *rest = location or ("",)
    return f"isthmus:{head}" + "".join(f"[{x}]" if isinstance(x, int) else f".{x}" for x in rest)


def _from_pydantic(error: ErrorDetails) -> Problem:
    missing = error["type"] == "missing"
    secret = bool(error["loc"]) and error["loc"][-1] in _SECRET_KEYS
    return Problem(
        path=config_path(error["loc"]),
        rule="is required" if missing else error["msg"],
        reason="the program reads this key and would guess otherwise"
        if missing
        else "a value that is misread here would build another mesh than the one meant",
        cure=_CURES.get(error["type"], "write a value that the rule allows"),
        value=MISSING if missing or secret else error["input"],
    )


def _there_is_a_primary(spec: MeshSpec) -> Iterator[Problem]:
    if not spec.primaries:
        yield Problem(
            "isthmus:clusters",
            "must have a cluster without `primary`",
            "a mesh needs a control plane, and a primary cluster runs it",
            "add a cluster, or remove `primary` from one",
            [c.name for c in spec.clusters],
        )


def _names_are_unique(spec: MeshSpec) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for i, cluster in enumerate(spec.clusters):
        if cluster.name in first:
            yield Problem(
                f"isthmus:clusters[{i}].name",
                f"must be unique; clusters[{first[cluster.name]}] has the same name",
                "istiod ignores the second cluster of one name without a word",
                "give one of the two another name",
                cluster.name,
            )
        first.setdefault(cluster.name, i)


def _primaries_exist(spec: MeshSpec) -> Iterator[Problem]:
    by_name = {c.name: c for c in spec.clusters}
    primaries = ", ".join(c.name for c in spec.primaries) or "none"
    for i, cluster in enumerate(spec.clusters):
        if cluster.primary is None:
            continue
        path = f"isthmus:clusters[{i}].primary"
        if cluster.primary == cluster.name:
            rule, cure = "must name another cluster", "remove it to make this cluster a primary"
        elif cluster.primary not in by_name:
            rule, cure = "must name a cluster of this mesh", f"name one of: {primaries}"
        elif by_name[cluster.primary].is_remote:
            rule = "must name a primary, and that cluster is itself a remote"
            cure = f"name one of: {primaries}"
        else:
            continue
        yield Problem(path, rule, "a remote has no control plane of its own", cure, cluster.primary)


def _control_planes_are_of_primaries(spec: MeshSpec) -> Iterator[Problem]:
    for i, cluster in enumerate(spec.clusters):
        if cluster.is_remote and cluster.control_plane is not None:
            yield Problem(
                f"isthmus:clusters[{i}].controlPlane",
                f"is only for a primary, and {cluster.name} is a remote of {cluster.primary}",
                "a remote uses the control plane of its primary",
                "remove controlPlane, or remove primary",
            )


def _exposures_can_work(spec: MeshSpec) -> Iterator[Problem]:
    for i, cluster in enumerate(spec.clusters):
        control_plane = cluster.control_plane
        path = f"isthmus:clusters[{i}].controlPlane"
        if control_plane is None or cluster.is_remote:
            continue
        if control_plane.exposure == "pod-ip":
            for remote in spec.remotes_of(cluster):
                if remote.network != cluster.network:
                    yield Problem(
                        f"{path}.exposure",
                        f"needs one network, and the remote {remote.name} is on {remote.network}",
                        f"pods of {cluster.network} cannot be reached from {remote.network}",
                        "use gateway, load-balancer or internal-load-balancer",
                        control_plane.exposure,
                    )
        internal = control_plane.exposure == "internal-load-balancer"
        if internal and not (control_plane.cloud or control_plane.annotations):
            yield Problem(
                f"{path}.cloud",
                "is required for an internal load balancer",
                "without the cloud's annotations it would stand on the internet",
                "set cloud to gke, aks or eks, or write the annotations yourself",
            )
        if not control_plane.exposure.endswith("load-balancer"):
            for key in ("cloud", "annotations"):
                if getattr(control_plane, key):
                    yield Problem(
                        f"{path}.{key}",
                        "is only for the load balancer of a control plane",
                        f"the exposure {control_plane.exposure} makes no Service for istiod",
                        f"remove {key}, or choose internal-load-balancer",
                    )


def _entries_need_primaries_on_networks_of_their_own(spec: MeshSpec) -> Iterator[Problem]:
    if spec.mesh.discovery != "entries":
        return
    for i, cluster in enumerate(spec.clusters):
        if cluster.is_remote:
            yield Problem(
                f"isthmus:clusters[{i}].primary",
                "cannot be set where isthmus:mesh.discovery is entries",
                "a remote is served by watching its API server, and entries are for not watching",
                "remove primary, or set discovery to endpoints",
                cluster.primary,
            )
        shared = [c.name for c in spec.clusters if c.network == cluster.network and c != cluster]
        if shared:
            yield Problem(
                f"isthmus:clusters[{i}].network",
                f"must be the cluster's own where discovery is entries; {shared[0]} is on it too",
                "an entry leads to another cluster's gateway, and gateways are between networks",
                "name another network, or set discovery to endpoints",
                cluster.network,
            )


def _services_are_the_same_everywhere(spec: MeshSpec) -> Iterator[Problem]:
    namespaces = {n.name for n in spec.namespaces}
    clusters = {c.name for c in spec.clusters}
    seen = set[tuple[str, str]]()
    for i, service in enumerate(spec.services):
        path = f"isthmus:services[{i}]"
        if service.namespace not in namespaces:
            yield Problem(
                f"{path}.namespace",
                "must be one of isthmus:namespaces",
                "a Service can only be in a namespace that every cluster has",
                f"add {{name: {service.namespace}}} to isthmus:namespaces",
                service.namespace,
            )
        for unknown in sorted(set(service.clusters) - clusters):
            yield Problem(
                f"{path}.clusters",
                "must name clusters of this mesh",
                "entries lead to the gateways of these clusters",
                f"name some of: {', '.join(sorted(clusters))}",
                unknown,
            )
        if (service.namespace, service.name) in seen:
            yield Problem(
                f"{path}.name",
                "must be unique in its namespace",
                "two Services of one name would take turns to overwrite each other",
                "remove one of the two",
                service.name,
            )
        seen.add((service.namespace, service.name))
    for i, namespace in enumerate(spec.namespaces):
        if namespace.name in (spec.mesh.istio.namespace, "sample"):
            yield Problem(
                f"isthmus:namespaces[{i}].name",
                "must not be a namespace that the mesh itself makes",
                "it would be made twice in one cluster",
                "remove it",
                namespace.name,
            )


def _injection_is_where_gateways_are(spec: MeshSpec) -> Iterator[Problem]:
    for i, cluster in enumerate(spec.clusters):
        if cluster.injection == "manual" and spec.has_gateway(cluster):
            yield Problem(
                f"isthmus:clusters[{i}].injection",
                f"must be automatic, because {cluster.name} has a gateway",
                "the image of a gateway's pod is put in by the injection webhook",
                "set it to automatic, or put the cluster on its primary's network and expose the "
                "control plane by a load balancer",
                cluster.injection,
            )


def _gateway_ports_are_free(spec: MeshSpec) -> Iterator[Problem]:
    taken = {15021: "health checks", 15012: "the control plane", 15017: "webhooks"}
    if spec.mesh.gateways.pods == "ingress":
        taken[80] = "ingress"
    port = spec.mesh.gateways.port
    if port in taken:
        yield Problem(
            "isthmus:mesh.gateways.port",
            f"must not be a port that the gateway uses for {taken[port]}",
            "one port of a Service leads to one place",
            "use 15443, or 443 on the ingress gateway",
            port,
        )


_GONE: Mapping[str, str] = {
    "global.meshExpansion": "isthmus:clusters[].controlPlane exposes the control plane",
    "global.remotePolicyAddress": "Mixer is gone since Istio 1.8; policies are in the sidecars",
    "global.remoteTelemetryAddress": "Mixer is gone since Istio 1.8; sidecars tell metrics",
    "global.policyEndpoint": "Mixer is gone since Istio 1.8; policies are in the sidecars",
    "global.statsdEndpoint": "sidecars tell metrics to Prometheus",
    "global.pilotEndpoint": "the address comes from isthmus:clusters[].controlPlane",
    "global.createRemoteSvcEndpoints": "the chart makes Service and EndpointSlice by itself",
    "global.remotePilotCreateSvcEndpoint": "the chart makes Service and EndpointSlice by itself",
    "global.controlPlaneSecurityEnabled": "xDS is always by TLS",
    "global.mtls": "isthmus:mesh.mtls",
    "global.meshNetworks": "isthmus:mesh.gateways.announcedBy: mesh-networks",
    "multiCluster.connectUsingGateway": "clusters on different networks get gateways",
    "security.selfSigned": "every cluster gets an intermediate of one root",
    "sidecarInjectorWebhook.enabled": "isthmus:clusters[].injection",
    "autoInjection.enabled": "isthmus:clusters[].injection",
    "gateways.enabled": "clusters on different networks get gateways",
    "mixer": "Mixer is gone since Istio 1.8",
    "tiller": "Helm has had no Tiller since version 3",
}


def _values_are_not_of_old_istios(spec: MeshSpec) -> Iterator[Problem]:
    for chart in ("base", "istiod", "gateway"):
        for key, instead in _GONE.items():
            if _reaches(getattr(spec.mesh.istio.values, chart), key):
                yield Problem(
                    f"isthmus:mesh.istio.values.{chart}.{key}",
                    f"does not exist in Istio {spec.mesh.istio.version}",
                    "the chart would ignore it, and the mesh would not be the one meant",
                    f"remove it: {instead}",
                )


def _names_are_not_istios_default(spec: MeshSpec) -> Iterator[Problem]:
    for i, cluster in enumerate(spec.clusters):
        if cluster.name == "kubernetes":
            yield Problem(
                f"isthmus:clusters[{i}].name",
                "must not be Istio's default cluster ID",
                "a proxy without a cluster ID would be taken for one of this cluster",
                "name the cluster after its place or purpose",
                cluster.name,
            )


def _values_do_not_contradict(spec: MeshSpec) -> Iterator[Problem]:
    values = spec.mesh.istio.values
    for chart, derived in _CHART_KEYS_DERIVED.items():
        for key in derived:
            if _reaches(getattr(values, chart), key):
                yield Problem(
                    f"isthmus:mesh.istio.values.{chart}.{key}",
                    "is derived from the clusters and cannot be set",
                    "written twice, the two would disagree one day and the mesh break silently",
                    "remove it; names, networks and roles stand in isthmus:clusters",
                )


def _reaches(values: Mapping[str, Any], key: str) -> bool:
    """Whether the nested mapping has the dotted key; `pilot.x` is Helm's old name for `x`."""
    for root in (values, values.get("pilot")):
        here: Any = root
        for part in key.split("."):
            if not isinstance(here, Mapping) or part not in here:
                break
            here = cast("Mapping[str, Any]", here)[part]
        else:
            return True
    return False


_RULES: tuple[Callable[[MeshSpec], Iterator[Problem]], ...] = (
    _there_is_a_primary,
    _names_are_unique,
    _names_are_not_istios_default,
    _primaries_exist,
    _control_planes_are_of_primaries,
    _exposures_can_work,
    _entries_need_primaries_on_networks_of_their_own,
    _services_are_the_same_everywhere,
    _injection_is_where_gateways_are,
    _gateway_ports_are_free,
    _values_do_not_contradict,
    _values_are_not_of_old_istios,
)
