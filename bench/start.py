"""What it costs to start the program: `python -m bench.start`. Takes a few seconds."""

import statistics
import subprocess
import sys
import time

_TIMES = 5
_PROGRAMS = {
    "program start, existing clusters": "import stacks.build",
    "program start, new clusters on Google Cloud": "import stacks.build, stacks.gke",
}


def main() -> None:
    """Print the median of a few starts, imports and nothing else, with warm caches."""
    for what, program in _PROGRAMS.items():
        _start(program)
        print(f"{what:<46}{statistics.median(_start(program) for _ in range(_TIMES)):6.2f} s")


def _start(program: str) -> float:
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", program], check=True)
    return time.monotonic() - started


if __name__ == "__main__":
    main()
