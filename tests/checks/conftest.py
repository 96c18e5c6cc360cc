"""The meshes of tests/mesh are for the checks too."""

from tests.mesh.conftest import make_mesh

__all__ = ["make_mesh"]
