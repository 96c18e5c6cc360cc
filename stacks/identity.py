"""The identity of a mesh: its UUID, kept in the stack's state and written into every cluster."""

from dataclasses import dataclass

import pulumi
import pulumi_tls as tls

from components import names
from components.mesh_uuid import MeshUuid
from spec.mesh import Cluster, MeshSpec


@dataclass(frozen=True)
class MeshIdentity:
    """The UUID, and the provider that keeps it."""

    provider: tls.Provider
    """The stack's provider of keys and certificates."""
    uuid: pulumi.Output[str]
    """Unknown in the preview that would create it."""

    @classmethod
    def create(cls) -> "MeshIdentity":
        """Register the UUID: before the preflight, which compares it with those in the clusters."""
        provider = tls.Provider("tls")
        return cls(provider, MeshUuid("mesh", pulumi.ResourceOptions(provider=provider)).uuid)

    async def known(self) -> str | None:
        """The UUID; None in the preview that would create it."""
        return await self.uuid.future()


def marks(
    spec: MeshSpec, cluster: Cluster, uid: str | None, mesh: pulumi.Input[str]
) -> dict[str, pulumi.Input[str]]:
    """Annotations of Istio's namespace in a cluster; `uid` is None if it could not be read.

    The namespace comes first in a cluster, so a failed first update leaves them too.
    """
    return {
        names.CLUSTER: cluster.name,
        names.MESH: mesh,
        names.INSTALL: spec.mesh.istio.install,
        **({} if uid is None else {names.CLUSTER_UID: uid}),
    }
