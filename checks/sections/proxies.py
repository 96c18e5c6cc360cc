"""Checks of the sidecars and gateways that run: identity, connection, and pods without one."""

from collections.abc import Iterator, Sequence
from functools import partial

from checks import istiod
from checks.model import Check, Finding, every, failed, ok, warning
from checks.view import Json, Mesh, View
from components import names
from picture.state import Part

_IDENTITY = ("ISTIO_META_CLUSTER_ID", "ISTIO_META_NETWORK")


def sidecar(pod: Json) -> Json | None:
    """Return the container of a pod's proxy; None if it has none."""
    containers = [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]
    return next((c for c in containers if c["name"] == names.PROXY), None)


def wrong_identity(view: View, proxy: Json) -> str:
    """Return how a proxy's identity differs from its cluster's; empty if it does not."""
    environment = {e["name"]: e.get("value", "") for e in proxy.get("env", [])}
    wanted = dict(zip(_IDENTITY, (view.name, view.cluster.network), strict=True))
    return ", ".join(
        f"{key} {environment.get(key)!r}, not {value!r}"
        for key, value in wanted.items()
        if environment.get(key) != value
    )


def _injected(view: View) -> Sequence[Json]:
    pods = view.pods(labelSelector=names.INJECTED)
    return [p for p in pods if _runs(p) and sidecar(p) is not None]


def _runs(pod: Json) -> bool:
    return pod["status"]["phase"] == "Running"


def _name(pod: Json) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _identity(_mesh: Mesh, view: View) -> Iterator[Finding]:
    pods = _injected(view)
    foreign = {
        _name(p): problem
        for p in pods
        if (proxy := sidecar(p)) is not None and (problem := wrong_identity(view, proxy))
    }
    if foreign:
        first = next(iter(foreign))
        yield failed(
            f"{len(foreign)} of {len(pods)} proxies have the wrong identity; {first} has "
            f"{foreign[first]}",
            "other clusters look for them in another network or cluster. Their identity was set "
            "at injection: restart their workloads when injection-works passes",
            Part("cluster", view.name),
        )
    else:
        yield ok(f"{len(pods)} proxies")


def _connected(mesh: Mesh, view: View) -> Iterator[Finding]:
    """Check that every proxy is connected to istiod and has its version."""
    primary = mesh.control_plane_of(view)
    version = istiod.version(primary)
    known = {
        str(p["proxy"]): str(p.get("istio_version", ""))
        for p in istiod.proxies(primary)
        if p.get("cluster_id") == view.name
    }
    pods = [f"{p['metadata']['name']}.{p['metadata']['namespace']}" for p in _injected(view)]
    part = istiod.part_of(mesh, view)
    if absent := [p for p in pods if p not in known]:
        yield failed(
            f"{len(absent)} of {len(pods)} proxies are not connected to istiod of {primary.name}: "
            f"{', '.join(absent[:5])}",
            "they keep their last configuration indefinitely. See their logs: kubectl --context "
            f"{view.name} -n {absent[0].partition('.')[2]} logs {absent[0].partition('.')[0]} -c "
            f"{names.PROXY}",
            part,
        )
    if former := sorted({v for p, v in known.items() if p in pods and v != version}):
        yield warning(
            f"istiod has version {version}, but there are proxies of {', '.join(former)}",
            "restart their workloads. Istio supports proxies that are one minor version older",
        )
    if not absent and not former:
        yield ok(f"{len(pods)} proxies of {version}")


def _sidecars(_mesh: Mesh, view: View) -> Iterator[Finding]:
    bare = list[str]()
    for namespace in view.items("/api/v1/namespaces", labelSelector=f"{names.INJECTION}=enabled"):
        name = namespace["metadata"]["name"]
        bare += [
            _name(p) for p in view.pods(name) if _runs(p) and sidecar(p) is None and not _excused(p)
        ]
    if bare:
        yield warning(
            f"{len(bare)} pods in injected namespaces have no sidecar: {', '.join(bare[:5])}",
            "no other network reaches them, and under strict mTLS no client does. They started "
            "while injection did not work: restart their workloads",
        )
    else:
        yield ok("no pod without one")


def _excused(pod: Json) -> bool:
    metadata = pod["metadata"]
    marks = {**metadata.get("annotations", {}), **metadata.get("labels", {})}
    return marks.get(names.INJECT) == "false" or bool(pod["spec"].get("hostNetwork"))


_check = partial(Check, "injection")

CHECKS = (
    _check(1505, "proxy-identity", "proxies have the right cluster and network", _identity),
    _check(
        1506,
        "proxy-connected",
        "proxies are connected and of istiod's version",
        _connected,
        every,
        ("istiod-ready",),
    ),
    _check(1507, "proxy-missing", "pods of injected namespaces have sidecars", _sidecars),
)
