"""Checks that new pods get the right sidecar, and that istiod validates objects."""

import base64
from collections.abc import Iterator, Sequence
from functools import partial

from checks import certificates, istiod, paths
from checks.model import Check, Finding, failed, injected, ok, primaries, warning
from checks.sections.proxies import sidecar, wrong_identity
from checks.view import Json, Mesh, View
from components import names
from kube.api import UnansweredError
from spec.rules.certificates import read_pem

_WEBHOOKS = "/apis/admissionregistration.k8s.io/v1"


def _configuration(view: View) -> Json | None:
    name = names.injector(view.namespace)
    return view.find(f"{_WEBHOOKS}/mutatingwebhookconfigurations/{name}")


def _validators(view: View) -> Sequence[Json]:
    found = view.items(f"{_WEBHOOKS}/validatingwebhookconfigurations")
    ours = ("istiod-default-validator", f"istio-validator-{view.namespace}")
    return [w for w in found if w["metadata"]["name"] in ours]


def _webhook(mesh: Mesh, view: View) -> Iterator[Finding]:
    """Check that the injector's webhook leads to this cluster's istiod, with the right path."""
    configuration = _configuration(view)
    if configuration is None:
        yield failed(
            f"there is no webhook {names.injector(view.namespace)}",
            "no pod gets a sidecar. `pulumi up --refresh` creates it",
            istiod.part_of(mesh, view),
        )
        return
    client = configuration["webhooks"][0]["clientConfig"]
    path = names.injection_path(cluster=view.name, network=view.cluster.network)
    service = client.get("service")
    if service is None:
        yield ok(f"calls {client.get('url')}")
        return
    target = f"{service['namespace']}/{service['name']}"
    endpoints = paths.endpoints(view, target)
    if not endpoints:
        yield failed(
            f"the injector's webhook calls the Service {target}, which has no endpoints",
            "new pods are refused, or start without a sidecar. In a primary see istiod-ready, in a "
            "remote istiod-address",
            istiod.part_of(mesh, view),
        )
    elif view.cluster.is_remote and service.get("path") != path:
        yield failed(
            f"the injector's webhook has the path {service.get('path')}, but the cluster's is "
            f"{path}",
            "new pods would be assigned to another cluster or network, and receive no traffic. "
            "`pulumi up --refresh` sets it",
            istiod.part_of(mesh, view),
        )
    else:
        yield ok(f"calls {target}")
    revision = configuration["metadata"].get("labels", {}).get(names.REVISION, "default")
    if lax := [w["name"] for w in configuration["webhooks"] if w["failurePolicy"] != "Fail"]:
        yield warning(
            f"failurePolicy is not Fail (revision {revision}): {', '.join(lax)}",
            "a pod that starts while istiod is unavailable silently gets no sidecar",
        )


def _bundle(mesh: Mesh, view: View) -> Iterator[Finding]:
    root = read_pem(mesh.description.root)
    injector = None if view.cluster.injection == "manual" else _configuration(view)
    # A remote's validators have no use: its configuration is in its primary.
    validators = [] if view.cluster.is_remote else _validators(view)
    configurations = [c for c in (injector, *validators) if c is not None]
    for configuration in configurations:
        name = configuration["metadata"]["name"]
        other = {
            _shown(w["clientConfig"].get("caBundle", ""))
            for w in configuration["webhooks"]
            if read_pem(_pem(w["clientConfig"].get("caBundle", ""))) != root
        }
        if other:
            yield failed(
                f"the CA bundle of {name} is {', '.join(sorted(other))}, not the mesh's root",
                "the API server does not trust istiod's certificate (x509: certificate signed by "
                "unknown authority), so it refuses new pods and Istio's objects. istiod writes the "
                "bundle when it starts, and in a remote when it connects to it: see "
                f"remote-registry, then: kubectl --context {mesh.control_plane_of(view).name} -n "
                f"{view.namespace} "
                "rollout restart deploy/istiod",
                istiod.part_of(mesh, view),
            )
        else:
            yield ok(f"{name}")


def _pem(bundle: str) -> str:
    return base64.b64decode(bundle).decode(errors="replace")


def _shown(bundle: str) -> str:
    found = read_pem(_pem(bundle))
    return ", ".join(map(certificates.name, found)) if found else "empty"


def _works(mesh: Mesh, view: View) -> Iterator[Finding]:
    """Send a pod as a dry run, which tests the whole path from the API server to istiod."""
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
            "x509: see injection-bundle. No endpoints, connection refused, or a deadline: the API "
            "server does not reach istiod on 15017. On private GKE clusters a firewall rule must "
            "allow it, see docs/checks.md",
            istiod.part_of(mesh, view),
        )
        return
    proxy = sidecar(pod)
    if proxy is None:
        yield failed(
            f"a new pod in {namespace} gets no sidecar",
            "the webhook does not match it: see injection-webhook, and the namespace's labels",
            istiod.part_of(mesh, view),
        )
    elif problem := wrong_identity(view, proxy):
        yield failed(
            f"a new pod gets {problem}",
            "the injection path must name this cluster and its network: see injection-webhook",
            istiod.part_of(mesh, view),
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


def _validates(mesh: Mesh, view: View) -> Iterator[Finding]:
    """Check that istiod refuses an invalid object which its schema permits."""
    path = f"/apis/networking.istio.io/v1/namespaces/{view.namespace}/gateways?dryRun=All"
    invalid = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"generateName": "isthmus-check-"},
        "spec": {"servers": []},
    }
    try:
        view.post(path, invalid)
    except UnansweredError as error:
        if error.status == 400 and "denied the request" in str(error):
            yield ok("an invalid object is refused")
        else:
            yield failed(
                f"the API server cannot call istiod: {error}",
                "Istio's objects cannot be written. x509: see injection-bundle. Otherwise see "
                "istiod-ready, and check that the API server reaches istiod on 15017",
                istiod.part_of(mesh, view),
            )
    else:
        yield warning(
            "a Gateway without servers is accepted",
            "mistakes in Istio's objects are not detected: the validating webhook is missing, or "
            f"its failurePolicy is Ignore. `pulumi up --refresh` corrects it in {view.name}",
        )


_check = partial(Check, "injection")

CHECKS = (
    _check(
        1501,
        "injection-webhook",
        "the webhook leads to istiod",
        _webhook,
        injected,
        ("istiod-ready",),
    ),
    _check(1502, "injection-bundle", "webhooks trust the common root", _bundle),
    _check(
        1503,
        "injection-works",
        "a new pod gets a sidecar",
        _works,
        injected,
        ("istiod-ready",),
    ),
    _check(
        1504,
        "validation-works",
        "istiod validates Istio's objects",
        _validates,
        primaries,
        ("istiod-ready",),
    ),
)
