"""The claim of docs/components.md: its program runs, with the package installed elsewhere."""

import json
import re
import sys
from pathlib import Path

import pytest

from lab import toolchain
from tests import package
from tests.engine.program import Program

_PAGE = Path(__file__).parents[2] / "docs/components.md"


@pytest.fixture
def example(program: Program, control_plane: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """The program on the page, in its own project; one API server plays both clusters."""
    (source,) = re.findall(r"```python\n(.*?)```", _PAGE.read_text(), re.DOTALL)
    program.write(source)
    environment = package.install(package.wheel(program.folder), program.folder / "venv")
    # The language host runs the Python that it finds first.
    monkeypatch.setattr(sys, "executable", str(environment / "bin/python"))
    clusters = {
        name: {"network": f"{name}-net", "context": "one", "server": f"https://{name}.test:6443"}
        for name in ("east", "west")
    }
    for key, value in {
        "clusters": json.dumps(clusters),
        "charts": str(toolchain.ensure().charts),
        "kubeconfig": control_plane.read_text(),
    }.items():
        program.pulumi("config", "set", "--plaintext", key, "--", value)
    return program


def test_the_program_on_the_page_previews_a_mesh(example: Program) -> None:
    steps = example.preview()
    assert {step["op"] for step in steps} == {"create"}
    made = {
        step["urn"].rsplit("::", 2)[-2] + " " + step["urn"].rsplit("::", 1)[-1] for step in steps
    }
    for component in ("MeshMember", "PrimaryCluster", "Webhooks", "ClusterAwareGateway"):
        for cluster in ("east", "west"):
            assert f"isthmus:index:{component} {cluster}" in made
    for reader in ("east-reads-west", "west-reads-east"):
        assert f"isthmus:index:RemoteSecret {reader}" in made
    (chart,) = {
        step["newState"]["inputs"]["chart"]
        for step in steps
        if step["urn"].endswith("leave-nothing")
    }
    assert chart.startswith("./venv/"), "relative to the project, so the same on every machine"
