"""A mesh on real clusters, made once a module."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import toolchain
from lab.lab import Lab
from lab.spec import parse
from tests.mesh.live import LiveMesh
from tests.mesh.workspace import Workspace

MakeMesh = Callable[[list[dict[str, str]]], LiveMesh]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="a lab of real clusters needs root"))


@pytest.fixture(scope="module")
def make_mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeMesh]:
    """Brings up a lab of the clusters; the last one goes when another comes, or with the module."""
    labs: list[Lab] = []

    def make(clusters: list[dict[str, str]]) -> LiveMesh:
        while labs:
            labs.pop().down()
        tools = toolchain.ensure()
        folder: Path = tmp_path_factory.mktemp("mesh")
        lab = Lab(folder / "lab", parse(json.dumps({"clusters": clusters})))
        labs.append(lab)
        lab.up()
        return LiveMesh(lab, Workspace(folder / "stack", tools.bin), tools.charts)

    yield make
    for lab in labs:
        lab.down()
