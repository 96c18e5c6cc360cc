"""All checks of a mesh, in parallel over clusters and checks."""

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path

from checks.api import ForbiddenError
from checks.model import Check, Finding, Result, Status, failed, skipped
from checks.sections import (
    clusters,
    configuration,
    control_plane,
    endpoints,
    gateways,
    injection,
    proxies,
    remote_secrets,
    sameness,
    traffic,
    trust,
)
from checks.view import Mesh, View
from kube.api import UnansweredError
from kube.pods import PodApi
from spec.description import Description

# Sections in order of dependency: `needs` names earlier checks only.
CHECKS: tuple[Check, ...] = tuple(
    chain(
        clusters.CHECKS,
        control_plane.CHECKS,
        trust.CHECKS,
        remote_secrets.CHECKS,
        gateways.CHECKS,
        injection.CHECKS,
        proxies.CHECKS,
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
    """Check a mesh, without changing it.

    Args:
        description: the stack's output `mesh`.
        report: receives the number of finished checks and the number of all.
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
        return  # the check cluster-probe reports it


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
                f"the query failed: {error}",
                f"check that the credentials for {view.name} are allowed to do what the check "
                "needs",
            )
        )
    except ForbiddenError as error:
        findings.append(skipped(f"this account lacks a permission: {error}"))
    except Exception as error:  # a bug in one check must not hide findings of others
        place = traceback.extract_tb(error.__traceback__)[-1]
        findings.append(
            failed(
                f"{type(error).__name__} in {Path(place.filename).name}:{place.lineno}: {error}",
                f"this is a bug in the check. Report it, and check {view.name} by hand",
            )
        )
    seconds = time.monotonic() - started
    return [Result(check, view.name, finding, seconds) for finding in findings]


def _in_the_way(
    check: Check, mesh: Mesh, view: View, earlier: Mapping[Key, Future[Sequence[Result]]]
) -> Result | None:
    """Return the result of a needed check that failed or was skipped; None if all passed."""
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
