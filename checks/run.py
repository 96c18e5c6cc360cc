"""All checks of a mesh, in parallel over clusters and checks."""

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path

from checks.api import ForbiddenError, PodApi
from checks.model import Check, Finding, Result, Status, failed, skipped
from checks.sections import (
    clusters,
    configuration,
    control_plane,
    endpoints,
    gateways,
    injection,
    remote_secrets,
    sameness,
    traffic,
    trust,
)
from checks.view import Mesh, View
from kube.api import UnansweredError
from spec.description import Description

# Sections in the order in which one thing needs another: `needs` leads backwards only.
CHECKS: tuple[Check, ...] = tuple(
    chain(
        clusters.CHECKS,
        control_plane.CHECKS,
        trust.CHECKS,
        remote_secrets.CHECKS,
        gateways.CHECKS,
        injection.CHECKS,
        sameness.CHECKS,
        configuration.CHECKS,
        endpoints.CHECKS,
        traffic.CHECKS,
    )
)
_ALL_NEED = "cluster-answers"
_THREADS = 16

Key = tuple[str, str]
"""ID of a check, name of a cluster."""


def run(
    description: Description,
    report: Callable[[int, int], None] = lambda done, total: None,
    api_type: type[PodApi] = PodApi,
) -> Sequence[Result]:
    """Look at a mesh, and leave it as it was.

    Args:
        description: the stack's output `mesh`.
        report: is told how many looks of how many are done.
        api_type: `ReadingApi` where clusters are looked at with an account of few permissions.

    Returns:
        Results in the order of the checks, and for each in that of the clusters.
    """
    with Mesh.look_at(description, api_type) as mesh, ThreadPoolExecutor(_THREADS) as pool:
        # Pods take the longest to start, so they start first.
        starting = [pool.submit(_start, view) for view in mesh.views.values()]
        looks: dict[Key, Future[Sequence[Result]]] = {}
        for check in CHECKS:
            for view in mesh.views.values():
                if not check.scope(mesh.spec, view.cluster):
                    continue
                # A look waits for earlier ones only, which have threads already: no deadlock.
                looks[check.id, view.name] = pool.submit(_look, check, mesh, view, dict(looks))
        results = list[Result]()
        for done, future in enumerate(looks.values(), 1):
            results.extend(future.result())
            report(done, len(looks))
        for future in starting:
            future.result()
        return results


def _start(view: View) -> None:
    try:
        view.start_probe()
    except (UnansweredError, ForbiddenError):
        return  # remembered, and told by the check cluster-probe


def _look(
    check: Check, mesh: Mesh, view: View, earlier: Mapping[Key, Future[Sequence[Result]]]
) -> Sequence[Result]:
    if cause := _in_the_way(check, mesh, view, earlier):
        what = "was skipped" if cause.status is Status.SKIPPED else "failed"
        reason = skipped(f"{cause.check.id} {what} in {cause.cluster}")
        return [Result(check, view.name, reason, 0)]
    started = time.monotonic()
    findings = list[Finding]()
    try:
        findings.extend(check.look(mesh, view))
    except UnansweredError as error:
        findings.append(
            failed(
                f"could not be asked: {error}",
                f"see that the kubeconfig of {view.name} may do what the check asks for",
            )
        )
    except ForbiddenError as error:
        findings.append(skipped(f"this account may not look: {error}"))
    except Exception as error:  # a flaw in one check must not hide what others find
        place = traceback.extract_tb(error.__traceback__)[-1]
        findings.append(
            failed(
                f"{type(error).__name__} in {Path(place.filename).name}:{place.lineno}: {error}",
                f"the check has met something that it was not made for; report it, and look at "
                f"{view.name} by hand for what the check is about",
            )
        )
    seconds = time.monotonic() - started
    return [Result(check, view.name, finding, seconds) for finding in findings]


def _in_the_way(
    check: Check, mesh: Mesh, view: View, earlier: Mapping[Key, Future[Sequence[Result]]]
) -> Result | None:
    """What explains whatever this check would say: a failure, or one that could not be asked."""
    if check.id == _ALL_NEED:
        return None
    for name in dict.fromkeys((view.name, mesh.control_plane_of(view).name)):
        for needed in (_ALL_NEED, *check.needs):
            if (needed, name) not in earlier:
                continue
            results = earlier[needed, name].result()
            for result in results:
                if result.status is Status.FAILED:
                    return result
            if results and all(r.status is Status.SKIPPED for r in results):
                return results[0]
    return None
