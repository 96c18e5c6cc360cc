"""A mesh on real clusters. One lab serves all tests that want the same clusters, one by one."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from lab import toolchain
from lab.lab import Lab
from lab.live import LiveMesh, Snapshots, snapshots
from lab.spec import parse
from lab.workspace import Workspace

MakeMesh = Callable[[list[dict[str, str]]], LiveMesh]


class _OneLabEach(LoadScopeScheduling):
    """Side by side are topologies: what shares a lab stays with one worker, in its order.

    pytest-xdist's own groups do nothing under pytest 9.2: they set a name that it does not read.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, claim = nodeid.partition("::")
        name, _, example = claim.partition("[")
        return f"{file}[{example}" if name.startswith("test_example") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _OneLabEach:
    return _OneLabEach(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="a lab of real clusters needs root"))


@dataclass(frozen=True)
class _Kept:
    """The lab that is up, and what it was like when it was new."""

    lab: Lab
    clusters: list[dict[str, str]]
    pristine: Snapshots

    def serves(self, clusters: list[dict[str, str]]) -> bool:
        return self.clusters == clusters and snapshots(self.lab) == self.pristine


@pytest.fixture(scope="session")
def make_mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeMesh]:
    """A new stack on a lab of the clusters: the last one, if it is such a lab and as it was."""
    kept: list[_Kept] = []
    running = ExitStack()

    def make(clusters: list[dict[str, str]]) -> LiveMesh:
        tools = toolchain.ensure()
        folder: Path = tmp_path_factory.mktemp("mesh")
        if not (kept and kept[0].serves(clusters)):
            kept.clear()
            running.close()
            # The context takes the lab down even when pytest-xdist kills this worker.
            lab = running.enter_context(
                Lab(folder / "lab", parse(json.dumps({"clusters": clusters})))
            )
            kept.append(_Kept(lab, clusters, snapshots(lab)))
        return LiveMesh(kept[0].lab, Workspace(folder / "stack", tools.bin), tools.charts)

    yield make
    running.close()
