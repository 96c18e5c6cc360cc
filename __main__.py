"""The Pulumi program: configuration → spec → components → outputs."""

import os
import sys
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any

import pulumi

import preflight
from components.ownership import this_stack
from preflight import removal, upgrades
from preflight.facts import PreflightResult
from preflight.identity import Expected
from preflight.last_update import LastUpdate
from spec import config
from spec.mesh import Cluster, MeshSpec
from spec.problems import MeshRefusedError
from stacks import last_outputs, read_config, summary
from stacks.token_age import with_due_tokens


async def main() -> dict[str, Any]:
    try:
        if mesh_stack := read_config.mesh_stack():
            return await _build_cluster(mesh_stack)
        return await _build_mesh()
    except MeshRefusedError as refusal:
        raise pulumi.RunError(str(refusal)) from None


async def _build_mesh() -> dict[str, Any]:
    from stacks.identity import MeshIdentity

    spec = read_config.with_absent(config.parse_types(read_config.read()))
    _import_ahead("stacks.build")
    identity = MeshIdentity.create()
    left = await last_outputs.fetch()
    last = LastUpdate.read(left)
    spec = with_due_tokens(spec, last, datetime.now(UTC))
    found = await _examine(spec, await identity.known(), spec.in_mesh_stack, last)
    from stacks.build import build_mesh

    return await build_mesh(spec, found.facts, identity, left)


async def _build_cluster(mesh_stack: str) -> dict[str, Any]:
    from stacks import handover

    _import_ahead("stacks.cluster_stack")
    taken = await handover.fetch(mesh_stack, pulumi.get_stack())
    left = await last_outputs.fetch()
    last, spec = LastUpdate.read(left), read_config.with_absent(taken.spec)
    taken = replace(taken, spec=with_due_tokens(spec, last, datetime.now(UTC)))
    found = await _examine(taken.spec, taken.mesh_uuid, [taken.cluster], last)
    from stacks.cluster_stack import build_cluster

    return await build_cluster(taken, found.facts, left)


async def _examine(
    spec: MeshSpec, mesh: str | None, builds: Collection[Cluster], last: LastUpdate
) -> PreflightResult:
    expected = Expected(
        this_stack(),
        mesh,
        last,
        accepted_istio=os.environ.get(upgrades.ACCEPTED),
        destroys=os.environ.get(removal.DESTROY) == "true",
    )
    found = preflight.examine(spec, expected, builds)
    if pulumi.runtime.is_dry_run():
        pulumi.log.info("\n".join(summary.summary(spec, found.facts, last)))
    for warning in (*found.warnings, *found.unchecked):
        pulumi.log.warn(str(warning))
    return found


def _import_ahead(builder: str) -> None:
    """Import what builds the mesh while the program waits for plugins and API servers.

    Modules of pulumi_kubernetes are only loaded when a resource of theirs is created.
    """
    lazy = ("admissionregistration", "apps", "batch", "core")
    modules = (builder, *(f"pulumi_kubernetes.{group}.v1" for group in lazy))
    Thread(target=lambda: [import_module(m) for m in modules]).start()


# Imports inside functions are those that a refused mesh does not need: they take half a second.
# They run after an `await`, when runpy has taken the program's folder off sys.path again.
sys.path.append(str(Path(__file__).parent))
pulumi.run(main)
