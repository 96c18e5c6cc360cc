"""The Pulumi program: configuration → spec → components → outputs."""

from typing import Any

import pulumi

import preflight
from components.ownership import this_stack
from spec import config
from spec.problems import MeshRefusedError
from stacks import read_config


async def main() -> dict[str, Any]:
    try:
        if mesh_stack := read_config.mesh_stack():
            from stacks import handover

            taken = await handover.fetch(mesh_stack, pulumi.get_stack())
            spec, builds = taken.spec, (taken.cluster,)
        else:
            spec = config.parse_types(read_config.read())
            taken, builds = None, spec.in_mesh_stack
        found = preflight.examine(spec, this_stack(), builds)
    except MeshRefusedError as refusal:
        raise pulumi.RunError(str(refusal)) from None
    for warning in (*found.warnings, *found.unchecked):
        pulumi.log.warn(str(warning))

    # Imported only now: a refused mesh needs none of it, and it takes half a second.
    if taken:
        from stacks.cluster_stack import build_cluster

        return build_cluster(taken, found.facts)
    from stacks.build import build_mesh

    return build_mesh(spec, found.facts)


pulumi.run(main)
