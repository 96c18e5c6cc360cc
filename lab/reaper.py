"""Runs a command when the process that asked for it has ended, however it ended.

A lab of the command line stays until `down`. One that a test or a benchmark creates for itself must
not outlive it, even when it is killed, which no `finally` sees.
"""

import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_DONE = b"done"


@contextmanager
def running_after_this_process(command: Sequence[str]) -> Generator[None]:
    """Run `command` if this process ends while the context is open, or if the clean-up in the
    context fails, as a second interrupt makes it; its output is discarded."""
    watcher = subprocess.Popen(
        [sys.executable, "-m", "lab.reaper", *command],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        # A signal to the process group of the tests must not end it.
        start_new_session=True,
    )
    try:
        yield
    except BaseException:
        watcher.communicate()
        raise
    with suppress(BrokenPipeError):
        watcher.communicate(_DONE)


def main() -> None:
    """Wait for the end of standard input, which the other process holds, and run the arguments."""
    if sys.stdin.buffer.read() != _DONE:
        subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main()
