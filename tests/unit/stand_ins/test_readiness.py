"""When an object counts as ready, and what waitFor understands."""

from typing import Any

import pytest

from lab.stand_ins.kubernetes.conditions import WaitFor
from lab.stand_ins.kubernetes.readiness import pod_problems, verdict
from lab.stand_ins.servicer import ProviderError
from lab.stand_ins.values import Object


def _object(kind: str, status: Object, spec: Object | None = None) -> Object:
    version, _, own = kind.rpartition("/")
    meta: Object = {"name": "x", "namespace": "n", "generation": 2}
    return {
        "apiVersion": version,
        "kind": own,
        "metadata": meta,
        "spec": spec or {},
        "status": status,
    }


def _conditions(**conditions: str) -> list[Object]:
    return [{"type": t, "status": s, "reason": "R", "message": "M"} for t, s in conditions.items()]


ROLLED_OUT = {
    "observedGeneration": 2,
    "replicas": 2,
    "updatedReplicas": 2,
    "availableReplicas": 2,
    "conditions": _conditions(Available="True"),
}
STATEFUL = {
    "observedGeneration": 2,
    "replicas": 1,
    "readyReplicas": 1,
    "currentReplicas": 1,
    "currentRevision": "a",
    "updateRevision": "a",
}
DAEMONS = {
    "observedGeneration": 2,
    "desiredNumberScheduled": 1,
    "currentNumberScheduled": 1,
    "updatedNumberScheduled": 1,
    "numberAvailable": 1,
    "numberReady": 1,
}


@pytest.mark.parametrize(
    ("kind", "spec", "status", "ready"),
    [
        ("apps/v1/Deployment", {"replicas": 2}, ROLLED_OUT, True),
        ("apps/v1/Deployment", {"replicas": 2}, {**ROLLED_OUT, "observedGeneration": 1}, False),
        ("apps/v1/Deployment", {"replicas": 2}, {**ROLLED_OUT, "updatedReplicas": 1}, False),
        ("apps/v1/Deployment", {"replicas": 2}, {**ROLLED_OUT, "replicas": 3}, False),
        ("apps/v1/StatefulSet", {"replicas": 1}, STATEFUL, True),
        ("apps/v1/StatefulSet", {"replicas": 1}, {**STATEFUL, "updateRevision": "b"}, False),
        ("apps/v1/DaemonSet", {}, DAEMONS, True),
        ("apps/v1/DaemonSet", {}, {**DAEMONS, "updatedNumberScheduled": 0}, False),
        ("apps/v1/DaemonSet", {}, {}, False),
        ("v1/Pod", {}, {"phase": "Succeeded"}, True),
        (
            "v1/Pod",
            {},
            {"conditions": _conditions(PodScheduled="True", Initialized="True", Ready="True")},
            True,
        ),
        ("v1/Pod", {}, {"conditions": _conditions(PodScheduled="True")}, False),
        ("v1/Service", {"type": "ClusterIP"}, {}, True),
        ("v1/Service", {"type": "LoadBalancer"}, {"loadBalancer": {}}, False),
        (
            "v1/Service",
            {"type": "LoadBalancer"},
            {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}},
            True,
        ),
        ("batch/v1/Job", {}, {"conditions": _conditions(Complete="True")}, True),
        ("batch/v1/Job", {}, {"active": 1}, False),
        ("v1/PersistentVolumeClaim", {}, {"phase": "Bound"}, True),
        ("v1/PersistentVolumeClaim", {}, {"phase": "Pending"}, False),
        ("example.com/v1/Anything", {}, {}, True),
    ],
)
def test_ready_or_not(kind: str, spec: Object, status: Object, ready: bool) -> None:
    found = verdict(_object(kind, status, spec), updated=False)
    assert found.ready is ready
    assert ready or (found.progress and found.problems)


def test_a_failed_job_ends_the_wait() -> None:
    failed = {"type": "Failed", "status": "True", "message": "M"}
    job = _object("batch/v1/Job", {"conditions": [{**failed, "reason": "DeadlineExceeded"}]})
    found = verdict(job, updated=False)
    assert found.failed
    assert found.problems == ["[DeadlineExceeded] M"]


def test_a_token_secret_is_ready_with_its_token() -> None:
    secret: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/service-account-token",
        "metadata": {"annotations": {"kubernetes.io/service-account.name": "reader"}},
    }
    assert "reader" in verdict(secret, updated=False).problems[0]
    assert verdict({**secret, "data": {"token": "x"}}, updated=False).ready


def test_a_pod_says_what_keeps_it() -> None:
    status: Object = {
        "conditions": [
            *_conditions(PodScheduled="True", Initialized="True"),
            {"type": "Ready", "status": "False", "reason": "U", "message": "unready"},
        ],
        "containerStatuses": [
            {
                "name": "app",
                "ready": False,
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                "lastState": {
                    "terminated": {"exitCode": 3, "reason": "Error", "message": "no config"}
                },
            },
            {"name": "fine", "ready": True, "state": {"running": {}}},
        ],
    }
    assert pod_problems(_object("v1/Pod", status)) == [
        "[Pod n/x]: unready[CrashLoopBackOff] back-off\n"
        'container "app" terminated at None (Error: exit code 3)\nno config'
    ]


HOOK: Object = {
    "metadata": {"generation": 1},
    "webhooks": [{"clientConfig": {"caBundle": "abc"}, "n": 1, "on": True}],
    "status": {"conditions": _conditions(Programmed="True", Ready="Unknown")},
}


@pytest.mark.parametrize(
    ("annotation", "ready"),
    [
        ("jsonpath={.webhooks[0].clientConfig.caBundle}", True),
        ("jsonpath={.webhooks[0].clientConfig}", True),
        ("jsonpath={.webhooks[0].clientConfig.caBundle}=abc", True),
        ("jsonpath={.webhooks[0].clientConfig.caBundle}=abd", False),
        ("jsonpath={.webhooks[1].clientConfig.caBundle}", False),
        ("jsonpath={ .webhooks[0].n }=1", True),
        ("jsonpath={.webhooks[0].on}=true", True),
        ("jsonpath={.webhooks[?(@.n==1)].clientConfig.caBundle}=abc", True),
        ("condition=Programmed", True),
        ("condition=Ready", False),
        ("condition=Ready=Unknown", True),
        ('["condition=Programmed", "jsonpath={.webhooks[0].n}"]', True),
        ('["condition=Programmed", "jsonpath={.missing}"]', False),
    ],
)
def test_wait_for(annotation: str, ready: bool) -> None:
    assert WaitFor(annotation).verdict(HOOK).ready is ready


def test_wait_for_mistrusts_a_status_that_is_too_old() -> None:
    old: Any = {**HOOK, "metadata": {"generation": 3}, "status": {"observedGeneration": 2}}
    assert not WaitFor("jsonpath={.webhooks}").verdict(old).ready


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        ("status.ready", 'expected a "jsonpath=" or "condition=" prefix'),
        ("jsonpath=.status", "should be wrapped in brackets"),
        ("jsonpath='{.status}'", "should omit shell quotes"),
        ("jsonpath={.status}=", "requires a value"),
        ("jsonpath={.a[}", 'parsing "{.a[}"'),
        ("[]", "at least one condition"),
    ],
)
def test_wait_for_refuses_with_a_sentence(annotation: str, words: str) -> None:
    with pytest.raises(ProviderError) as caught:
        WaitFor(annotation)
    assert words in str(caught.value)
