"""istiod in the primaries, and the way to it from their remotes."""

from collections.abc import Iterator

from checks import istiod
from checks.model import Check, Finding, failed, ok, warning
from checks.view import Mesh, View
from stacks.picture.state import Part


def _ready(_mesh: Mesh, view: View) -> Iterator[Finding]:
    if view.cluster.is_remote:
        return
    pods = istiod.pods(view)
    ready = [p for p in pods if istiod.is_ready(p)]
    look = f"kubectl --context {view.name} -n {view.namespace} describe pod -l app=istiod"
    if not ready:
        why = "; ".join(istiod.waits_for(p) for p in pods) or "it has no pods"
        yield failed(
            f"no istiod is ready: {why}",
            f"{look}. Running proxies go on with what they know; no new pod is injected, and no "
            "certificate renewed",
            Part("istiod", view.name),
        )
    elif len(ready) < len(pods):
        why = "; ".join(istiod.waits_for(p) for p in pods if not istiod.is_ready(p))
        yield warning(f"{len(ready)} of {len(pods)} pods are ready: {why}", look)
    else:
        yield ok(f"{len(ready)} pod{'s' * (len(ready) != 1)}")


CHECKS = (Check("istiod-ready", "control plane", "istiod is ready", _ready),)
