"""What it costs to start the program: `python -m bench start`. Takes a few seconds."""

import statistics
import subprocess
import sys
from functools import partial

from bench.figures import row, seconds

_TIMES = 5
_PROGRAMS = {
    "program start, existing clusters": "import stacks.build",
    "program start, new clusters on Google Cloud": "import stacks.build, stacks.gke",
}


def main() -> None:
    """Print the median of a few starts, imports and nothing else, with warm caches."""
    row("step", "")
    row("---", "---")
    for what, program in _PROGRAMS.items():
        start = partial(subprocess.run, [sys.executable, "-c", program], check=True)
        start()
        row(what, f"{statistics.median(seconds(start) for _ in range(_TIMES)):.2f} s")
