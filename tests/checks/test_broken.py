"""Claims about what the checks say of a broken mesh, one breakage after the other."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from checks.model import Result, Status
from checks.run import run
from lab import toolchain
from lab.lab import Lab
from lab.live import LiveMesh
from lab.spec import parse
from lab.workspace import Workspace
from spec.description import Description
from tests.authorities import Authority, text
from tests.checks.breakages import BREAKAGES, Breakage, Patient

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a lab of real clusters needs root")

DEV = Path(__file__).parents[2] / "Pulumi.dev.yaml"


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    """Stack dev under a root whose key the test has, to sign wrong intermediates with.

    East's intermediate is user-provided, with a CA between it and the root; west's is created.
    """
    configuration = LiveMesh.read(DEV)
    clusters = [{key: c[key] for key in ("name", "network")} for c in configuration["clusters"]]
    root = Authority("Isthmus")
    ca = {"certificate": root.certificate, "key": text(root.key)}
    configuration["mesh"]["ca"] = {"root": ca}
    configuration["mesh"]["gateways"] = {"statusPort": True}
    configuration["clusters"][0]["ca"] = root.below("Issuing CA").below("East's own CA").provided
    folder, tools = tmp_path_factory.mktemp("broken"), toolchain.ensure()
    with Lab(folder / "lab", parse(json.dumps({"clusters": clusters}))) as lab:
        live = LiveMesh(lab, Workspace(folder / "stack", tools.bin), tools.charts)
        live.up(live.placed(configuration))
        yield Patient(live, root)


@pytest.fixture(scope="module")
def description(patient: Patient) -> Description:
    return patient.description


def complaints(
    description: Description, wanted: Callable[[Sequence[Result]], bool]
) -> Sequence[Result]:
    """Failures and warnings. A busy machine is checked again, three times in all."""
    found = _look(description)
    for _ in range(2):
        if wanted(found):
            break
        found = _look(description)
    return found


def _look(description: Description) -> Sequence[Result]:
    return [r for r in run(description) if r.status in (Status.FAILED, Status.WARNING)]


def none(found: Sequence[Result]) -> bool:
    return not found


def described(results: Sequence[Result]) -> str:
    return "\n".join(
        f"{r.check.id} in {r.cluster}: {r.finding.evidence}\n    {r.finding.hint}" for r in results
    )


def test_a_healthy_mesh_has_no_complaints(description: Description) -> None:
    found = complaints(description, none)
    assert not found, described(found)


def test_a_provided_intermediate_signs_for_its_cluster_and_its_remotes(
    description: Description,
) -> None:
    signers = {
        r.cluster: r.finding.evidence for r in run(description) if r.check.id == "trust-istiod"
    }
    assert signers == dict.fromkeys(("east", "west"), "signed by CN=East's own CA")


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda b: b.name)
def test_only_the_breakage_is_reported_with_its_fix(
    patient: Patient, description: Description, breakage: Breakage
) -> None:
    """A breakage that was not undone would appear in the results of the next one."""

    def own(found: Sequence[Result]) -> list[Result]:
        return [r for r in found if (r.check.id, r.cluster) == (breakage.check, breakage.cluster)]

    def noise(found: Sequence[Result]) -> list[Result]:
        return [r for r in found if r.check.id not in {breakage.check, *breakage.also}]

    with breakage.broken(patient):
        found = complaints(description, lambda found: bool(own(found)) and not noise(found))
    assert own(found), (
        f"{breakage.check} in {breakage.cluster} says nothing; said is:\n{described(found)}"
    )
    missing = [w for w in breakage.says if w not in described(own(found))]
    assert not missing, f"{missing} not in:\n{described(own(found))}"
    assert not noise(found), described(noise(found))


def test_every_breakage_is_undone(description: Description) -> None:
    found = complaints(description, none)
    assert not found, described(found)
