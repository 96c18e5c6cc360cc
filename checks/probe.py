"""A pod without a sidecar, which tests a cluster's paths to the others."""

import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from checks.api import ForbiddenError
from components import names
from kube.api import UnansweredError
from kube.pods import Container, PodApi, Ran, Served, Server
from spec.mesh import Images

_CONTAINER = "probe"
_STARTS_WITHIN = 20
_LIVES = 120


class Probe:
    """The pod of a Job in Istio's namespace, created when it is first needed.

    Kubernetes stops the Job after two minutes and deletes it, so that a killed run of the checks
    leaves no object behind.
    """

    def __init__(self, api: PodApi, namespace: str, images: Images) -> None:
        self._api, self._namespace, self._images = api, namespace, images
        self._job = f"isthmus-check-{secrets.token_hex(3)}"
        self._created = False
        self._pod: str | None = None

    def start(self) -> str:
        """Create the Job, and return the name of its pod when it runs.

        Raises:
            UnansweredError: the pod does not run, with the reason.
        """
        jobs = f"/apis/batch/v1/namespaces/{self._namespace}/jobs"
        self._created = True
        self._api.post(jobs, _job(self._job, self._images))
        state = "no pod was created"
        deadline = time.monotonic() + _STARTS_WITHIN
        while time.monotonic() < deadline:
            found = self._api.get(
                f"/api/v1/namespaces/{self._namespace}/pods",
                labelSelector=f"batch.kubernetes.io/job-name={self._job}",
            )["items"]
            for pod in found:
                if pod["status"]["phase"] == "Running":
                    self._pod = pod["metadata"]["name"]
                    return pod["metadata"]["name"]
                state = _waiting(pod)
            time.sleep(0.1)
        raise UnansweredError(None, f"the probe's pod does not run: {state}")

    def run(self, *command: str) -> Ran:
        """Run a command in the pod, which must have started."""
        return self._api.run(self._container, *command)

    def tls(self, server: Server, root: str) -> Served:
        """Shake hands with a TLS server as seen from the pod; see `PodApi.tls`."""
        return self._api.tls(self._container, server, root)

    def remove(self) -> None:
        """Delete the Job and its pod, if they exist. If this fails, Kubernetes deletes them."""
        if self._created:
            with suppress(UnansweredError, ForbiddenError):
                self._api.delete(
                    f"/apis/batch/v1/namespaces/{self._namespace}/jobs/{self._job}",
                    {"propagationPolicy": "Background"},
                )

    @property
    def _container(self) -> Container:
        if self._pod is None:
            raise AssertionError("the probe was not started")
        return Container(self._namespace, self._pod, _CONTAINER)


def _job(name: str, images: Images) -> Mapping[str, Any]:
    labels = {"app.kubernetes.io/managed-by": "isthmus-checks", names.INJECT: "false"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "activeDeadlineSeconds": _LIVES,
            "ttlSecondsAfterFinished": 0,
            "backoffLimit": 0,
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": 0,
                    "imagePullSecrets": [{"name": secret} for secret in images.pull_secrets],
                    "automountServiceAccountToken": False,
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": 65532,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "containers": [
                        {
                            "name": _CONTAINER,
                            "image": images.client,
                            "command": ["sleep", str(_LIVES)],
                            "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
                            "securityContext": {
                                "allowPrivilegeEscalation": False,
                                "capabilities": {"drop": ["ALL"]},
                            },
                        }
                    ],
                },
            },
        },
    }


def _waiting(pod: Mapping[str, Any]) -> str:
    for status in pod["status"].get("containerStatuses", []):
        if waiting := status["state"].get("waiting"):
            return f"{waiting['reason']} {waiting.get('message', '')}".strip()
    for condition in pod["status"].get("conditions", []):
        if condition["status"] == "False" and condition.get("message"):
            return str(condition["message"])
    return str(pod["status"]["phase"])
