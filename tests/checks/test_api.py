"""Claims about commands in pods."""

import json
from typing import Any

import pytest
from kubernetes.stream.ws_client import ERROR_CHANNEL

from kube.api import UnansweredError
from kube.pods import Container, PodApi, Ran

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
