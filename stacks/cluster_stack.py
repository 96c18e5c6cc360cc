"""One cluster of a mesh as its own stack, built from the outputs of the mesh's stack."""

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pulumi

from components.shared_ca import IntermediateCA
from preflight.facts import ClusterFacts
from preflight.last_update import LastUpdate
from stacks import outputs, trust
from stacks.build import build_clusters, start
from stacks.built import Discovery
from stacks.connections import Connections
from stacks.handover import HandOver
from stacks.kept import keep
from stacks.verification import verify

_LABEL = 63
"""Letters that a label's value may have at most."""


async def build_cluster(
    handover: HandOver,
    facts: Mapping[str, ClusterFacts],
    left: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Build a remote: everything in it, and its remote secrets in the primaries.

    The secrets are created here and not in the mesh's stack, which would need the reader's token
    from here, and so would have to be updated before and after. Requests are sent from this cluster
    and from its primary; clusters with other stacks are skipped, because they might not be up.

    Args:
        left: the outputs of the last update.

    Raises:
        MeshRefusedError: the cluster trusts another root, or is not ready for this one.
    """
    spec, cluster = handover.spec, handover.cluster
    # Nothing is protected, not even in the primary: only the mesh's stack decides that.
    absent = frozenset(c.name for c in spec.absent)
    connections = Connections(facts, None, protected=frozenset(), absent=absent)
    built = start(
        spec,
        facts,
        connections,
        mesh_uuid=handover.mesh_uuid,
        present=[c for c in (*spec.in_mesh_stack, cluster) if not c.absent],
    )
    await keep(spec, connections.provider)
    built.discovery.update(
        {
            name: Discovery(pulumi.Output.from_input(addresses), None)
            for name, addresses in handover.discovery.items()
        }
    )
    trusted = pulumi.Output.from_input(handover.root)
    root = pulumi.Output.from_input(handover.signing_root)
    await trust.confirm_roots(spec, [trusted], root, facts, LastUpdate.read(left))
    intermediate = IntermediateCA(
        certificate=pulumi.Output.from_input(handover.intermediate.certificate),
        key=pulumi.Output.secret(handover.intermediate.key),
        root_certificate=root,
        trusted=trusted,
    )
    build_clusters(built, [cluster], {cluster.name: intermediate})
    callers = [c for c in built.answering.values() if c.name in (cluster.name, cluster.primary)]
    observed = verify(built, callers, trusted, verification_job(cluster.name))
    return {
        "cluster": {
            "name": cluster.name,
            "root": trusted,
            **outputs.cluster_outputs(built, cluster),
        },
        "verified": outputs.verified(built, observed),
    }


def verification_job(cluster: str) -> str:
    """Name of the Job: its pods have it as the label `job-name`, which has 63 letters at most."""
    name = f"verify-mesh-{cluster}"
    digest = hashlib.sha256(cluster.encode()).hexdigest()[:8]
    return name if len(name) <= _LABEL else f"{name[: _LABEL - 9]}-{digest}"
