"""Primaries that leave the mesh."""

from typing import Any

from lab.live import LiveMesh


def leaves_nothing_behind(mesh: LiveMesh, given: dict[str, Any]) -> None:
    """A primary is taken out: nothing of Istio is left in it, nothing of it in the other."""
    stays, goes = given["clusters"]
    mesh.up({**given, "clusters": [stays]})
    left = mesh.snapshot()
    assert not [x for x in left[goes["name"]] if "istio" in x[0] + x[1] + x[2]]
    assert not [x for x in left[stays["name"]] if goes["name"] in x[2]]
    assert mesh.remote_clusters(stays["name"]) == {stays["name"]: "synced"}
    assert set(mesh.ask(stays["name"])) == {"v1"}
