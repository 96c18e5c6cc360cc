"""The pods of a control plane, and istiod's own status."""

import json
from collections.abc import Sequence
from typing import Any

from checks.view import Json, Mesh, View
from kube.api import UnansweredError
from kube.pods import Container
from picture.state import Part

_CONTAINER = "discovery"


def pods(view: View) -> Sequence[Json]:
    """Pods of istiod in a primary, in any state."""
    return view.pods(view.namespace, labelSelector="app=istiod")


def part_of(mesh: Mesh, view: View) -> Part:
    """Return the part of the picture that serves a cluster's proxies."""
    if view.cluster.is_remote:
        return Part("control-plane", view.name)
    return Part("istiod", mesh.control_plane_of(view).name)


def is_ready(pod: Json) -> bool:
    """Whether a pod is ready for traffic."""
    conditions = pod["status"].get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def waits_for(pod: Json) -> str:
    """Return why a pod is not ready, as far as Kubernetes reports it."""
    for status in pod["status"].get("containerStatuses", []):
        if waiting := status["state"].get("waiting"):
            return f"{waiting['reason']}: {waiting.get('message', '')}".strip(": ")
    for condition in pod["status"].get("conditions", []):
        if condition["status"] == "False" and condition.get("message"):
            return str(condition["message"])
    return str(pod["status"]["phase"])


def debug_json(view: View, path: str) -> Any:
    """Return the JSON that a ready istiod serves at a path of its debug interface.

    Raises:
        UnansweredError: no istiod is ready, or it refuses.
    """
    return _parsed(path, _debug_text(view, path))


def version(view: View) -> str:
    """Version of a ready istiod, e.g. `1.31.0`.

    Raises:
        UnansweredError: no istiod is ready, or it refuses.
    """
    return _debug_text(view, "/version").strip().partition("-")[0]


def proxies(view: View) -> Sequence[Json]:
    """Proxies that are connected to any istiod of a primary."""
    return [
        proxy
        for pod in _ready(view)
        for proxy in _parsed("/debug/syncz", _ask(view, pod, "/debug/syncz"))
    ]


def _ready(view: View) -> Sequence[str]:
    ready = [str(p["metadata"]["name"]) for p in pods(view) if is_ready(p)]
    if not ready:
        raise UnansweredError(None, f"no istiod of {view.name} is ready")
    return ready


def _debug_text(view: View, path: str) -> str:
    return _ask(view, _ready(view)[0], path)


def _ask(view: View, pod: str, path: str) -> str:
    # The interface trusts its own pod; other clients need a token of Istio's.
    ran = view.run(
        Container(view.namespace, pod, _CONTAINER), "pilot-discovery", "request", "GET", path
    )
    if ran.status:
        last_words = "".join(ran.stderr.strip().splitlines()[-1:])
        raise UnansweredError(None, f"{pod} at {path}: {last_words}")
    return ran.stdout


def _parsed(path: str, said: str) -> Any:
    try:
        return json.loads(said)
    except json.JSONDecodeError:
        raise UnansweredError(None, f"istiod at {path}: {said.strip()[:200]}") from None
