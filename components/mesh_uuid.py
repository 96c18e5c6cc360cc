"""The UUID of a mesh, which differs even from a mesh of the same name in another state."""

import uuid

import pulumi
import pulumi_tls as tls


class MeshUuid(pulumi.ComponentResource):
    """A UUID that is created once and kept in the state.

    `<project>/<stack>` is not unique: two people, two backends or a lost state give the same name.
    The UUID is derived from a key that signs nothing, because no other provider of Isthmus creates
    a value once.
    """

    uuid: pulumi.Output[str]
    """Unknown in the preview that would create it."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("isthmus:index:MeshUuid", name, {}, opts)
        key = tls.PrivateKey(
            f"{name}-uuid", algorithm="ED25519", opts=pulumi.ResourceOptions(parent=self)
        )
        self.uuid = key.id.apply(lambda id_: str(uuid.uuid5(uuid.NAMESPACE_OID, id_)))
        self.register_outputs({"uuid": self.uuid})
