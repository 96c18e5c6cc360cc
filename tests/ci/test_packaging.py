"""Claims about the package that other projects install."""

import ast
import subprocess
import sys
import zipfile
from importlib.metadata import PathDistribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

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
    source = _PROJECT / "components"
    wanted = {
        str("isthmus" / path.relative_to(source))
        for pattern in ("*.py", "py.typed", "leave-nothing/**/*")
        for path in source.glob(pattern)
        if path.is_file()
    }
    assert len(wanted) > 20
    assert wanted <= packed
    assert {name.split("/")[0] for name in packed} == {
        "isthmus",
        wheel.name.split("-py3")[0] + ".dist-info",
    }


def test_the_package_takes_the_versions_that_are_tested_and_later_ones(wheel: Path) -> None:
    needed = PathDistribution(zipfile.Path(wheel, wheel.name.split("-py3")[0] + ".dist-info/"))
    ranges = [Requirement(line) for line in needed.requires or []]
    locked = dict(
        line.split()[0].split("==")
        for line in (_PROJECT / "requirements.txt").read_text().splitlines()
        if "==" in line
    )
    for required in ranges:
        major, minor, patch = Version(locked[required.name]).release
        assert required.specifier.contains(f"{major}.{minor}.{patch}"), required
        assert required.specifier.contains(f"{major}.{minor + 1}.0"), required
        assert not required.specifier.contains(f"{major}.{minor - 1}.0"), required
        assert not required.specifier.contains(f"{major + 1}.0.0"), required


def test_the_package_needs_all_that_its_modules_import(wheel: Path) -> None:
    """And what only GKE needs is an extra."""
    needed = PathDistribution(zipfile.Path(wheel, wheel.name.split("-py3")[0] + ".dist-info/"))
    ranges = [Requirement(line) for line in needed.requires or []]
    always = {r.name for r in ranges if r.marker is None}
    assert imported("[!g]*.py") == always
    assert imported("gke_*.py") - always == {r.name for r in ranges if r.marker}


def imported(pattern: str) -> set[str]:
    """The distributions from which modules of the components import."""
    modules = {
        name.partition(".")[0]
        for path in (_PROJECT / "components").glob(pattern)
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom) and not node.level
            else []
        )
    }
    owners = packages_distributions()
    return {owners[name][0].lower().replace("_", "-") for name in modules if name in owners}


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
        "from isthmus import mesh_member as m; print(m._beside('leave-nothing'))",
        tmp_path,
    )
    assert found.startswith("../"), "an absolute path would differ on every machine"
    assert (tmp_path / found / "Chart.yaml").is_file()
    assert (tmp_path / found).resolve().is_relative_to(elsewhere.resolve())


def test_every_name_is_where_the_types_say(elsewhere: Path, tmp_path: Path) -> None:
    names = run(
        elsewhere,
        "import isthmus as c; print(*(getattr(c, n).__name__ for n in c.__all__))",
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
