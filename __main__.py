"""The Pulumi program: configuration → spec → components → outputs."""

import pulumi

from components.ownership import this_stack
from stacks import config, preflight, read_config
from stacks.problems import MeshRefusedError

try:
    spec = config.typed(read_config.read())
    found = preflight.examine(spec, this_stack())
except MeshRefusedError as refusal:
    raise pulumi.RunError(str(refusal)) from None

from stacks.mesh import MeshBuilder  # costly, and of no use to a refused mesh

for warning in (*found.warnings, *found.unchecked):
    pulumi.log.warn(str(warning))
for name, value in MeshBuilder(spec, found.facts).build().items():
    pulumi.export(name, value)
