"""A mesh whose clusters are what a test says they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from checks.model import Finding
from checks.probe import Probe
from checks.run import CHECKS
from checks.view import Mesh, View
from kube.api import UnansweredError
from kube.pods import PodApi
from spec import config
from spec.description import Description
from tests.authorities import Authority
from tests.unit.meshes import two_networks

ROOT = Authority("Root CA")
SYSTEM = "/api/v1/namespaces/istio-system"

Objects = Mapping[str, Any]
"""Objects by their paths."""


_NONE = ("secrets", "services", "pods", "peerauthentications", "destinationrules")
"""Kinds that every API server has, also where there are no objects of them."""


@dataclass(frozen=True)
class FakeApi(PodApi):
    """An API server with some objects; it lists them by one label, and runs nothing."""

    objects: Objects = field(default_factory=dict[str, Any])

    def get(self, path: str, **query: str) -> Any:
        if path == "/version":
            return {"gitVersion": "v1.34.4"}
        if path in self.objects:
            return self.objects[path]
        below = [o for p, o in self.objects.items() if p.rpartition("/")[0] == path]
        if not below and path.rpartition("/")[2] not in _NONE:
            raise UnansweredError(404, "Not Found")
        key, _, value = query.get("labelSelector", "").partition("=")
        return {"items": [o for o in below if not key or _has(o, key, value)]}


def _has(made: Any, key: str, value: str) -> bool:
    labels = made["metadata"].get("labels", {})
    return key in labels and (not value or labels[key] == value)


def mesh(settings: Mapping[str, Any] | None = None, **clusters: Objects) -> Mesh:
    """A primary `east` and its remote `west` with these objects, by name of the cluster.

    Args:
        settings: more of `isthmus:mesh`.
    """
    configured = two_networks()
    spec = config.parse({**configured, "mesh": {**configured["mesh"], **(settings or {})}})
    description = Description(
        spec=spec,
        kubeconfigs={},
        root=ROOT.certificate,
        signing_root=ROOT.certificate,
        servers={c.name: f"https://{c.name}.test:6443" for c in spec.clusters},
        gateways={"east": "192.0.2.1", "west": "192.0.2.2"},
        control_planes={"east": "192.0.2.1"},
        namespaces={},
        services={},
        kubernetes={},
        uuid="the mesh",
        versions={"v1": "east", "v2": "west"},
    )
    views = dict[str, View]()
    for cluster in spec.clusters:
        # The client is of no use to an API that is not there.
        api = FakeApi(None, clusters.get(cluster.name, {}))  # pyright: ignore[reportArgumentType]
        views[cluster.name] = View(
            cluster, "istio-system", api, Probe(api, "istio-system", spec.images)
        )
    return Mesh(description, views)


def found(check: str, cluster: str, looked_at: Mesh) -> Sequence[Finding]:
    """What a check finds in one of the clusters."""
    [one] = [c for c in CHECKS if c.id == check]
    return list(one.look(looked_at, looked_at.views[cluster]))
