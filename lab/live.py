"""A mesh in a lab: its clusters, its stack, and what upstream's tools say about it."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi.automation as automation
import yaml

from lab import cluster_objects
from lab.lab import Lab
from lab.workspace import Workspace

_HELLO = "http://helloworld.sample:5000/hello"

Snapshots = Mapping[str, set[cluster_objects.ObjectName]]
"""Every object of every cluster, by the cluster's name."""


def snapshots(lab: Lab) -> Snapshots:
    return {c.name: cluster_objects.snapshot(c) for c in lab.clusters}


def until(what: str, holds: Callable[[], bool], seconds: float = 90) -> None:
    """Wait for a condition.

    Raises:
        AssertionError: the time is over; with `what` was waited for.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain: {what}")
        time.sleep(0.1)


class FailedCommandError(Exception):
    """A command of the lab's tools has failed; a test that needs it fails with its output."""


@dataclass
class LiveMesh:
    """One lab with one stack on it."""

    lab: Lab
    workspace: Workspace
    charts: Path

    @staticmethod
    def read(stack_file: Path) -> dict[str, Any]:
        """The configuration in a stack file, keys without their `isthmus:`."""
        written = yaml.safe_load(stack_file.read_text())["config"]
        return {key.removeprefix("isthmus:"): value for key, value in written.items()}

    def placed(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """The configuration with this lab's kubeconfig and charts in place of `.lab`'s."""
        configuration["mesh"]["istio"]["charts"] = str(self.charts)
        for cluster in configuration["clusters"]:
            cluster["kubeconfig"] = str(self.lab.kubeconfig)
        return configuration

    def up(self, configuration: Mapping[str, Any] | None = None) -> automation.UpResult:
        if configuration is not None:
            self.workspace.configure(configuration)
        return self.workspace.stack.up(suppress_progress=True)

    def snapshot(self) -> Snapshots:
        return snapshots(self.lab)

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a user's commands find the stack and the clusters."""
        return {**self.workspace.environment, "KUBECONFIG": str(self.lab.kubeconfig)}

    def run(self, *command: str, stdin: str | None = None) -> str:
        """Run one of the lab's tools with the lab's kubeconfig; return its output.

        Raises:
            FailedCommandError: the command has failed; with its output.
        """
        done = subprocess.run(
            command,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode != 0:
            raise FailedCommandError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        return done.stdout

    def kubectl(self, cluster: str, *arguments: str) -> str:
        return self.run("kubectl", "--context", cluster, *arguments)

    def istioctl(self, cluster: str, *arguments: str) -> str:
        return self.run("istioctl", "--context", cluster, *arguments)

    def apply(self, cluster: str, *objects: Mapping[str, Any]) -> None:
        """Create or change objects as a user would who knows nothing of the stack."""
        file = self.workspace.folder / "applied.json"
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
        self.kubectl(cluster, "apply", "-f", str(file))

    def ask(self, cluster: str, times: int = 20, url: str = _HELLO) -> Counter[str]:
        """Which versions of helloworld answer to the cluster's `sleep`, and how often."""
        loop = f"for i in $(seq {times}); do curl -sS --max-time 5 {url} || echo failed; done"
        answers = self.kubectl(
            cluster, "-n", "sample", "exec", "deploy/sleep", "-c", "sleep", "--", "sh", "-c", loop
        )
        return Counter(
            line.removeprefix("Hello version: ").split(",")[0] for line in answers.splitlines()
        )

    def endpoints(self, cluster: str) -> set[str]:
        """Healthy endpoints of helloworld as the Envoy beside the cluster's `sleep` has them."""
        text = self.istioctl(
            cluster,
            *("-n", "sample", "proxy-config", "endpoints", "deploy/sleep", "-o", "json"),
            *("--cluster", "outbound|5000||helloworld.sample.svc.cluster.local"),
        )
        return {
            f"{address['address']}:{address['portValue']}"
            for status in json.loads(text)
            for host in status["hostStatuses"]
            if host["healthStatus"].get("edsHealthStatus") == "HEALTHY"
            for address in [host["address"]["socketAddress"]]
        }

    def pod_address(self, cluster: str, app: str) -> str:
        return self.kubectl(
            cluster,
            *("-n", "sample", "get", "pod", "-l", f"app={app}"),
            *("-o", "jsonpath={.items[0].status.podIP}"),
        )

    def remote_clusters(self, primary: str, namespace: str = "istio-system") -> dict[str, str]:
        """What the primary's istiod says of every cluster that it watches: name → status."""
        deadline = time.monotonic() + 30
        while True:
            lines = self.istioctl(primary, "-i", namespace, "remote-clusters").splitlines()[1:]
            found = {line.split()[0]: "synced" if "synced" in line else line for line in lines}
            if set(found.values()) == {"synced"} or time.monotonic() > deadline:
                return found
            time.sleep(1)

    def checked(self) -> str:
        """What `python -m checks` says in short, when nothing fails or a minute is over."""
        folder = str(self.workspace.folder)
        return self.run(
            *(sys.executable, "-m", "checks", "--cwd", folder, "--stack", "test"),
            *("--output", "short", "--wait", "60"),
        )
