"""`python -m lab.toolchain`: build what is missing, and print where it is."""

import sys
import time

from lab.toolchain import ToolchainError, ensure


def main() -> None:
    started = time.monotonic()
    try:
        toolchain = ensure(lambda line: print(line, flush=True))
    except ToolchainError as e:
        sys.exit(f"error: {e}")
    except KeyboardInterrupt:
        sys.exit("interrupted; run it again to continue")
    print(f"toolchain ready after {time.monotonic() - started:.1f} s: {toolchain.bin}")


main()
