"""Which generation of its token each cluster has: the next one when the token is old enough."""

import datetime as dt
from dataclasses import replace

from preflight.last_update import LastUpdate
from spec.mesh import Cluster, MeshSpec


def with_due_tokens(spec: MeshSpec, last: LastUpdate, now: dt.datetime) -> MeshSpec:
    """Return the spec with the `token_generation` that this update creates or keeps.

    The last update says how old a token is. One that was killed has not said it, so the next comes
    to the same generation.
    """
    clusters = tuple(replace(c, token_generation=_generation(c, last, now)) for c in spec.clusters)
    return replace(spec, clusters=clusters)


def _generation(cluster: Cluster, last: LastUpdate, now: dt.datetime) -> int:
    before = last.clusters.get(cluster.name)
    if cluster.token_days is None or before is None or before.token is None:
        return cluster.token_generation
    age = now - before.token.created
    # Nothing changes in an absent cluster.
    is_due = age >= dt.timedelta(days=cluster.token_days) and not cluster.absent
    return max(cluster.token_generation, before.token.generation + is_due)
