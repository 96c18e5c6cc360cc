"""Checks of each cluster on its own."""

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from functools import partial

from checks.model import Check, Finding, failed, ok, skipped, warning
from checks.view import Json, Mesh, View
from kube.api import UnansweredError
from picture.state import Part
from preflight.ending import end_of_credentials
from spec.support import described, end_of_kubernetes

_SKEW_SECONDS = 10


def _answers(mesh: Mesh, view: View) -> Iterator[Finding]:
    try:
        version = str(view.get("/version")["gitVersion"]).removeprefix("v")
        view.get("/api/v1/namespaces/" + view.namespace)
    except UnansweredError as error:
        server = view.server
        if view.cluster.absent:
            yield skipped(f"{server}: {error}; the cluster is absent and left as it is")
            return
        yield failed(
            f"{server}: {error}",
            f"see what it answers: kubectl --server {server} get --raw /version. If its address or "
            "credentials are new, `pulumi up` writes them to the stack's outputs",
            Part("cluster", view.name),
        )
    else:
        ends = end_of_credentials(mesh.description.kubeconfigs.get(view.name, ""))
        yield ok(
            f"Kubernetes {version}{described(end_of_kubernetes(version))}"
            + (f"; credentials until {ends:%Y-%m-%d}" if ends else "")
        )


def _clock(_mesh: Mesh, view: View) -> Iterator[Finding]:
    before = time.time()
    server_time = parsedate_to_datetime(view.date()).timestamp()
    # A Date header has whole seconds, and the response took some time.
    early, late = server_time - time.time(), server_time + 1 - before
    skew = early if early > 0 else min(late, 0.0)
    if abs(skew) > _SKEW_SECONDS:
        yield warning(
            f"the API server's clock is {skew:+.0f} s from this machine's",
            "correct the clock that is wrong. Where a clock is behind, a new certificate or token "
            "is not yet valid",
            Part("cluster", view.name),
        )
    else:
        yield ok("in sync with this machine")


def _nodes(_mesh: Mesh, view: View) -> Iterator[Finding]:
    nodes = view.items("/api/v1/nodes")
    unready = [
        f"{n['metadata']['name']} ({_ready(n).get('reason', 'no reason given')})"
        for n in nodes
        if _ready(n)["status"] != "True"
    ]
    hint = f"kubectl --context {view.name} describe node. No pod starts on a node that is not ready"
    if len(unready) == len(nodes):
        yield failed(
            f"none of {len(nodes)} nodes is ready: {', '.join(unready)}",
            hint,
            Part("cluster", view.name),
        )
    elif unready:
        yield warning(f"{len(unready)} of {len(nodes)} not ready: {', '.join(unready)}", hint)
    else:
        yield ok(f"{len(nodes)} ready")


def _ready(node: Json) -> Json:
    conditions = node["status"].get("conditions", [])
    return next((c for c in conditions if c["type"] == "Ready"), {"status": "Unknown"})


def _probe(_mesh: Mesh, view: View) -> Iterator[Finding]:
    try:
        view.start_probe()
    except UnansweredError as error:
        yield failed(
            str(error),
            "checks of the paths to other clusters need a pod with the image of the sample's "
            "client, for at most two minutes. See the events: kubectl --context "
            f"{view.name} -n {view.namespace} get events",
        )
    else:
        yield ok("runs, and is deleted at the end")


_check = partial(Check, "clusters")

CHECKS = (
    _check(1001, "cluster-answers", "API server answers", _answers),
    _check(1002, "cluster-clock", "the clock is right", _clock),
    _check(1003, "cluster-nodes", "nodes are ready", _nodes),
    _check(1004, "cluster-probe", "a pod for the checks can be started", _probe),
)
