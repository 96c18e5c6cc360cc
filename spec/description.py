"""The stack's outputs that describe the mesh for programs that check it later.

`mesh` contains credentials and is a secret; `checks` has the same without credentials.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from spec.mesh import MeshSpec

_SPEC = TypeAdapter(MeshSpec)
_NOT_TOLD = {
    # Keys of CAs are only for signing, and Helm values can contain anything.
    "mesh": {"ca": {"root", "roots", "signs"}, "istio": {"values"}},
    # Files on the machine that made the update.
    "manifests": True,
    # Kubeconfigs are paths there: `kubeconfigs` has their content.
    "clusters": {"__all__": {"ca", "kubeconfig", "context"}},
}


@dataclass(frozen=True)
class Description:
    """A mesh after its last update. With kubeconfigs, all of it is a secret."""

    spec: MeshSpec
    """The configuration of the update."""
    root: str
    """PEM text of the roots that every cluster must trust, as each has it."""
    signing_root: str
    """PEM text of the one that signs the intermediates."""
    servers: Mapping[str, str]
    """URL in the remote secret for each cluster, by its name."""
    gateways: Mapping[str, str]
    """Address of each cluster's gateway between networks, where it has one."""
    control_planes: Mapping[str, str]
    """Address at which remotes reach a primary's control plane, by name of the primary."""
    namespaces: Mapping[str, Mapping[str, str]]
    """Labels about injection of each namespace that every cluster has, by its name."""
    services: Mapping[str, Sequence[int]]
    """Ports of each Service that every cluster has, by `namespace/name`."""
    kubernetes: Mapping[str, str]
    """Kubernetes version of each cluster that reported it."""
    uuid: str
    """The mesh's UUID, which marks its clusters (stacks/identity.py)."""
    versions: Mapping[str, str]
    """Cluster by the version of `helloworld` that answers from it; empty without the sample."""
    further_addresses: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """Other addresses of a primary's control plane, by its name; none from an older version."""
    kubeconfigs: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Content of a kubeconfig for each cluster, by its name; none in the output `checks`."""

    def addresses(self, primary: str) -> Sequence[str]:
        """All addresses at which remotes reach a primary's control plane; none if unknown."""
        return all_addresses(self.control_planes, self.further_addresses).get(primary, [])

    @classmethod
    def read(cls, output: Mapping[str, Any]) -> "Description":
        """Read the output `mesh` of a stack, whose `spec` is as `spec_for_output` writes it."""
        return cls(
            spec=_SPEC.validate_python(output["spec"]),
            **{key: output[key] for key in output if key != "spec"},
        )


def all_addresses(
    control_planes: Mapping[str, str], further_addresses: Mapping[str, Sequence[str]]
) -> dict[str, Sequence[str]]:
    """All addresses of each control plane, by its primary; the arguments as in Description."""
    return {
        name: [address, *further_addresses.get(name, ())]
        for name, address in control_planes.items()
    }


def spec_for_output(spec: MeshSpec) -> dict[str, Any]:
    """Return the spec as `Description.read` reads it, without CA keys and Helm values."""
    return _SPEC.dump_python(spec, mode="json", by_alias=True, exclude=_NOT_TOLD, exclude_none=True)
