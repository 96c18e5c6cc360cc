"""The stack's configuration, as Pulumi hands it over."""

from typing import Any

import pulumi

from spec.problems import MeshRefusedError, Problem

_KEYS = ("mesh", "clusters", "sample", "namespaces", "services", "gcp")


def mesh_stack() -> str | None:
    """For the stack of a single cluster, the name of the mesh's stack.

    Raises:
        MeshRefusedError: a mesh is described here too.
    """
    config = pulumi.Config("isthmus")
    found = config.get("meshStack")
    described = [f"isthmus:{key}" for key, value in read().items() if value] if found else []
    if described:
        raise MeshRefusedError(
            [
                Problem(
                    "mesh-stack-not-alone",
                    "isthmus:meshStack",
                    f"must be alone; {', '.join(described)} is set too",
                    "a cluster's stack takes everything from the mesh's stack, so that no two "
                    "places can disagree",
                    "remove the other keys, or this one if the stack is of a whole mesh",
                    found,
                )
            ]
        )
    return found


def read() -> dict[str, Any]:
    """The keys of `isthmus:` that are set, decrypted; secrets stay secrets in the components."""
    config = pulumi.Config("isthmus")
    found = {key: config.get_object(key) for key in _KEYS}
    # Pulumi.yaml has to give an object a default, and knows none but an empty one.
    return {key: value for key, value in found.items() if value not in (None, {})}
