"""The Pulumi program: configuration → spec → components → outputs."""

import pulumi

from stacks import config, preflight, read_config
from stacks.problems import MeshRefusedError

try:
    spec = config.parse(read_config.read())
    facts = preflight.examine(spec)
except MeshRefusedError as refusal:
    raise pulumi.RunError(str(refusal)) from None

from stacks.mesh import MeshBuilder  # costly, and of no use to a refused mesh

for name, value in MeshBuilder(spec, facts).build().items():
    pulumi.export(name, value)
