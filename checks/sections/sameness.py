"""Namespaces and Services that every cluster must have, because callers resolve names there."""

from collections.abc import Iterator
from functools import partial

from checks import paths
from checks.model import Check, Finding, failed, ok
from checks.view import Json, Mesh, View
from components import names
from picture.state import Part
from spec.mesh import Cluster, MeshSpec


def _network(_mesh: Mesh, view: View) -> Iterator[Finding]:
    namespace = view.get(f"/api/v1/namespaces/{view.namespace}")
    found = namespace["metadata"].get("labels", {}).get(names.NETWORK)
    if found != view.cluster.network:
        yield failed(
            f"the label {names.NETWORK} of namespace {view.namespace} is {found!r}, not "
            f"{view.cluster.network!r}",
            "istiod uses it as the network of pods without one, so other clusters connect to "
            "addresses that they cannot reach. `pulumi up --refresh` sets it",
            Part("cluster", view.name),
        )
    else:
        yield ok(view.cluster.network)


def _namespaces(mesh: Mesh, view: View) -> Iterator[Finding]:
    wanted = paths.namespaces(mesh)
    for name, labels in wanted.items():
        namespace = view.find(f"/api/v1/namespaces/{name}")
        if namespace is None:
            yield failed(
                f"namespace {name} does not exist",
                "callers here cannot resolve names in it. `pulumi up --refresh` creates it",
                Part("cluster", view.name),
            )
            continue
        if namespace["status"].get("phase") == "Terminating":
            yield failed(
                f"namespace {name} is Terminating: {_held(namespace)}",
                "no object can be created in it until the listed ones are gone. Delete them, or "
                "their finalizers, then `pulumi up --refresh` creates the namespace again",
                Part("cluster", view.name),
            )
            continue
        found = namespace["metadata"].get("labels", {})
        if other := [k for k, v in labels.items() if found.get(k) != v]:
            yield failed(
                f"namespace {name} has "
                + ", ".join(f"{k}={found.get(k, '')!r}, not {labels[k]!r}" for k in other),
                "its pods are injected differently than in other clusters. `pulumi up --refresh` "
                "sets the labels; then restart the workloads",
                Part("cluster", view.name),
            )
        else:
            yield ok(name)


def _held(namespace: Json) -> str:
    """Return why a namespace is not deleted yet, as Kubernetes reports it."""
    conditions = namespace["status"].get("conditions", [])
    reasons = [c["message"] for c in conditions if c["status"] == "True"]
    return "; ".join(reasons) or "its content is being deleted"


def _services(mesh: Mesh, view: View) -> Iterator[Finding]:
    for service, ports in paths.services(mesh).items():
        namespace, _, name = service.partition("/")
        found = view.find(f"/api/v1/namespaces/{namespace}/services/{name}")
        if found is None:
            yield failed(
                f"Service {service} does not exist",
                "callers here get NXDOMAIN, wherever its pods run. `pulumi up --refresh` creates "
                "it",
                Part("cluster", view.name),
            )
            continue
        own = sorted(p["port"] for p in found["spec"].get("ports", []))
        if own != sorted(ports):
            yield failed(
                f"Service {service} has the ports {own}, but {sorted(ports)} elsewhere",
                "istiod merges endpoints by the name and number of the port. Make them equal in "
                "every cluster",
                Part("cluster", view.name),
            )
        else:
            yield ok(service)


def _by_labels(spec: MeshSpec, _cluster: Cluster) -> bool:
    return spec.mesh.gateways.announced_by == "labels"


_check = partial(Check, "sameness")

CHECKS = (
    _check(
        1601,
        "same-network",
        "Istio's namespace has the network's label",
        _network,
        _by_labels,
    ),
    _check(1602, "same-namespaces", "shared namespaces exist", _namespaces),
    _check(1603, "same-services", "shared Services exist", _services),
)
