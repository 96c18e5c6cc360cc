"""Claims about requests between workloads."""

import shlex

import pytest

from checks.model import Status
from kube.pods import Ran
from tests.checks import fake


@pytest.fixture
def only_v1(monkeypatch: pytest.MonkeyPatch) -> None:
    """A `sleep` to which only the sample of `east` answers."""

    def run(*_: object) -> Ran:
        return Ran("20 v1\nHello version: v1, instance: a\n", "", 0)

    monkeypatch.setattr(fake.FakeApi, "run", run)


def test_a_version_that_does_not_answer_has_a_command_to_copy(only_v1: None) -> None:
    pod = {
        "metadata": {"name": "sleep-1", "labels": {"app": "sleep"}},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }
    east = {"/api/v1/namespaces/sample/pods/sleep-1": pod}
    answered, missing = fake.found("traffic", "east", fake.mesh(east=east))
    assert (answered.status, missing.status) == (Status.OK, Status.FAILED)
    _, _, command = missing.hint.partition("then: ")
    assert shlex.split(command)[-2:] == [
        "--cluster",
        "outbound|5000||helloworld.sample.svc.cluster.local",
    ]
