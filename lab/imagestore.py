"""A containerd root with all images of the lab unpacked: created once, then linked into clusters.

Importing the images costs seconds and their size on disk for each cluster; linking costs neither.
"""

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab.machine import MachineError, only_one
from lab.toolchain import cache

_DAY = 24 * 3600.0
NAMESPACE = "k8s.io"  # where kubelet's images live in containerd
# containerd writes to these in place; everything else in its root is replaced, never changed.
_DATABASES = (
    "io.containerd.metadata.v1.bolt/meta.db",
    "io.containerd.snapshotter.v1.overlayfs/metadata.db",
)
UNUSED_PLUGINS = (
    "io.containerd.internal.v1.opt",
    "io.containerd.internal.v1.tracing",
    "io.containerd.tracing.processor.v1.otlp",
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
)
"""Plugins of containerd that the lab's machine lacks the kernel for, or that nothing uses."""


def lay_out(archives: Sequence[Path], root: Path) -> None:
    """Create in `root` a containerd root with the images of `archives` and without containers.

    `archives` are tar files as `docker save` writes them, or of the OCI layout. Raises MachineError
    with containerd's error.
    """
    _copy(prepare(archives, cache().with_name("images")), root)


def prepare(archives: Sequence[Path], stores: Path) -> Path:
    """A containerd root with these images, to be copied; created below `stores` if it is missing.

    Stores that have not been used for a day are deleted.
    """
    version = subprocess.run(["containerd", "--version"], capture_output=True, check=True).stdout
    key = hashlib.sha256(version)
    for archive in sorted(archives):
        stat = archive.stat()
        key.update(f"{archive}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
    root = stores / key.hexdigest()[:16]
    with only_one(stores):
        if root.exists():
            os.utime(root)
            return root
        for other in stores.iterdir():
            if other.stat().st_mtime < time.time() - _DAY:
                shutil.rmtree(other)
        part = stores / f"{root.name}.part"
        with _containerd(part) as address:
            for archive in archives:
                _ctr(address, "images", "import", str(archive))
        part.rename(root)
    return root


def _copy(store: Path, root: Path) -> None:
    """Link files where both are on one filesystem, and copy them elsewhere."""
    shutil.rmtree(root, ignore_errors=True)
    part = root.with_name(f"{root.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    linked = store.stat().st_dev == root.parent.stat().st_dev
    options = ["--archive", "--link"] if linked else ["--archive"]
    subprocess.run(["cp", *options, str(store), str(part)], check=True)
    for name in _DATABASES:
        (part / name).unlink()
        shutil.copy2(store / name, part / name)
    part.rename(root)


@contextmanager
def _containerd(root: Path) -> Generator[Path]:
    """A containerd for as long as images are imported; yields the path of its socket."""
    shutil.rmtree(root, ignore_errors=True)
    state = root.with_suffix(".run")
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir()
    config = state / "config.toml"
    disabled = json.dumps(["io.containerd.grpc.v1.cri", *UNUSED_PLUGINS])
    config.write_text(f"version = 2\ndisabled_plugins = {disabled}\n")
    socket = state / "containerd.sock"
    # If this process is killed, the kernel kills containerd too.
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork"]
    command += ["--kill-child", "--mount-proc", "containerd", "--config", str(config)]
    command += ["--root", str(root), "--state", str(state / "state"), "--address", str(socket)]
    log = state / "log"
    with log.open("wb") as output:
        daemon = subprocess.Popen(command, stdout=output, stderr=output, cwd="/")
    try:
        deadline = time.monotonic() + 30
        while not socket.exists():
            if daemon.poll() is not None or time.monotonic() > deadline:
                tail = log.read_text(errors="replace").strip().splitlines()[-5:]
                raise MachineError(
                    "containerd failed to start for importing images; the end of its log:\n"
                    + "\n".join(tail)
                )
            time.sleep(0.05)
        yield socket
    finally:
        # Its databases are consistent at any moment, and all imports have been answered.
        daemon.kill()
        daemon.wait()
        shutil.rmtree(state, ignore_errors=True)


def _ctr(address: Path, *command: str) -> None:
    done = subprocess.run(
        ["ctr", "--address", str(address), "--namespace", NAMESPACE, *command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "CONTAINERD_SNAPSHOTTER": "overlayfs"},
    )
    if done.returncode:
        raise MachineError(f"`ctr {' '.join(command)}` failed: {done.stderr.strip()}")
