"""Claims about commands in pods."""

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes.stream.ws_client import ERROR_CHANNEL

from checks.api import ForbiddenError, ReadingApi
from kube.api import UnansweredError
from kube.pods import Container, PodApi, Ran
from tests.unit.test_cluster_api import kubeconfig

SLEEP = Container("sample", "sleep-1", "sleep")


class Ended:
    """The socket of a command that has ended so."""

    def __init__(self, status: object) -> None:
        self.status = status

    def run_forever(self, timeout: int) -> None:
        assert timeout > 0

    def is_open(self) -> bool:
        return False

    def read_stdout(self, timeout: int) -> bytes:
        assert timeout == 0
        return b"out"

    def read_stderr(self, timeout: int) -> bytes:
        assert timeout == 0
        return b"err"

    def read_channel(self, channel: int) -> bytes:
        assert channel == ERROR_CHANNEL
        return json.dumps(self.status).encode() if self.status else b""

    def close(self) -> None:
        """Nothing is open."""


def run(monkeypatch: pytest.MonkeyPatch, status: object) -> Ran:
    def execute(*_arguments: Any, **_settings: Any) -> Ended:
        return Ended(status)

    monkeypatch.setattr(PodApi, "_execute", execute)
    return PodApi(None).run(SLEEP, "true")  # pyright: ignore[reportArgumentType]


def test_a_command_ends_with_its_own_status(monkeypatch: pytest.MonkeyPatch) -> None:
    causes = [{"reason": "ExitCode", "message": "7"}]
    assert run(monkeypatch, {"status": "Success"}) == Ran("out", "err", 0)
    assert run(monkeypatch, {"status": "Failure", "details": {"causes": causes}}).status == 7


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (
            {
                "status": "Failure",
                "reason": "InternalError",
                "message": 'container not found ("sleep")',
                "details": {"causes": [{"message": 'container not found ("sleep")'}]},
            },
            r'exec in sleep-1: container not found \("sleep"\)',
        ),
        (None, "exec in sleep-1: the connection closed before the command ended"),
    ],
)
def test_a_command_that_cannot_be_started_is_reported_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, status: object, why: str
) -> None:
    with pytest.raises(UnansweredError, match=why):
        run(monkeypatch, status)


class _Forbidding(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # the name of the base class
        self.send_response(403)
        self.send_header("Audit-Id", "not-shown")
        self.end_headers()
        self.wfile.write(b'{"kind": "Status", "message": "not-shown"}')

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def forbidding() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Forbidding)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("user", "why"),
    [
        ({"token": "t"}, "403 exec in sleep-1: Forbidden"),
        ({"token": "t", "as": "reader"}, "cannot be run with impersonation"),
    ],
)
def test_an_account_that_runs_no_commands_skips_what_needs_them(
    forbidding: str, user: dict[str, str], why: str
) -> None:
    """In one line, without the headers of the answer."""
    reader = kubeconfig({"server": forbidding}, user)
    with ReadingApi.connect(reader) as api, pytest.raises(ForbiddenError) as error:
        api.run(SLEEP, "true")
    assert why in str(error.value)
    assert "not-shown" not in str(error.value)
