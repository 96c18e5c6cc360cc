"""What an update to another version of Istio needs to know: the former addresses of istiods.

istiod watches all that its version knows. Where a remote's role is of the version before, istiod
waits for what it must not read, and then starts without that cluster's endpoints. So remotes are
updated before their primary, which is the reverse of how a mesh is built.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from spec import description
from spec.mesh import MeshSpec

_VERSION = ("version", "charts")


def kept_addresses(spec: MeshSpec, left: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
    """Addresses of control planes, by primary, that the update does not change.

    There are none if it changes more than the version, and none of an istiod that is reached at the
    address of its pod.

    Args:
        left: the outputs of the last update.
    """
    mesh = left["mesh"]
    if _other_keys(mesh["spec"]) != _other_keys(description.spec_for_output(spec)):
        return {}
    exposed = {c.name: how for c in spec.primaries if (how := spec.control_plane(c))}
    known = description.all_addresses(mesh["control_planes"], mesh.get("further_addresses", {}))
    return {
        name: addresses
        for name, addresses in known.items()
        if name in exposed and exposed[name].exposure != "pod-ip"
    }


def _other_keys(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    istio = {k: v for k, v in spec["mesh"]["istio"].items() if k not in _VERSION}
    clusters = [{k: v for k, v in c.items() if k != "absent"} for c in spec["clusters"]]
    return {**spec, "mesh": {**spec["mesh"], "istio": istio}, "clusters": clusters}
