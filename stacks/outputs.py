"""The stack's outputs: for people, for `python -m checks`, and for other stacks."""

from collections.abc import Mapping
from typing import Any

import pulumi

from components import names
from components.shared_ca import SharedCA
from picture.mermaid import mermaid
from picture.state import State
from picture.svg import svg
from preflight.last_update import ADOPTED, CREATED
from spec import description
from spec.mesh import Cluster
from stacks import handover
from stacks.built import Built
from stacks.endings import endings
from stacks.verification import Observed


def stack_outputs(built: Built, ca: SharedCA, observed: Observed) -> dict[str, Any]:
    """Every output of the stack of a mesh."""
    described = _description(built, ca)
    kubeconfigs = {c.name: built.connections.kubeconfig(c.name) for c in built.spec.clusters}
    return {
        "clusters": {c.name: cluster_outputs(built, c) for c in built.spec.clusters},
        "verified": verified(built, observed),
        "ends": endings(built, ca),
        "picture": _picture(built),
        "next": _next(built),
        "mesh": pulumi.Output.secret({**described, "kubeconfigs": kubeconfigs}),
        "checks": pulumi.Output.unsecret(pulumi.Output.from_input(described)),
        **_handover(built, ca),
    }


def _handover(built: Built, ca: SharedCA) -> dict[str, pulumi.Output[Any]]:
    """What the stacks of single clusters need on top of `mesh`: see stacks/handover.py."""
    given = {
        c.name: {
            "certificate": ca.intermediates[c.name].certificate,
            "key": ca.intermediates[c.name].key,
        }
        for c in built.spec.clusters
        if c.stack
    }
    if not given:
        return {}
    return {"handover": pulumi.Output.secret(handover.handover_output(built.spec, given))}


def _description(built: Built, ca: SharedCA) -> dict[str, Any]:
    """The mesh for programs, `python -m checks` above all, without credentials: see
    spec/description.py."""
    return {
        "spec": description.spec_for_output(built.spec),
        "root": ca.trusted,
        "signing_root": ca.root_certificate,
        "uuid": built.mesh_uuid,
        "servers": {
            c.name: built.connections.server(next(iter(built.spec.readers_of(c)), c), c)
            for c in built.spec.clusters
        },
        "gateways": {
            **built.left.gateways,
            **{n: g.address for n, g in built.gateways.items()},
        },
        "control_planes": {n: d.address for n, d in built.discovery.items()},
        "further_addresses": {n: d.further for n, d in built.discovery.items()},
        "namespaces": {n: dict(x.labels) for n, x in built.shared.namespaces.items()},
        "services": {
            "/".join(n): [p.port for p in x.ports] for n, x in built.shared.services.items()
        },
        **built.left.shared,
        "kubernetes": {
            **built.left.kubernetes,
            **{n: f.kubernetes for n, f in built.facts.items() if f.kubernetes},
        },
        "versions": {v: c.name for v, c in built.answering.items()}
        if built.spec.sample.enabled
        else {},
    }


def cluster_outputs(built: Built, cluster: Cluster) -> dict[str, Any]:
    """Return one cluster's part of the output `clusters`, for people."""
    if cluster.absent:
        return {**built.left.clusters.get(cluster.name, {}), "absent": True}
    described: dict[str, Any] = {
        "role": f"remote of {cluster.primary}" if cluster.primary else "primary",
        "network": cluster.network,
        "istio": built.istio.version,
    }
    if cluster not in built.present:
        return {**described, "stack": cluster.stack}
    facts = built.facts.get(cluster.name)
    if facts and facts.kubernetes:
        described["kubernetes"] = facts.kubernetes
    if facts and facts.uid:
        described["uid"] = facts.uid
    wanted = [built.istio.namespace]
    wanted += [names.SAMPLE_NAMESPACE] if built.spec.sample.enabled else []
    described["namespaces"] = {n: ADOPTED if built.adopts(cluster, n) else CREATED for n in wanted}
    if built.connections.gke and cluster.gke:
        described |= built.connections.gke.describe(cluster)
    if created := built.tokens_created.get(cluster.name):
        described["token"] = {"generation": cluster.token_generation, "created": created}
    if cluster.name in built.gateways:
        described["gateway"] = built.gateways[cluster.name].address
    if cluster.primary:
        described["controlPlane"] = built.discovery[cluster.primary].address
    return described


def _picture(built: Built) -> pulumi.Output[dict[str, str]]:
    """Return the mesh as SVG and mermaid, with its addresses."""
    versions = {n: f.kubernetes for n, f in built.facts.items() if f.kubernetes}

    def draw(addresses: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        state = State(addresses["gateways"], addresses["control_planes"], versions)
        return {"svg": svg(built.spec, state), "mermaid": mermaid(built.spec, state)}

    return pulumi.Output.all(
        gateways={n: g.address for n, g in built.gateways.items()},
        control_planes={n: d.address for n, d in built.discovery.items()},
    ).apply(draw)


def _next(built: Built) -> list[str]:
    """Commands that look further into the mesh, for contexts named as the clusters."""
    namespace = built.istio.namespace
    looks = [
        f"istioctl --context {p.name} -i {namespace} remote-clusters" for p in built.spec.primaries
    ]
    for cluster in built.present:
        looks.append(f"istioctl --context {cluster.name} -i {namespace} proxy-status")
    logins = (
        [x for c in built.connections.gke.plan.clusters for x in built.connections.gke.login(c)]
        if built.connections.gke
        else []
    )
    return [*logins, *looks, "pulumi stack output --json picture | jq -r .svg > mesh.svg"]


def verified(built: Built, observed: Observed) -> pulumi.Output[str]:
    """What the requests of the verification have shown, and when: in this update, or in the last
    one that changed the mesh."""
    if not observed:
        return pulumi.Output.from_input("no traffic: isthmus:sample is not enabled")
    answering = built.answering
    what = f"helloworld {', '.join(answering)} answered from: "
    what += ", ".join(c.name for c in answering.values())

    def said(times: Mapping[str, str | None]) -> str:
        called = (f"from {c} at {t or 'a time not reported'}" for c, t in times.items())
        return f"{what} (called {', '.join(called)})"

    return pulumi.Output.all(**observed).apply(said)
