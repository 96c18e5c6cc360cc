"""`python -m lab.toolchain`: build what is missing, and print where it is.

`python -m lab.toolchain browser`: only the browser for tests of pages.
"""

import sys
import time

from lab.toolchain import ToolchainError, browser, ensure


def main() -> None:
    started = time.monotonic()

    def report(line: str) -> None:
        print(line, flush=True)

    try:
        if sys.argv[1:] == ["browser"]:
            name, place = "browser", browser(report)
        else:
            name, place = "toolchain", ensure(report).bin
    except ToolchainError as e:
        sys.exit(f"error: {e}")
    except KeyboardInterrupt:
        sys.exit("interrupted; run it again to continue")
    print(f"{name} ready after {time.monotonic() - started:.1f} s: {place}")


main()
