"""The cache: complete directories, named after everything that determines their content."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

from lab.toolchain.progress import Progress

_KEPT = 30 * 86400.0  # seconds since the last use


def cache() -> Path:
    """The directory of everything built: outside the checkout, shared by all checkouts."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    home = Path(base) if base.startswith("/") else Path.home() / ".cache"  # as XDG says
    return home / "isthmus" / "toolchain"


@dataclass(frozen=True)
class Store:
    """Directories NAME-KEY below `root`. One process creates one; others wait for it."""

    root: Path
    progress: Progress

    def get(self, name: str, key: str, make: Callable[[Path], None]) -> Path:
        """The directory of that name and key. `make` fills it if it does not exist.

        It is filled under another name and then renamed, so a run that is killed never leaves an
        incomplete directory under the final name. The next run deletes what it left.
        """
        done = self._path(name, key)
        if not done.is_dir():
            with self.alone(name):
                if not done.is_dir():
                    self._make(name, done, make)
        with contextlib.suppress(OSError):  # another user's cache
            os.utime(done)
        return done

    def has(self, name: str, key: str) -> bool:
        return self._path(name, key).is_dir()

    @contextlib.contextmanager
    def alone(self, name: str) -> Generator[None]:
        """Hold the lock of that name. It ends with the process."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / f".{name}.lock").open("w") as lock:
            if not _locked(lock.fileno()):
                waiting = f"{name}: waiting for another run that creates it"
                self.progress.say(waiting)
                self.progress.wait(waiting, lambda patience: _locked(lock.fileno(), patience))
            yield

    def _path(self, name: str, key: str) -> Path:
        return self.root / f"{name}-{key}"

    def _make(self, name: str, done: Path, make: Callable[[Path], None]) -> None:
        for left in self.root.glob(f".{name}-*"):
            shutil.rmtree(left)
        part = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=self.root))
        try:
            make(part)
            part.chmod(0o755)
            part.rename(done)
            self._prune()
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise

    def _prune(self) -> None:
        """Delete what has not been used for a month."""
        for item in self.root.iterdir():
            if item.is_dir() and item.stat().st_mtime < time.time() - _KEPT:
                shutil.rmtree(item, ignore_errors=True)


def _locked(handle: int, patience: float = 0) -> bool:
    """Take the lock, after `patience` seconds. False if another process has it."""
    time.sleep(patience)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
