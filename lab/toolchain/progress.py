"""What is being done, how far it is, and how long it has taken."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

Report = Callable[[str], None]
"""Told of each line that a person who waits would like to read."""

_HEARTBEAT = 15.0  # seconds
_LAST_WORDS = 20  # lines


class ToolchainError(RuntimeError):
    """Something is missing or failed. The text says what, why it matters, and the next step."""


class Progress:
    """Lines such as `[3/10 02:10] istio: building (usually 5 min)`, the time counted from here."""

    def __init__(self, report: Report, steps: int) -> None:
        self._report = report
        self._steps = steps
        self._step = 0
        self._started = time.monotonic()

    def next_step(self) -> None:
        self._step += 1

    def say(self, what: str) -> None:
        elapsed = minutes(time.monotonic() - self._started)
        self._report(f"[{self._step}/{self._steps} {elapsed}] {what}")

    def wait(self, what: str, done: Callable[[float], bool]) -> None:
        """Ask `done`, which may take the seconds it is given, until it is; say so in between."""
        started = said = time.monotonic()
        while not done(0.2):
            now = time.monotonic()
            if now - said >= _HEARTBEAT:
                said = now
                self.say(f"{what}, for {minutes(now - started)}")

    def run(
        self,
        what: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        directory: Path,
        cure: str,
        dies_with_us: bool = True,
    ) -> None:
        """Run a command, with a line at least every 15 s that ends with its own last one.

        Raises ToolchainError with its last words, followed by `cure`. With `dies_with_us` it is
        killed when this process is, however that comes.
        """
        program = shutil.which("setpriv") if dies_with_us else None
        guarded = [program, "--pdeathsig", "KILL", *command] if program else [*command]
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                guarded,
                env=environment,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # an interrupt is for us, who then end it in our way
            )
            started = said = time.monotonic()
            try:
                while not _ended(process, 0.2):
                    now = time.monotonic()
                    if now - said >= _HEARTBEAT:
                        said = now
                        line = (_tail(output, 1) or ["started"])[0]
                        self.say(f"{what}: {minutes(now - started)} so far, now at: {line}")
            finally:
                if dies_with_us and process.poll() is None:
                    process.kill()
                process.wait()
            if process.returncode:
                raise ToolchainError(
                    "\n".join(
                        [
                            f"{what}: `{Path(command[0]).name} {command[1]}` failed with exit "
                            f"status {process.returncode}. Its last words:",
                            *(f"  {line}" for line in _tail(output, _LAST_WORDS)),
                            f"Next: {cure}",
                        ]
                    )
                )


def minutes(seconds: float) -> str:
    """02:10 for 130 seconds."""
    return f"{int(seconds) // 60:02}:{int(seconds) % 60:02}"


def _ended(process: subprocess.Popen[bytes], patience: float) -> bool:
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        return False
    return True


def _tail(output: IO[bytes], lines: int) -> list[str]:
    output.seek(0)
    return output.read().decode(errors="replace").strip().splitlines()[-lines:]
