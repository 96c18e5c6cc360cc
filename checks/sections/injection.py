"""Whether new pods get a sidecar that belongs here, and running ones have it."""

import base64
from collections.abc import Iterator, Sequence

from checks import certificates, istiod, paths
from checks.model import Check, Finding, every, failed, injected, ok, primaries, warning
from checks.view import Json, Mesh, View
from components import names
from kube.api import UnansweredError
from picture.state import Part

_WEBHOOKS = "/apis/admissionregistration.k8s.io/v1"
# Every pod that was injected has it (pkg/kube/inject/webhook.go in istio/istio).
_INJECTED = "service.istio.io/canonical-name"
_IDENTITY = ("ISTIO_META_CLUSTER_ID", "ISTIO_META_NETWORK")


def _configuration(view: View) -> Json | None:
    name = names.injector(view.namespace)
    return view.find(f"{_WEBHOOKS}/mutatingwebhookconfigurations/{name}")


def _validators(view: View) -> Sequence[Json]:
    found = view.items(f"{_WEBHOOKS}/validatingwebhookconfigurations")
    ours = ("istiod-default-validator", f"istio-validator-{view.namespace}")
    return [w for w in found if w["metadata"]["name"] in ours]


def _part(mesh: Mesh, view: View) -> Part:
    if view.cluster.is_remote:
        return Part("control-plane", view.name)
    return Part("istiod", mesh.control_plane_of(view).name)


def _webhook(mesh: Mesh, view: View) -> Iterator[Finding]:
    """The injector's configuration leads to this cluster's istiod, by the right path."""
    configuration = _configuration(view)
    if configuration is None:
        yield failed(
            f"there is no webhook {names.injector(view.namespace)}",
            "no pod gets a sidecar; `pulumi up --refresh` makes it",
            _part(mesh, view),
        )
        return
    client = configuration["webhooks"][0]["clientConfig"]
    path = names.injection_path(cluster=view.name, network=view.cluster.network)
    service = client.get("service")
    if service is None:
        yield ok(f"asks {client.get('url')}")
        return
    target = f"{service['namespace']}/{service['name']}"
    endpoints = paths.endpoints(view, target)
    if not endpoints:
        yield failed(
            f"the injector's webhook asks the Service {target}, which leads nowhere",
            "new pods are refused, or start without a sidecar. In a primary see istiod-ready, in a "
            "remote istiod-address",
            _part(mesh, view),
        )
    elif view.cluster.is_remote and service.get("path") != path:
        yield failed(
            f"the injector's webhook asks for {service.get('path')}, and the cluster's path is "
            f"{path}",
            "new pods would be told that they are in another cluster or network, and get no "
            "traffic; `pulumi up --refresh` sets it",
            _part(mesh, view),
        )
    else:
        yield ok(f"asks {target}")
    revision = configuration["metadata"].get("labels", {}).get(names.REVISION, "default")
    if lax := [w["name"] for w in configuration["webhooks"] if w["failurePolicy"] != "Fail"]:
        yield warning(
            f"failurePolicy is not Fail (revision {revision}): {', '.join(lax)}",
            "a pod that starts while istiod is away gets no sidecar, without a word",
        )


def _bundle(mesh: Mesh, view: View) -> Iterator[Finding]:
    root = certificates.read(mesh.description.root)
    injector = None if view.cluster.injection == "manual" else _configuration(view)
    # The validators of a remote are for nobody: its configuration is in its primary.
    validators = [] if view.cluster.is_remote else _validators(view)
    configurations = [c for c in (injector, *validators) if c is not None]
    for configuration in configurations:
        name = configuration["metadata"]["name"]
        other = {
            _shown(w["clientConfig"].get("caBundle", ""))
            for w in configuration["webhooks"]
            if certificates.read(_pem(w["clientConfig"].get("caBundle", ""))) != root
        }
        if other:
            yield failed(
                f"the CA bundle of {name} is {', '.join(sorted(other))}, not the mesh's root",
                "the API server refuses istiod's certificate (x509: certificate signed by unknown "
                "authority), so no pod and no object of Istio's is taken. istiod writes the bundle "
                "when it starts, and in a remote when it reads the cluster: see remote-registry; "
                f"then: kubectl --context {mesh.control_plane_of(view).name} -n {view.namespace} "
                "rollout restart deploy/istiod",
                _part(mesh, view),
            )
        else:
            yield ok(f"{name}")


def _pem(bundle: str) -> str:
    return base64.b64decode(bundle).decode(errors="replace")


def _shown(bundle: str) -> str:
    found = certificates.read(_pem(bundle))
    return ", ".join(map(certificates.name, found)) if found else "empty"


def _works(mesh: Mesh, view: View) -> Iterator[Finding]:
    """A pod is sent as a dry run: the whole way from the API server to istiod and back."""
    namespace = next(
        (
            n
            for n, labels in paths.namespaces(mesh).items()
            if labels.get(names.INJECTION) == "enabled"
        ),
        "default",
    )
    try:
        pod = view.post(
            f"/api/v1/namespaces/{namespace}/pods?dryRun=All", _pod(mesh.spec.images.client)
        )
    except UnansweredError as error:
        yield failed(
            f"a new pod is refused: {error}",
            "x509: see injection-bundle. No endpoints, refused, or a deadline: the API server does "
            "not reach istiod on 15017; on GKE's private clusters a firewall rule must let it, see "
            "docs/checks.md",
            _part(mesh, view),
        )
        return
    proxy = _proxy(pod)
    if proxy is None:
        yield failed(
            f"a new pod in {namespace} gets no sidecar",
            "the webhook did not take it: see injection-webhook, and the labels of the namespace",
            _part(mesh, view),
        )
    elif problem := _foreign(view, proxy):
        yield failed(
            f"a new pod is told {problem}",
            "the injection path must name this cluster and its network: see injection-webhook",
            _part(mesh, view),
        )
    else:
        yield ok(f"a pod in {namespace} would get a sidecar of {view.cluster.network}")


def _pod(image: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "isthmus-check-",
            "labels": {names.INJECT: "true"},
        },
        "spec": {"containers": [{"name": "none", "image": image}]},
    }


def _proxy(pod: Json) -> Json | None:
    containers = [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]
    return next((c for c in containers if c["name"] == names.PROXY), None)


def _foreign(view: View, proxy: Json) -> str:
    """In what a proxy differs from its cluster; empty if in nothing."""
    told = {e["name"]: e.get("value", "") for e in proxy.get("env", [])}
    wanted = dict(zip(_IDENTITY, (view.name, view.cluster.network), strict=True))
    return ", ".join(
        f"{key} {told.get(key)!r}, not {value!r}"
        for key, value in wanted.items()
        if told.get(key) != value
    )


def _injected(view: View) -> Sequence[Json]:
    pods = view.pods(labelSelector=_INJECTED)
    return [p for p in pods if _runs(p) and _proxy(p) is not None]


def _runs(pod: Json) -> bool:
    return pod["status"]["phase"] == "Running"


def _name(pod: Json) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _identity(_mesh: Mesh, view: View) -> Iterator[Finding]:
    pods = _injected(view)
    foreign = {
        _name(p): problem
        for p in pods
        if (proxy := _proxy(p)) is not None and (problem := _foreign(view, proxy))
    }
    if foreign:
        first = next(iter(foreign))
        yield failed(
            f"{len(foreign)} of {len(pods)} proxies, {first} first, have {foreign[first]}",
            "others look for them in another network or cluster. They keep what they were injected "
            "with: restart their workloads when injection-works is well",
            Part("cluster", view.name),
        )
    else:
        yield ok(f"{len(pods)} proxies")


def _sidecars(_mesh: Mesh, view: View) -> Iterator[Finding]:
    bare = list[str]()
    for namespace in view.items("/api/v1/namespaces", labelSelector=f"{names.INJECTION}=enabled"):
        name = namespace["metadata"]["name"]
        bare += [
            _name(p) for p in view.pods(name) if _runs(p) and _proxy(p) is None and not _excused(p)
        ]
    if bare:
        yield warning(
            f"{len(bare)} pods in injected namespaces have no sidecar: {', '.join(bare[:5])}",
            "no other network reaches them, and under strict mTLS nobody does. They started while "
            "injection did not work: restart their workloads",
        )
    else:
        yield ok("no pod without one")


def _excused(pod: Json) -> bool:
    metadata = pod["metadata"]
    said = {**metadata.get("annotations", {}), **metadata.get("labels", {})}
    return said.get(names.INJECT) == "false" or bool(pod["spec"].get("hostNetwork"))


def _connected(mesh: Mesh, view: View) -> Iterator[Finding]:
    """Every proxy has the ear of istiod, and its version."""
    primary = mesh.control_plane_of(view)
    version = istiod.version(primary)
    known = {
        str(p["proxy"]): str(p.get("istio_version", ""))
        for p in istiod.proxies(primary)
        if p.get("cluster_id") == view.name
    }
    pods = [f"{p['metadata']['name']}.{p['metadata']['namespace']}" for p in _injected(view)]
    part = _part(mesh, view)
    if absent := [p for p in pods if p not in known]:
        yield failed(
            f"{len(absent)} of {len(pods)} proxies are not connected to istiod of {primary.name}: "
            f"{', '.join(absent[:5])}",
            "they go on with what they knew, for ever. Their logs say why: kubectl --context "
            f"{view.name} -n {absent[0].partition('.')[2]} logs {absent[0].partition('.')[0]} -c "
            f"{names.PROXY}",
            part,
        )
    if former := sorted({v for p, v in known.items() if p in pods and v != version}):
        yield warning(
            f"istiod is {version}, and there are proxies of {', '.join(former)}",
            "restart their workloads; Istio supports proxies one minor version older",
        )
    if not absent and not former:
        yield ok(f"{len(pods)} proxies of {version}")


def _validates(mesh: Mesh, view: View) -> Iterator[Finding]:
    """An object of Istio's that makes no sense is refused, by istiod and not by its schema."""
    path = f"/apis/networking.istio.io/v1/namespaces/{view.namespace}/gateways?dryRun=All"
    nonsense = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"generateName": "isthmus-check-"},
        "spec": {"servers": []},
    }
    try:
        view.post(path, nonsense)
    except UnansweredError as error:
        if error.status == 400 and "denied the request" in str(error):
            yield ok("nonsense is refused")
        else:
            yield failed(
                f"the API server cannot ask istiod: {error}",
                "no object of Istio's can be written. x509: see injection-bundle; else see "
                "istiod-ready, and whether the API server reaches istiod on 15017",
                _part(mesh, view),
            )
    else:
        yield warning(
            "a Gateway without servers is taken",
            "mistakes in Istio's objects are not seen: the validating webhook is missing, or its "
            f"failurePolicy is Ignore; `pulumi up --refresh` in {view.name} sets it",
        )


CHECKS = (
    Check(
        1501,
        "injection-webhook",
        "injection",
        "the webhook leads to istiod",
        _webhook,
        injected,
        ("istiod-ready",),
    ),
    Check(1502, "injection-bundle", "injection", "webhooks trust the common root", _bundle),
    Check(
        1503,
        "injection-works",
        "injection",
        "a new pod gets a sidecar",
        _works,
        injected,
        ("istiod-ready",),
    ),
    Check(
        1504,
        "validation-works",
        "injection",
        "istiod is asked about Istio's objects",
        _validates,
        primaries,
        ("istiod-ready",),
    ),
    Check(1505, "proxy-identity", "injection", "proxies know cluster and network", _identity),
    Check(
        1506,
        "proxy-connected",
        "injection",
        "proxies are connected and of istiod's version",
        _connected,
        every,
        ("istiod-ready",),
    ),
    Check(
        1507, "proxy-missing", "injection", "pods of injected namespaces have sidecars", _sidecars
    ),
)
