"""Two outputs of the mesh's stack that the stacks of single clusters read.

`mesh` describes the mesh (spec/description.py); `handover` has what only a builder needs. Both
are secrets as a whole. The mesh's stack reads nothing from the stacks of clusters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pulumi
from pydantic import TypeAdapter, ValidationError

from spec.description import Description, all_addresses
from spec.mesh import Cluster, ExtraValues, MeshSpec
from spec.problems import MeshRefusedError, Problem

PATH = "isthmus:meshStack"
_VALUES = TypeAdapter(ExtraValues)


@dataclass(frozen=True)
class Intermediate:
    """PEM texts of an intermediate CA."""

    certificate: str
    key: str = field(repr=False)


@dataclass(frozen=True)
class HandOver:
    """One cluster's part of these outputs. Contains credentials and a CA's key."""

    spec: MeshSpec
    """The whole mesh. Each cluster's `kubeconfig` is the content of one."""
    name: str
    """Name of the cluster that this stack builds."""
    intermediate: Intermediate
    """Its CA."""
    mesh_uuid: str
    """See stacks/identity.py."""
    root: str
    """PEM text of the roots that every cluster trusts."""
    signing_root: str
    """PEM text of the one that has signed the intermediates."""
    discovery: Mapping[str, Sequence[str]]
    """Addresses at which remotes reach a primary's control plane, by name of the primary."""

    @property
    def cluster(self) -> Cluster:
        """The cluster that this stack builds."""
        [one] = [c for c in self.spec.clusters if c.name == self.name]
        return one


def handover_output(spec: MeshSpec, intermediates: Mapping[str, Any]) -> dict[str, Any]:
    """Return the output `handover`; `intermediates` are by name of the cluster."""
    return {
        "values": _VALUES.dump_python(spec.mesh.istio.values, mode="json", by_alias=True),
        "intermediates": intermediates,
    }


async def fetch(mesh_stack: str, stack: str) -> HandOver:
    """Read the part for `stack` from the outputs of the mesh's stack.

    Raises:
        MeshRefusedError: it has none, or no cluster is this stack's.
    """
    reference = pulumi.StackReference(mesh_stack)
    outputs = {
        name: (await reference.get_output_details(name)).secret_value
        for name in ("mesh", "handover")
    }
    return read(mesh_stack, stack, outputs)


def read(mesh_stack: str, stack: str, outputs: Mapping[str, Any]) -> HandOver:
    """Read the two outputs; an absent one is None.

    Raises:
        MeshRefusedError: as `fetch`.
    """
    if outputs["mesh"] is None:
        raise _refused(
            "mesh-stack-empty",
            "must name the stack of a mesh that is up; that one has no output `mesh`",
            "the CA, the topology and the control plane's address come from there",
            f"`pulumi up --stack {mesh_stack}` first, or name another stack",
            mesh_stack,
        )
    try:
        described = Description.read(outputs["mesh"])
        values = _VALUES.validate_python((outputs["handover"] or {}).get("values", {}))
    except (ValidationError, TypeError, KeyError) as error:
        fields = (
            ", ".join(".".join(map(str, e["loc"])) for e in error.errors())
            if isinstance(error, ValidationError)
            else str(error)
        )
        raise _refused(
            "mesh-stack-not-understood",
            f"must be a stack that this version of Isthmus has updated; not understood: {fields}",
            "misread outputs would build a wrong mesh",
            f"`pulumi up --stack {mesh_stack}` with the same version of the program as here",
            mesh_stack,
        ) from None
    spec = _whole(described, values)
    mine = [c for c in spec.clusters if c.stack == stack]
    if not mine:
        others = ", ".join(c.stack for c in spec.clusters if c.stack) or "none"
        raise _refused(
            "mesh-stack-lacks-cluster",
            f"must name a mesh with a cluster whose `stack` is {stack}; there, stacks of clusters "
            f"are: {others}",
            "which cluster a stack builds is written once, in isthmus:clusters of the mesh",
            f"set `stack: {stack}` on a cluster there and `pulumi up --stack {mesh_stack}`; if the "
            "cluster has left the mesh: `pulumi destroy` here",
            mesh_stack,
        )
    (cluster,) = mine
    return HandOver(
        spec,
        cluster.name,
        Intermediate(**outputs["handover"]["intermediates"][cluster.name]),
        described.uuid,
        described.root,
        described.signing_root,
        all_addresses(described.control_planes, described.further_addresses),
    )


def _whole(described: Description, values: ExtraValues) -> MeshSpec:
    """Return the spec with the parts that a description leaves out."""
    spec = described.spec
    istio = replace(spec.mesh.istio, values=values)
    return replace(
        spec,
        mesh=replace(spec.mesh, istio=istio),
        clusters=tuple(replace(c, kubeconfig=described.kubeconfigs[c.name]) for c in spec.clusters),
    )


def _refused(name: str, rule: str, reason: str, fix: str, found: str) -> MeshRefusedError:
    return MeshRefusedError([Problem(name, PATH, rule, reason, fix, found)])
