"""Runs commands, and reports what is being done, how long it has taken and what is left."""

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

Report = Callable[[str], None]
"""Receives each line of progress."""

_HEARTBEAT = 15.0  # seconds
_MINUTE = 60.0
_TAIL = 20  # lines of a failed command's output


class ToolchainError(RuntimeError):
    """Something is missing or failed. The text says what, why it matters, and the fix."""


class Progress:
    """Lines such as `[3/10 02:10, about 14 min left] istio: building (usually 5 min)`.

    The first time is counted from the construction. Safe for use by several threads.
    """

    def __init__(self, report: Report, steps: int) -> None:
        self._report = report
        self._steps = steps
        self._step = 0
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._cancelled = threading.Event()
        self._left = 0.0  # seconds that the unfinished builds usually take
        self._built = 0.0  # the same of the finished ones
        self._pace = 1.0  # measured seconds for one usual second
        self._began = self._estimated = self._started  # the builds, and the last estimate

    def next_step(self) -> None:
        with self._lock:
            self._step += 1

    def expect(self, seconds: float) -> None:
        """Builds that usually take `seconds` in all follow now."""
        self._left = seconds
        self._began = self._estimated = time.monotonic()

    def built(self, seconds: float) -> None:
        """A build that usually takes `seconds` is finished."""
        with self._lock:
            self._left -= seconds
            self._built += seconds
            self._estimated = time.monotonic()
            # Before that, what is unfinished but begun would count for too much.
            if self._built >= (self._built + self._left) / 4:
                self._pace = (self._estimated - self._began) / self._built

    def cancel(self) -> None:
        """End the commands that run in other threads: their `run` raises ToolchainError."""
        self._cancelled.set()

    def say(self, what: str) -> None:
        now = time.monotonic()
        with self._lock:
            left = self._left * self._pace - (now - self._estimated)
            about = f", about {left / 60:.0f} min left" if left >= _MINUTE else ""
            self._report(
                f"[{self._step}/{self._steps} {minutes(now - self._started)}{about}] {what}"
            )

    def wait(self, what: str, done: Callable[[float], bool]) -> None:
        """Call `done` with the seconds it is allowed to take until it returns True."""
        started = said = time.monotonic()
        while not done(0.2):
            if self._cancelled.is_set():
                raise ToolchainError(f"{what}: cancelled, because another build failed")
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
        fix: str,
        dies_with_us: bool = True,
    ) -> float:
        """Run a command, and report the last line of its output at least every 15 s.

        Returns the seconds of CPU time that it took with all its children. Raises ToolchainError
        with the end of its output, followed by `fix`. With `dies_with_us` the command is killed
        when this process ends for any reason.
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
                start_new_session=True,  # on an interrupt, we end it
            )
            started = said = time.monotonic()
            try:
                while (cpu := _cpu_time_of_ended(process)) is None:
                    if self._cancelled.wait(0.1):
                        raise ToolchainError(f"{what}: cancelled, because another build failed")
                    now = time.monotonic()
                    if now - said >= _HEARTBEAT:
                        said = now
                        line = (_tail(output, 1) or ["started"])[0]
                        self.say(f"{what}: {minutes(now - started)} so far, now at: {line}")
            finally:
                if dies_with_us and process.returncode is None:
                    process.kill()
                process.wait()
            if process.returncode:
                raise ToolchainError(
                    "\n".join(
                        [
                            f"{what}: `{Path(command[0]).name} {command[1]}` failed with exit "
                            f"status {process.returncode}. The end of its output:",
                            *(f"  {line}" for line in _tail(output, _TAIL)),
                            f"fix: {fix}",
                        ]
                    )
                )
            return cpu


def minutes(seconds: float) -> str:
    """02:10 for 130 seconds."""
    return f"{int(seconds) // 60:02}:{int(seconds) % 60:02}"


def _cpu_time_of_ended(process: subprocess.Popen[bytes]) -> float | None:
    """Seconds of CPU time of a process and its children, None while it runs."""
    pid, status, usage = os.wait4(process.pid, os.WNOHANG)
    if not pid:
        return None
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def _tail(output: IO[bytes], lines: int) -> list[str]:
    output.seek(0)
    return output.read().decode(errors="replace").strip().splitlines()[-lines:]
