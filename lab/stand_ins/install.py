"""Installs the stand-ins where Pulumi's engine looks for plugins, unless the real ones exist."""

import contextlib
import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

_MARK = "speaks for the real plugin"
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Plugin:
    """A provider plugin as the engine finds it."""

    name: str
    version: str
    """The version of the program's SDK: the engine accepts no other."""
    executable: Path
    stand_in: bool
    """False if the real plugin is installed."""

    def __str__(self) -> str:
        kind = "stand-in" if self.stand_in else "real plugin"
        return f"{self.name} {self.version}: {kind} ({self.executable})"


VERSIONS = {"kubernetes": "4.34.2", "tls": "5.6.2", "gcp": "10.2.0"}


_NO_LOGS = """\
This file keeps Pulumi from writing a debug log of every run.

The log holds every property of every resource, compressed and encrypted: with Istio's 15 large
resource definitions that is most of the engine's work. Remove this file to get the logs.
"""


def install(pulumi_home: Path) -> list[Plugin]:
    """Install every provider of the program under this PULUMI_HOME, and turn off debug logs.

    A real plugin in this PULUMI_HOME is kept, and one in the user's own (~/.pulumi) is linked.
    Running it again is cheap and repairs launchers that point to a deleted checkout.
    """
    pulumi_home.mkdir(parents=True, exist_ok=True)
    _without_debug_logs(pulumi_home)
    return [_install(pulumi_home, name, version) for name, version in VERSIONS.items()]


def _without_debug_logs(home: Path) -> None:
    """Put a file in place of the log directory: pkg/logging/encrypted.go has no switch.

    It continues without logs if it cannot create the directory. Existing logs are kept.
    """
    with contextlib.suppress(FileExistsError), (home / "logs").open("x") as file:
        file.write(_NO_LOGS)


def _install(home: Path, name: str, version: str) -> Plugin:
    place = Path("plugins", f"resource-{name}-v{version}", f"pulumi-resource-{name}")
    executable = home / place
    if executable.parent.is_symlink():  # as earlier versions installed a real plugin
        executable.parent.unlink()
    if _real(executable):
        return Plugin(name, version, executable, stand_in=False)
    own = Path.home() / ".pulumi" / place
    if _real(own):
        _link(own.parent, executable.parent)
        return Plugin(name, version, executable, stand_in=False)
    executable.parent.mkdir(parents=True, exist_ok=True)
    # Moved into place, because another process can be starting the launcher at the same time.
    draft = executable.with_name(f".{executable.name}.{os.getpid()}")
    draft.write_text(
        f"#!/bin/sh\n# A stand-in that {_MARK}. Install the real one and it is used.\n"
        f"PYTHONPATH={shlex.quote(str(_ROOT))} "
        f'exec {shlex.quote(sys.executable)} -P -m lab.stand_ins.{name} "$@"\n'
    )
    draft.chmod(0o755)
    draft.replace(executable)
    return Plugin(name, version, executable, stand_in=True)


def _link(source: Path, target: Path) -> None:
    """Replace the directory `target` with hard links to the files of `source`, or copies.

    The engine ignores a symbolic link among its plugins' directories (sdk/go/common/workspace).
    """
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copytree(source, draft, copy_function=_link_file)
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)


def _link_file(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


def _real(executable: Path) -> bool:
    if not os.access(executable, os.X_OK):
        return False
    with executable.open("rb") as file:
        return _MARK.encode() not in file.read(200)


if __name__ == "__main__":
    for plugin in install(Path(sys.argv[1])):
        print(plugin)
