"""When an object counts as ready, kind by kind, from nothing but the object itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from lab.stand_ins.kubernetes import fields
from lab.stand_ins.values import Object


@dataclass(frozen=True)
class Verdict:
    """Whether an object is ready, and if not what it waits for."""

    ready: bool
    progress: str = ""
    problems: list[str] = field(default_factory=list[str])
    """What to tell when the wait ends without success."""
    failed: bool = False
    """It will not become ready: waiting on makes no sense."""


READY = Verdict(ready=True)


def verdict(obj: Object, *, updated: bool) -> Verdict:
    """Judge an object. `updated` is False for a creation."""
    check = _CHECKS.get(f"{obj['apiVersion']}/{obj['kind']}")
    return check(obj, updated) if check else READY


def has_check(obj: Object) -> bool:
    """Tell whether the kind is waited for at all."""
    return f"{obj['apiVersion']}/{obj['kind']}" in _CHECKS


def condition(obj: Object, type_: str) -> Object:
    """Give a status condition, or an empty one."""
    conditions = cast(list[Object], _status(obj).get("conditions") or [])
    return next((c for c in conditions if c.get("type") == type_), {})


def _status(obj: Object) -> Object:
    return cast(Object, obj.get("status") or {})


def _spec(obj: Object) -> Object:
    return cast(Object, obj.get("spec") or {})


def _observed(obj: Object) -> bool:
    return _status(obj).get("observedGeneration", 0) >= fields.metadata(obj).get("generation", 0)


def _stated(found: Object) -> list[str]:
    """A condition that is false, in its own words."""
    if found.get("status") == "True" or not found.get("message"):
        return []
    return [f"[{found.get('reason', '')}] {found['message']}"]


def _deployment(obj: Object, updated: bool) -> Verdict:
    # await/deployment.go; it reads ReplicaSets where the Deployment's own counters say as much.
    status, want = _status(obj), _spec(obj).get("replicas", 1)
    available = condition(obj, "Available")
    ready = min(status.get("updatedReplicas", 0), status.get("availableReplicas", 0))
    if (
        _observed(obj)
        and ready >= want
        and available.get("status") == "True"
        and status.get("replicas", 0) <= want
    ):
        return READY
    problems = [*_stated(condition(obj, "Progressing")), *_stated(available)]
    if available.get("status") != "True":
        problems.append("Minimum number of live Pods was not attained")
    elif updated:
        problems.append(
            "Attempted to roll forward to new ReplicaSet, but minimum number of Pods did not "
            "become live"
        )
    else:
        problems.append("Minimum number of Pods to consider the application live was not attained")
    return Verdict(
        False,
        f"Waiting for app ReplicaSet to be available ({ready}/{want} Pods available)",
        problems,
    )


def _stateful_set(obj: Object, updated: bool) -> Verdict:
    # await/statefulset.go
    status, spec = _status(obj), _spec(obj)
    want = spec.get("replicas", 1)
    got = {key: status.get(key, 0) for key in ("replicas", "readyReplicas", "currentReplicas")}
    now, then = status.get("currentRevision", ""), status.get("updateRevision", "")
    strategy = cast(Object, spec.get("updateStrategy") or {})
    on_delete = strategy.get("type") == "OnDelete"
    if on_delete and updated:
        del got["currentReplicas"]
    replicas = _observed(obj) and all(count == want for count in got.values())
    revision = (on_delete and updated) or bool(now and now == then)
    if replicas and revision:
        return READY
    problems: list[str] = []
    ready = status.get("readyReplicas", 0)
    if not replicas:
        problems.append(f"{ready} out of {want} replicas succeeded readiness checks")
    if not revision:
        problems.append(
            f'StatefulSet controller failed to advance from revision "{now}" to revision "{then}"'
        )
    return Verdict(False, f"Waiting for StatefulSet ({ready}/{want} Pods ready)", problems)


def _daemon_set(obj: Object, updated: bool) -> Verdict:
    # await/daemonset.go, which asks kstatus
    status = _status(obj)
    want = status.get("desiredNumberScheduled")
    counts = ("currentNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady")
    if _observed(obj) and want is not None and all(status.get(c, 0) >= want for c in counts):
        return READY
    lagging = next((c for c in counts if status.get(c, 0) < (want or 0)), "observedGeneration")
    text = f"{lagging}: {status.get(lagging, 0)}/{want or 0}"
    return Verdict(
        False, f"Waiting for DaemonSet ({text})", [f"DaemonSet is not available: {text}"]
    )


def _pod(obj: Object, updated: bool) -> Verdict:
    # await/checker/pod/check.go
    full = fields.name(obj)
    if _status(obj).get("phase") == "Succeeded":
        return READY
    for type_, what in (
        ("PodScheduled", "scheduled"),
        ("Initialized", "initialized"),
        ("Ready", "ready"),
    ):
        if condition(obj, type_).get("status") != "True":
            problems = pod_problems(obj) or [f'Pod "{full}" did not become {what}']
            return Verdict(False, f'Waiting for Pod "{full}" to be {what}', problems)
    return READY


def pod_problems(pod: Object) -> list[str]:
    """What keeps a pod from being ready (await/checker/pod/check.go)."""
    status = _status(pod)
    for type_ in ("PodScheduled", "Initialized", "Ready"):
        found = condition(pod, type_)
        if found.get("status") == "True":
            continue
        if not found or type_ == "PodScheduled" or status.get("phase") == "Succeeded":
            return []
        said = str(found.get("message") or "") if found.get("reason") else ""
        errors = "\n".join(_container_errors(status.get("containerStatuses")))
        meta = fields.metadata(pod)
        where = f"{meta['namespace']}/" if meta.get("namespace", "default") != "default" else ""
        return [f"[Pod {where}{fields.name(pod)}]: {said}{errors}"] if said or errors else []
    return []


def _container_errors(statuses: Any) -> Iterator[str]:
    for status in cast(list[Object], statuses or []):
        if status.get("ready"):
            continue
        state = cast(Object, status.get("state") or {})
        waiting = cast(Object, state.get("waiting") or {})
        if waiting and waiting.get("reason") != "ContainerCreating":
            yield f"[{waiting.get('reason')}] {waiting.get('message', '')}"
        ended = cast(Object, state.get("terminated") or {})
        if ended.get("reason"):
            yield (
                f"[{ended['reason']}] {ended['message']}"
                if ended.get("message")
                else f'container "{status.get("name")}" completed with exit code '
                f"{ended.get('exitCode')}"
            )
        last = cast(Object, (status.get("lastState") or {}).get("terminated") or {})
        if last:
            yield (
                f'container "{status.get("name")}" terminated at {last.get("finishedAt")} '
                f"({last.get('reason')}: exit code {last.get('exitCode')})"
            )
            if last.get("message"):
                yield str(last["message"])


def _service(obj: Object, updated: bool) -> Verdict:
    # await/service.go, without its wait for the endpoints to settle (10 s for each Service).
    if _spec(obj).get("type") != "LoadBalancer" or _ingress(obj):
        return READY
    return Verdict(
        False,
        "Attempting to allocate IP address to Service",
        ["Service was not allocated an IP address; does your cloud provider support this?"],
    )


def _ingress(obj: Object) -> bool:
    balancer = cast(Object, _status(obj).get("loadBalancer") or {})
    return bool(balancer.get("ingress"))


def _ingress_object(obj: Object, updated: bool) -> Verdict:
    # await/ingress.go
    if _ingress(obj):
        return READY
    text = "Ingress .status.loadBalancer field was not updated with a hostname/IP address."
    return Verdict(False, "Waiting for update of .status.loadBalancer with hostname/IP", [text])


_FINAL = ("BackoffLimitExceeded", "DeadlineExceeded")


def _job(obj: Object, updated: bool) -> Verdict:
    # await/checker/job/check.go, which waits on after a failure that it does not know.
    if condition(obj, "Complete").get("status") == "True":
        return READY
    status, failed = _status(obj), condition(obj, "Failed")
    counts = " | ".join(
        f"{key.title()}: {status.get(key, 0)}" for key in ("active", "succeeded", "failed")
    )
    if failed.get("status") == "True" and failed.get("reason") in _FINAL:
        text = f"[{failed.get('reason', '')}] {failed.get('message', '')}"
        return Verdict(False, problems=[text], failed=True)
    return Verdict(
        False,
        f'Waiting for Job "{fields.name(obj)}" to succeed ({counts})',
        [f'Job "{fields.name(obj)}" did not complete ({counts})'],
    )


def _claim(obj: Object, updated: bool) -> Verdict:
    # await/awaiters.go; waiting.py handles a claim that waits for its first consumer.
    phase = _status(obj).get("phase", "Pending")
    if phase == "Bound":
        return READY
    return Verdict(False, f"PersistentVolumeClaim is {phase}", [f"status.phase is {phase}"])


def _volume(obj: Object, updated: bool) -> Verdict:
    phase = _status(obj).get("phase", "Pending")
    if phase in ("Available", "Bound"):
        return READY
    return Verdict(False, f"PersistentVolume is {phase}", [f"status.phase is {phase}"])


def _secret(obj: Object, updated: bool) -> Verdict:
    if obj.get("type") != "kubernetes.io/service-account-token" or obj.get("data"):
        return READY
    account = cast(Object, fields.metadata(obj).get("annotations") or {}).get(
        "kubernetes.io/service-account.name", ""
    )
    return Verdict(
        False,
        "Waiting for the token",
        [f'no token was written; does ServiceAccount "{account}" exist in this namespace?'],
    )


def _replication_controller(obj: Object, updated: bool) -> Verdict:
    want, got = _spec(obj).get("replicas", 1), _status(obj).get("availableReplicas", 0)
    if want == got:
        return READY
    return Verdict(False, f"{got}/{want} Pods available", [f"{got} out of {want} Pods available"])


def _resource_quota(obj: Object, updated: bool) -> Verdict:
    if _spec(obj).get("hard") == _status(obj).get("hard"):
        return READY
    return Verdict(False, "Waiting for the quota to be counted", ["status.hard is not spec.hard"])


_CHECKS: dict[str, Callable[[Object, bool], Verdict]] = {
    "apps/v1/Deployment": _deployment,
    "apps/v1/StatefulSet": _stateful_set,
    "apps/v1/DaemonSet": _daemon_set,
    "v1/Pod": _pod,
    "v1/Service": _service,
    "networking.k8s.io/v1/Ingress": _ingress_object,
    "batch/v1/Job": _job,
    "v1/PersistentVolumeClaim": _claim,
    "v1/PersistentVolume": _volume,
    "v1/Secret": _secret,
    "v1/ReplicationController": _replication_controller,
    "v1/ResourceQuota": _resource_quota,
}
