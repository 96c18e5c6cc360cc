"""All figures: `python -m bench`; some: `python -m bench hand curve`."""

import signal
import sys
from types import FrameType

from bench import curve, hand, lab, mesh, start

_PARTS = {
    "start": start.main,
    "lab": lab.main,
    "mesh": mesh.main,
    "hand": hand.main,
    "curve": curve.main,
}


def _stop(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def main() -> None:
    chosen = sys.argv[1:] or [*_PARTS]
    if unknown := [part for part in chosen if part not in _PARTS]:
        sys.exit(f"error: no such part: {', '.join(unknown)}; choose from: {', '.join(_PARTS)}")
    # A termination removes the labs, as an interruption does.
    signal.signal(signal.SIGTERM, _stop)
    for i, part in enumerate(chosen, 1):
        print(f"\n[{i}/{len(chosen)}] {part}", flush=True)
        _PARTS[part]()


main()
