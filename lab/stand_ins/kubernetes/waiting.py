"""Waiting until an object is ready or gone."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

from lab.stand_ins.kubernetes import fields, readiness
from lab.stand_ins.kubernetes.api import Api, ApiError
from lab.stand_ins.kubernetes.conditions import WaitFor
from lab.stand_ins.kubernetes.fields import (
    DELETION_PROPAGATION,
    SKIP_AWAIT,
    TIMEOUT_SECONDS,
    WAIT_FOR,
)
from lab.stand_ins.kubernetes.kubeconfig import UnreachableError
from lab.stand_ins.kubernetes.readiness import Verdict
from lab.stand_ins.servicer import ProviderError
from lab.stand_ins.values import Object

DEFAULT_SECONDS = 600

# Kinds whose deletion is not awaited with skipAwait (metadata/overrides.go).
_SKIPS_DELETE = {
    "v1/Namespace",
    "v1/Pod",
    "v1/ReplicationController",
    "apps/v1/DaemonSet",
    "apps/v1/Deployment",
    "apps/v1/StatefulSet",
    "batch/v1/Job",
}


# What the real plugin says of a wait that the user has described, or for an object to be gone
# (await/internal/awaiter.go); it does not say what was waited for.
_OVER = "timed out waiting for the condition"
_CANCELLED = "context canceled"


class NotReadyError(ProviderError):
    """The object is there but not ready: timed out, failed or the wait was cancelled."""

    def __init__(self, sentence: str, obj: Object, details: list[str]) -> None:
        super().__init__(sentence)
        self.object = obj
        self.details = details


@dataclass(frozen=True)
class Waiter:
    """Waits on one API server; `pause` sleeps and returns whether the user cancelled."""

    api: Api
    pause: Callable[[float], bool]
    status: Callable[[str], None]
    """Shows progress beside the resource."""

    def ready(
        self, inputs: Object, obj: Object, seconds: float, *, updated: bool, before: Object | None
    ) -> Object:
        """Wait until the object is ready and return its live form; raise NotReadyError.

        `before`: the object before this write. The real plugin's watch can begin with that form,
        takes it for the newest one where the generation is the same, and returns it if it is ready
        (await/condition/observer.go Observe). Here it always does, so that a program shows whether
        it can bear that.
        """
        if fields.is_true(inputs, SKIP_AWAIT):
            return obj
        judge = _judge(obj, updated=updated)
        if judge is None or self._waits_for_consumer(obj):
            return obj
        if before and fields.annotation(obj, WAIT_FOR) and _generation(before) == _generation(obj):
            obj = before
        return self._until(obj, seconds, judge)

    def _waits_for_consumer(self, obj: Object) -> bool:
        """Tell a claim that stays pending until a pod uses it (await/awaiters.go)."""
        if f"{obj['apiVersion']}/{obj['kind']}" != "v1/PersistentVolumeClaim":
            return False
        spec = cast(Object, obj.get("spec") or {})
        storage: Object = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass"}
        storage["metadata"] = {"name": spec.get("storageClassName") or ""}
        found = self.api.get(storage) if spec.get("storageClassName") else None
        return (found or {}).get("volumeBindingMode") == "WaitForFirstConsumer"

    def check(self, inputs: Object, obj: Object) -> None:
        """Raise NotReadyError if the object is not ready now (await/await.go Read)."""
        if fields.is_true(inputs, SKIP_AWAIT) or not readiness.has_check(obj):
            return
        if fields.annotation(obj, WAIT_FOR) or self._waits_for_consumer(obj):
            return
        found = readiness.verdict(obj, updated=False)
        if not found.ready:
            raise NotReadyError(
                f"Resource '{fields.name(obj)}' was created but failed to initialize",
                obj,
                [*found.problems, *self._pod_words(obj)],
            )

    def _until(self, obj: Object, seconds: float, judge: Callable[[Object], Verdict]) -> Object:
        end = time.monotonic() + seconds
        live, shown, found = obj, "", judge(obj)
        own = bool(fields.annotation(obj, WAIT_FOR))
        while not found.ready:
            left = end - time.monotonic()
            if found.failed:
                sentence = f"Resource '{fields.name(obj)}' was created but failed to initialize"
            elif left <= 0:
                sentence = _OVER if own else f"'{fields.name(obj)}' timed out waiting to be Ready"
            elif self.pause(0):
                cancelled = f'Resource operation was cancelled for "{fields.name(obj)}"'
                sentence = _CANCELLED if own else cancelled
            else:
                sentence = ""
            if sentence:
                details = [] if own else [*found.problems, *self._pod_words(live)]
                raise NotReadyError(sentence, live, details)
            if found.progress != shown:
                self.status(found.progress)
                shown = found.progress
            # Short watches: each end is a chance to see a cancel or the end of the time.
            for event in self._events(live, max(1, min(2, int(left)))):
                if event is None:
                    raise NotReadyError(
                        f"'{fields.name(obj)}' was deleted while it was waited for", live, []
                    )
                live = event
                found = judge(live)
                if found.ready or found.failed or self.pause(0) or time.monotonic() > end:
                    break
                if found.progress != shown:
                    self.status(found.progress)
                    shown = found.progress
        if shown:
            self.status("")
        return live

    def gone(self, inputs: Object, obj: Object, seconds: float) -> None:
        """Wait until the object is gone, or replaced by a namesake; raise NotReadyError."""
        if (
            fields.is_true(inputs, SKIP_AWAIT)
            and f"{obj['apiVersion']}/{obj['kind']}" in _SKIPS_DELETE
        ):
            return
        end = time.monotonic() + seconds
        uid, live = fields.metadata(obj).get("uid"), obj
        while True:
            for event in self._events(live, 2):
                if event is None or (uid and fields.metadata(event).get("uid") != uid):
                    return
                live = event
                if self.pause(0) or time.monotonic() > end:
                    break
            if self.pause(0):
                raise NotReadyError(_CANCELLED, live, [])
            if time.monotonic() > end:
                raise NotReadyError(_OVER, live, [])

    def _events(self, obj: Object, seconds: int) -> Iterator[Object | None]:
        """Watch the object; an API server that starts again is no reason to give up."""
        try:
            yield from self.api.watch(obj, seconds)
        except UnreachableError as error:
            self.status(str(error))
            self.pause(1)
        except ApiError as error:
            if error.code < 500:
                raise
            self.status(str(error))
            self.pause(1)

    def _pod_words(self, obj: Object) -> list[str]:
        """What the object's pods say: conditions, exit codes, messages."""
        selector = _selector(obj)
        if not selector:
            return []
        words: list[str] = []
        # What cannot be read must not hide why the wait failed.
        with contextlib.suppress(ApiError, UnreachableError):
            for pod in self.api.pods(fields.namespace(obj), selector)[:5]:
                words += readiness.pod_problems(pod)
        return words


def seconds_of(inputs: Object, custom: float) -> float:
    """Give the time-out: the customTimeouts option, the annotation, or ten minutes."""
    if custom:
        return custom
    with contextlib.suppress(ValueError):
        return float(int(fields.annotation(inputs, TIMEOUT_SECONDS)))
    return DEFAULT_SECONDS


def deletion_policy(inputs: Object) -> str:
    """Give the propagation policy; foreground unless the annotation says otherwise."""
    policy = fields.annotation(inputs, DELETION_PROPAGATION).lower()
    return {"orphan": "Orphan", "background": "Background"}.get(policy, "Foreground")


def refuse_await_all() -> None:
    """PULUMI_K8S_AWAIT_ALL waits for kinds that this stand-in has no readiness rule for."""
    if os.environ.get("PULUMI_K8S_AWAIT_ALL") == "true":
        raise ProviderError(
            "PULUMI_K8S_AWAIT_ALL: this stand-in does not support it; "
            "annotate the objects with pulumi.com/waitFor"
        )


def _judge(obj: Object, *, updated: bool) -> Callable[[Object], Verdict] | None:
    # Read from the live object: a Patch puts its annotation there (metadata/overrides.go).
    if text := fields.annotation(obj, WAIT_FOR):
        return WaitFor(text).verdict
    if readiness.has_check(obj):
        return lambda live: readiness.verdict(live, updated=updated)
    return None


def _generation(obj: Object) -> int:
    return int(fields.metadata(obj).get("generation") or 0)


def _selector(obj: Object) -> str:
    if obj["kind"] == "Pod":
        return ""
    spec = cast(Object, obj.get("spec") or {})
    found = spec.get("selector")
    labels = cast(Object, found).get("matchLabels") if isinstance(found, dict) else None
    return ",".join(f"{key}={value}" for key, value in cast(Object, labels or {}).items())
