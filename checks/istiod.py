"""The pods of a control plane, and what istiod says of itself."""

import json
from collections.abc import Sequence
from typing import Any

from checks.view import Json, View
from stacks.cluster_api import UnansweredError

_CONTAINER = "discovery"


def pods(view: View) -> Sequence[Json]:
    """Pods of istiod in a primary, whatever their state."""
    return view.items(view.istio("pods"), labelSelector="app=istiod")


def is_ready(pod: Json) -> bool:
    """Whether a pod takes traffic."""
    conditions = pod["status"].get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def waits_for(pod: Json) -> str:
    """Why a pod is not ready, as far as Kubernetes tells."""
    for status in pod["status"].get("containerStatuses", []):
        if waiting := status["state"].get("waiting"):
            return f"{waiting['reason']}: {waiting.get('message', '')}".strip(": ")
    for condition in pod["status"].get("conditions", []):
        if condition["status"] == "False" and condition.get("message"):
            return str(condition["message"])
    return str(pod["status"]["phase"])


def asked(view: View, path: str) -> Any:
    """The JSON with which a ready istiod answers at a path of its debug interface.

    Raises:
        UnansweredError: no istiod is ready, or it does not tell.
    """
    ready = [p for p in pods(view) if is_ready(p)]
    if not ready:
        raise UnansweredError(None, f"no istiod of {view.name} is ready")
    # The interface trusts its own pod, and nobody else without a token of Istio's.
    name = ready[0]["metadata"]["name"]
    ran = view.run(view.namespace, name, _CONTAINER, "pilot-discovery", "request", "GET", path)
    try:
        return json.loads(ran.stdout)
    except json.JSONDecodeError:
        said = (ran.stderr or ran.stdout).strip().splitlines()[-1:]
        raise UnansweredError(None, f"{name} at {path}: {' '.join(said)}") from None
