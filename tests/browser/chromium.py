"""A browser without a window, driven by its own protocol over a pipe.

The protocol: https://chromedevtools.github.io/devtools-protocol/
"""

import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import toolchain

_PATIENCE = 120.0
"""Seconds for an answer: two cores may be busy with a lab."""
_FLAGS = (
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",  # it does not run as root otherwise
    "--disable-gpu",
    "--disable-dev-shm-usage",
    # It never leaves this machine.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)

Json = Mapping[str, Any]


@dataclass
class Browser:
    """One tab."""

    _to: int
    _from: int
    _session: str = ""
    _last: int = 0
    _buffer: bytes = b""
    _loaded: set[str] = field(default_factory=set[str])
    complaints: list[Json] = field(default_factory=list[Json])
    """What the console has shown of the current page."""

    def show(self, page: Path) -> None:
        """Load a page and wait until all of it is there."""
        self.complaints.clear()
        loader = self.call("Page.navigate", url=page.as_uri())["loaderId"]
        while loader not in self._loaded:
            self._receive()

    def value(self, expression: str) -> Any:
        """The value of an expression in JavaScript."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press one key and release it."""
        text = {"text": "\r"} if key == "Enter" else {}
        codes = {"Tab": 9, "Enter": 13}
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=codes[key],
                **(text if kind == "keyDown" else {}),
            )

    def call(self, method: str, **parameters: Any) -> Json:
        """Send a command of the protocol, and return its result."""
        self._last += 1
        number = self._last
        session = {"sessionId": self._session} if self._session else {}
        command = {"id": number, "method": method, "params": parameters, **session}
        os.write(self._to, json.dumps(command).encode() + b"\0")
        while (answer := self._receive()).get("id") != number:
            pass
        assert "error" not in answer, (method, answer)
        return answer["result"]

    def open_tab(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = session["sessionId"]
        for domain in ("Page", "Log", "Runtime"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)

    def _receive(self) -> Json:
        """Return the next message, and note what it says about the page."""
        until = time.monotonic() + _PATIENCE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], max(0, until - time.monotonic()))
            assert ready, f"the browser did not answer in {_PATIENCE} s"
            data = os.read(self._from, 1 << 20)
            assert data, "the browser ended"
            self._buffer += data
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: Json = json.loads(text)
        match message.get("method"):
            case "Log.entryAdded" | "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                self.complaints.append(message["params"])
            case "Page.lifecycleEvent" if message["params"]["name"] == "load":
                self._loaded.add(message["params"]["loaderId"])
            case _:
                pass
        return message


@contextlib.contextmanager
def browser() -> Generator[Browser]:
    """Start a browser with one tab; it ends with the context."""
    program = toolchain.browser()
    their_input, our_output = os.pipe()
    our_input, their_output = os.pipe()
    profile = tempfile.mkdtemp(prefix="isthmus-browser-")
    # The browser reads from file descriptor 3 and writes to 4.
    script = f'exec "$@" 3<&{their_input} 4>&{their_output}'
    process = subprocess.Popen(
        ["bash", "-c", script, "bash", program, *_FLAGS, f"--user-data-dir={profile}"],
        pass_fds=(their_input, their_output),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        os.close(their_input)
        os.close(their_output)
        opened = Browser(our_output, our_input)
        opened.open_tab()
        yield opened
    finally:
        process.terminate()
        process.wait(_PATIENCE)
        os.close(our_output)
        os.close(our_input)
        shutil.rmtree(profile, ignore_errors=True)
