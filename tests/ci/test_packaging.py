"""Claims about the package that other projects install."""

import ast
import subprocess
import sys
import zipfile
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

import components
from tests import package

_PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package.wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the package."""
    return package.install(wheel, tmp_path_factory.mktemp("elsewhere") / "venv")


def test_the_wheel_has_every_module_and_the_whole_chart(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        str(path.relative_to(_PROJECT))
        for pattern in ("components/*.py", "components/leave-nothing/**/*")
        for path in _PROJECT.glob(pattern)
        if path.is_file()
    }
    assert len(wanted) > 20
    assert wanted <= packed
    assert {name.split("/")[0] for name in packed} == {
        "components",
        wheel.name.split("-py3")[0] + ".dist-info",
    }


def test_the_package_needs_what_the_program_needs(wheel: Path) -> None:
    written = (_PROJECT / "requirements.in").read_text().splitlines()
    needed = PathDistribution(zipfile.Path(wheel, wheel.name.split("-py3")[0] + ".dist-info/"))
    assert needed.requires == [x for x in written if x and not x.startswith("#")]


def run(environment: Path, source: str, folder: Path) -> str:
    done = subprocess.run(
        [environment / "bin/python", "-c", source],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_chart_is_found_by_a_relative_path_from_any_folder(
    elsewhere: Path, tmp_path: Path
) -> None:
    found = run(
        elsewhere,
        "from components import mesh_member as m; print(m._beside('leave-nothing'))",
        tmp_path,
    )
    assert found.startswith("../"), "an absolute path would differ on every machine"
    assert (tmp_path / found / "Chart.yaml").is_file()
    assert (tmp_path / found).resolve().is_relative_to(elsewhere.resolve())


def test_every_name_is_where_the_types_say(elsewhere: Path, tmp_path: Path) -> None:
    names = run(
        elsewhere,
        "import components as c; print(*(getattr(c, n).__name__ for n in c.__all__))",
        tmp_path,
    )
    assert names.split() == components.__all__


def defined(pattern: str) -> set[str]:
    """Public classes in modules of the components."""
    return {
        node.name
        for path in (_PROJECT / "components").glob(pattern)
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }


def test_no_component_is_missing_from_the_names() -> None:
    assert set(components.__all__) == defined("*.py")


def test_only_gke_loads_the_sdk_of_google_cloud() -> None:
    others = sorted(set(components.__all__) - defined("gke_*.py"))
    source = f"""
import sys
from components import {", ".join(others)}
import stacks.cluster_stack
print("pulumi_gcp" in sys.modules)
"""
    assert run(Path(sys.prefix), source, _PROJECT) == "False"
    assert defined("gke_*.py"), "GKE has components"


def test_only_a_stack_on_google_cloud_imports_its_sdk() -> None:
    """In a new process, so that no import of another test counts."""
    program = """
import sys
from tests.unit import meshes
meshes.recorded(meshes.two_networks())
print(any(m.startswith("pulumi_gcp") for m in sys.modules))
import stacks.gke
print(any(m.startswith("pulumi_gcp") for m in sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=_PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True"]
