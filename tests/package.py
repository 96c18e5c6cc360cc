"""The package as another project has it: built from the checkout, installed somewhere else."""

import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

_PROJECT = Path(__file__).parents[1]
_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "components")


def wheel(folder: Path) -> Path:
    """Build the wheel in a copy, so that nothing is left in the checkout."""
    sources = folder / "sources"
    sources.mkdir()
    for name in _SOURCES:
        copy = shutil.copytree if (_PROJECT / name).is_dir() else shutil.copy
        copy(_PROJECT / name, sources / name)
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(sources))
    (built,) = folder.glob("*.whl")
    return built


def install(built: Path, folder: Path) -> Path:
    """Install into a new virtual environment; what the package needs is taken from this one."""
    venv.create(folder)
    site = sysconfig.get_path("purelib", vars={"base": str(folder)})
    Path(site, "needed.pth").write_text(sysconfig.get_path("purelib"))
    _pip("--python", str(folder), "install", "--no-deps", "--no-index", str(built))
    return folder


def _pip(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
