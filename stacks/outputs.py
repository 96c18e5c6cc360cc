"""What the stack tells of the mesh: to people, to `python -m checks`, to other stacks."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pulumi

from components.shared_ca import SharedCA
from stacks import description, handover
from stacks.picture.mermaid import mermaid
from stacks.picture.state import State
from stacks.picture.svg import svg
from stacks.spec import Cluster

if TYPE_CHECKING:
    from stacks.mesh import MeshBuilder


def of(mesh: "MeshBuilder", ca: SharedCA) -> dict[str, Any]:
    """Every output of the stack of a mesh."""
    return {
        "clusters": {c.name: describe(mesh, c) for c in mesh.spec.clusters},
        "verified": verified(mesh),
        "picture": _picture(mesh),
        "next": _next(mesh),
        "mesh": _description(mesh, ca),
        **_handover(mesh, ca),
    }


def _handover(mesh: "MeshBuilder", ca: SharedCA) -> dict[str, pulumi.Output[Any]]:
    """What the stacks of single clusters need on top of `mesh`: see stacks/handover.py."""
    given = {
        c.name: {
            "certificate": ca.intermediates[c.name].certificate,
            "key": ca.intermediates[c.name].key,
        }
        for c in mesh.spec.clusters
        if c.stack
    }
    if not given:
        return {}
    return {"handover": pulumi.Output.secret(handover.written(mesh.spec, given))}


def _description(mesh: "MeshBuilder", ca: SharedCA) -> pulumi.Output[Any]:
    """The mesh for programs, `python -m checks` above all: see stacks/description.py."""
    return pulumi.Output.secret(
        {
            "spec": description.told(mesh.spec),
            "kubeconfigs": {c.name: mesh.access.kubeconfig(c.name) for c in mesh.spec.clusters},
            "root": ca.root_certificate,
            "servers": {
                c.name: mesh.access.server(next(iter(mesh.spec.readers_of(c)), c), c)
                for c in mesh.spec.clusters
            },
            "gateways": {n: g.address for n, g in mesh.gateways.items()},
            "control_planes": {n: d.address for n, d in mesh.discovery.items()},
            "namespaces": {n: dict(x.labels) for n, x in mesh.shared.namespaces.items()},
            "services": {
                "/".join(n): [p.port for p in x.ports] for n, x in mesh.shared.services.items()
            },
            "kubernetes": {n: f.kubernetes for n, f in mesh.facts.items() if f.kubernetes},
            "versions": {v: c.name for v, c in mesh.answering().items()}
            if mesh.spec.sample.enabled
            else {},
        }
    )


def describe(mesh: "MeshBuilder", cluster: Cluster) -> dict[str, Any]:
    described: dict[str, Any] = {
        "role": f"remote of {cluster.primary}" if cluster.primary else "primary",
        "network": cluster.network,
        "istio": mesh.istio.version,
    }
    if cluster not in mesh.present:
        return {**described, "stack": cluster.stack}
    facts = mesh.facts.get(cluster.name)
    if facts and facts.kubernetes:
        described["kubernetes"] = facts.kubernetes
    if mesh.made and cluster.gke:
        described |= mesh.made.describe(cluster)
    if cluster.name in mesh.gateways:
        described["gateway"] = mesh.gateways[cluster.name].address
    if cluster.primary:
        described["controlPlane"] = mesh.discovery[cluster.primary].address
    return described


def _picture(mesh: "MeshBuilder") -> pulumi.Output[dict[str, str]]:
    """The mesh as SVG and mermaid, with the addresses that it has got."""
    versions = {n: f.kubernetes for n, f in mesh.facts.items() if f.kubernetes}

    def draw(addresses: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        state = State(addresses["gateways"], addresses["control_planes"], versions)
        return {"svg": svg(mesh.spec, state), "mermaid": mermaid(mesh.spec, state)}

    return pulumi.Output.all(
        gateways={n: g.address for n, g in mesh.gateways.items()},
        control_planes={n: d.address for n, d in mesh.discovery.items()},
    ).apply(draw)


def _next(mesh: "MeshBuilder") -> list[str]:
    """Commands that look further into the mesh, for contexts named as the clusters."""
    namespace = mesh.istio.namespace
    looks = [
        f"istioctl --context {p.name} -i {namespace} remote-clusters" for p in mesh.spec.primaries
    ]
    for cluster in mesh.present:
        looks.append(f"istioctl --context {cluster.name} -i {namespace} proxy-status")
    logins = (
        [x for c in mesh.made.crossings.clusters for x in mesh.made.login(c)] if mesh.made else []
    )
    return [*logins, *looks, "pulumi stack output --json picture | jq -r .svg > mesh.svg"]


def verified(mesh: "MeshBuilder") -> str:
    if not mesh.spec.sample.enabled:
        return "no traffic: isthmus:sample is not enabled"
    answering = mesh.answering()
    names = ", ".join(c.name for c in answering.values())
    return f"helloworld {', '.join(answering)} answered from: {names}"
