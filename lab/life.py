"""Operations in the life of a mesh, each one an edit and an update, with every request counted.

The tests claim that none failed; `python -m bench.life` prints the figures.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kube import kubeconfig
from lab.live import LiveMesh, until
from lab.load import Load, Report
from preflight import holders
from preflight.facts import Holder
from spec import config

_PATIENCE_SECONDS = 420
"""The kubelet writes a changed Secret to istiod's volume within two minutes on an idle machine."""


@dataclass(frozen=True)
class Step:
    """One edit, and what shows that the mesh has followed it."""

    name: str
    edit: Mapping[str, Any]
    """The keys that are changed, with their new values."""
    configured: dict[str, Any]
    """The whole configuration after it."""
    followed: Callable[[], bool]


@dataclass(frozen=True)
class Cost:
    """What a step has cost."""

    update: float
    """Seconds of `pulumi up`."""
    followed: float
    """Seconds from its begin until the whole mesh had followed."""
    requests: Report


def load_on(mesh: LiveMesh, given: dict[str, Any]) -> Load:
    """A load from every cluster of the configuration to every version."""
    spec = config.parse(given)
    versions = [f"v{i}" for i, _ in enumerate(spec.clusters, 1)]
    return Load(mesh.lab.clusters, versions, [p.name for p in spec.primaries])


def take(mesh: LiveMesh, load: Load, step: Step) -> Cost:
    """Run the update of a step, and wait until the mesh has followed."""
    load.mark()
    begin = time.monotonic()
    mesh.up(step.configured)
    update = time.monotonic() - begin
    until(f"{step.name}: the mesh to follow", step.followed, _PATIENCE_SECONDS)
    return Cost(update, time.monotonic() - begin, load.report())


def root_steps(given: dict[str, Any], former: str, new: str) -> Iterator[Step]:
    """The three updates from one created root to another, by their names."""
    both = [{"name": former}, {"name": new}]
    before = {h.shows for h in _holders(given) if h.shows}

    def shows(trusted: int, is_new: bool) -> bool:
        held = _holders(given)
        shown = {h.shows for h in held if h.shows}
        return (
            not any(h.unknown for h in held)
            and {len(h.trusts) for h in held if h.trusts} == {trusted}
            and (len(shown) == 1 and shown.isdisjoint(before) if is_new else shown == before)
        )

    stages: tuple[tuple[str, dict[str, Any], Callable[[], bool]], ...] = (
        ("trust both roots", {"roots": both, "signs": former}, lambda: shows(2, False)),
        ("sign with the new root", {"roots": both, "signs": new}, lambda: shows(2, True)),
        ("trust the new root alone", {"roots": both[1:]}, lambda: shows(1, True)),
    )
    for name, ca, followed in stages:
        configured = {**given, "mesh": {**given["mesh"], "ca": ca}}
        yield Step(name, {"isthmus:mesh.ca": ca}, configured, followed)


def token_step(mesh: LiveMesh, given: dict[str, Any], cluster: str, generation: int) -> Step:
    """Another token for the clusters that read a cluster."""
    (i,) = (i for i, c in enumerate(given["clusters"]) if c["name"] == cluster)
    clusters = [dict(c) for c in given["clusters"]]
    clusters[i]["tokenGeneration"] = generation
    readers = [p.name for p in config.parse(given).primaries if p.name != cluster]

    def synced() -> bool:
        return all(set(mesh.remote_clusters(r).values()) == {"synced"} for r in readers)

    edit = {f"isthmus:clusters[{i}].tokenGeneration": generation}
    return Step(f"another token of {cluster}", edit, {**given, "clusters": clusters}, synced)


def upgrade_step(mesh: LiveMesh, given: dict[str, Any], version: str) -> Step:
    """Another version of Istio, with the charts of the same repository."""
    istio = {**given["mesh"]["istio"], "version": version}
    configured = {**given, "mesh": {**given["mesh"], "istio": istio}}
    namespace = config.parse(given).mesh.istio.namespace

    def only_the_new_one_runs() -> bool:
        pods = ("-n", namespace, "get", "pods", "-l", "app in (istiod, istio-eastwestgateway)")
        images = ("-o", "jsonpath={.items[*].spec.containers[*].image}")
        return all(
            image.endswith(f":{version}")
            for cluster in given["clusters"]
            for image in mesh.kubectl(cluster["name"], *pods, *images).split()
        )

    edit = {"isthmus:mesh.istio.version": version}
    return Step(f"upgrade Istio to {version}", edit, configured, only_the_new_one_runs)


def _holders(given: dict[str, Any]) -> list[Holder]:
    namespace = config.parse(given).mesh.istio.namespace
    found = list[Holder]()
    for cluster in given["clusters"]:
        connection = kubeconfig.read(cluster["kubeconfig"], cluster["context"])
        found += holders.find(connection, namespace)
    return found
