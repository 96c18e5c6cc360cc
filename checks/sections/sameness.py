"""What must be in every cluster, because a caller looks names up in its own."""

from collections.abc import Iterator

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
            "istiod takes it for the network of pods that do not tell theirs, so other clusters "
            "dial addresses that they cannot reach; `pulumi up --refresh` sets it",
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
                f"namespace {name} is not there",
                "a caller here cannot resolve the names in it; `pulumi up --refresh` makes it",
                Part("cluster", view.name),
            )
            continue
        if namespace["status"].get("phase") == "Terminating":
            yield failed(
                f"namespace {name} is Terminating: {_held(namespace)}",
                "nothing new can be made in it until what it says is gone; remove that, or the "
                "finalizers on it, and `pulumi up --refresh` makes the namespace again",
                Part("cluster", view.name),
            )
            continue
        found = namespace["metadata"].get("labels", {})
        if other := [k for k, v in labels.items() if found.get(k) != v]:
            yield failed(
                f"namespace {name} has "
                + ", ".join(f"{k}={found.get(k, '')!r}, not {labels[k]!r}" for k in other),
                "its pods are injected here otherwise than elsewhere; `pulumi up --refresh` sets "
                "it, and the workloads need a restart",
                Part("cluster", view.name),
            )
        else:
            yield ok(name)


def _held(namespace: Json) -> str:
    """What holds a namespace, in Kubernetes' own words."""
    conditions = namespace["status"].get("conditions", [])
    said = [c["message"] for c in conditions if c["status"] == "True"]
    return "; ".join(said) or "its content is being removed"


def _services(mesh: Mesh, view: View) -> Iterator[Finding]:
    for service, ports in paths.services(mesh).items():
        namespace, _, name = service.partition("/")
        found = view.find(f"/api/v1/namespaces/{namespace}/services/{name}")
        if found is None:
            yield failed(
                f"Service {service} is not there",
                "callers here get NXDOMAIN, wherever its pods run; `pulumi up --refresh` makes it",
                Part("cluster", view.name),
            )
            continue
        own = sorted(p["port"] for p in found["spec"].get("ports", []))
        if own != sorted(ports):
            yield failed(
                f"Service {service} has the ports {own}, and elsewhere {sorted(ports)}",
                "istiod joins the endpoints of ports with one name and number; make them equal in "
                "every cluster",
                Part("cluster", view.name),
            )
        else:
            yield ok(service)


def _by_labels(spec: MeshSpec, _cluster: Cluster) -> bool:
    return spec.mesh.gateways.announced_by == "labels"


CHECKS = (
    Check(
        1601,
        "same-network",
        "sameness",
        "Istio's namespace names the network",
        _network,
        _by_labels,
    ),
    Check(1602, "same-namespaces", "sameness", "shared namespaces are here", _namespaces),
    Check(1603, "same-services", "sameness", "shared Services are here", _services),
)
