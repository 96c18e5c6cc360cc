"""Takes a lab away when the process that made it is gone, in whatever way it went.

A lab of the command line stays until it is taken down. One that a test or a benchmark makes for
itself must not outlive it, not even when it is killed, which no `finally` sees.
"""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

_DONE = b"done"


@contextmanager
def watching(directory: Path) -> Generator[None]:
    """For as long as the context is open, the end of this process is the end of the lab."""
    watcher = subprocess.Popen(
        [sys.executable, "-m", "lab.reaper", str(directory)],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        # A signal to the group of the tests is not for it.
        start_new_session=True,
    )
    try:
        yield
    finally:
        with suppress(BrokenPipeError):
            watcher.communicate(_DONE)


def main() -> None:
    """Wait for the end of standard input, which the maker holds, and take the lab down."""
    if sys.stdin.buffer.read() != _DONE:
        from lab.lab import Lab  # late: mostly there is nothing to do

        Lab(Path(sys.argv[1])).down()


if __name__ == "__main__":
    main()
