"""One API server for all engine tests; every test has its own namespace.

ISTHMUS_ENGINE_KUBECONFIG names the kubeconfig of a cluster that is there already, to run them with
the tools on PATH and the plugins in ~/.pulumi: `.github/kind/test.sh stand-ins` does.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import toolchain
from lab.lab import Lab
from lab.spec import parse
from lab.stand_ins.install import install
from tests.engine.cluster import Cluster
from tests.engine.program import Program

_GIVEN = os.environ.get("ISTHMUS_ENGINE_KUBECONFIG")


@pytest.fixture(scope="session", autouse=True)
def tools() -> Iterator[None]:
    """Put pulumi, its language host and helm first on PATH."""
    if _GIVEN:
        yield
        return
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{toolchain.ensure().bin}:{before}"
    yield
    os.environ["PATH"] = before


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the kubeconfig of a cluster without nodes, context `one`."""
    if _GIVEN:
        yield Path(_GIVEN)
        return
    directory = tmp_path_factory.mktemp("engine") / "lab"
    with Lab(directory, parse("clusters: [{name: one, network: net, nodes: false}]")) as lab:
        yield lab.kubeconfig


@pytest.fixture(autouse=True)
def _stand_in_only(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Skip what the real plugin, found in ~/.pulumi, cannot do."""
    marker = request.node.get_closest_marker("stand_in_only")
    if marker is None:
        return
    (plugin,) = (p for p in install(tmp_path / "probe") if p.name == marker.args[0])
    if not plugin.stand_in:
        pytest.skip(f"{plugin}: {marker.kwargs['reason']}")


@pytest.fixture
def cluster(control_plane: Path, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Return the cluster with a new namespace, which is deleted with all its content."""
    made = Cluster(control_plane, request.node.name)
    yield made
    made.close()


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)
