"""Tools that the machine already has in exactly the right version."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab.toolchain.store import Store
from lab.toolchain.tools import HELM, ISTIO, PULUMI

_MEMORY = "versions.json"


@dataclass(frozen=True)
class _Tool:
    name: str
    version: str
    question: tuple[str, ...]
    companions: tuple[str, ...] = ()  # of the same release, in the same directory


_TOOLS = (
    _Tool(
        "pulumi",
        PULUMI,
        ("version",),
        ("pulumi-language-python", "pulumi-language-python-exec"),
    ),
    _Tool("helm", HELM, ("version", "--short")),
    _Tool("istioctl", ISTIO, ("version", "--remote=false", "--short")),
)


def find(store: Store) -> dict[str, Path]:
    """Programs on PATH by name. Their versions are cached until the files change."""
    directories = os.environ.get("PATH", os.defpath).split(":")
    # Inside a lab's environment our own programs come first on PATH.
    path = ":".join(d for d in directories if not Path(d).is_relative_to(store.root))
    found: dict[str, Path] = {}
    for tool in _TOOLS:
        name = shutil.which(tool.name, path=path)
        program = Path(name) if name else None
        if program and _states(program, tool, store):
            companions = {c: program.resolve().with_name(c) for c in tool.companions}
            if all(c.exists() for c in companions.values()):
                found |= {tool.name: program, **companions}
    return found


def _states(program: Path, tool: _Tool, store: Store) -> bool:
    """Whether the program reports the tool's version."""
    stat = program.stat()
    seen = f"{program.resolve()} {stat.st_size} {stat.st_mtime_ns}"
    file = store.root / _MEMORY
    try:
        known: dict[str, str] = json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        known = {}
    if seen not in known:
        known[seen] = _ask(program, tool.question)
        store.root.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(known))
        part.rename(file)
    # Nothing can follow the version: 1.31.0-alpha and 3.21.3+dirty are other builds. Helm adds
    # its commit.
    answer = rf"(^|\s)v?{re.escape(tool.version.removeprefix('v'))}(\+g[0-9a-f]{{7}})?(\s|$)"
    return bool(re.search(answer, known[seen]))


def _ask(program: Path, question: tuple[str, ...]) -> str:
    try:
        return subprocess.run(
            [program, *question],
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
