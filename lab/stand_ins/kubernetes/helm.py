"""The helm command line: charts rendered, releases installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Event
from typing import Any, cast

from lab.stand_ins.kubernetes.assets import file_name, in_memory
from lab.stand_ins.kubernetes.cluster import Cluster
from lab.stand_ins.servicer import ProviderError
from lab.stand_ins.values import Object

# A cancelled helm needs a moment to mark its release as failed.
_STOP_SECONDS = 10


class HelmError(ProviderError):
    """helm failed; the text is what it wrote to stderr."""


@dataclass(frozen=True)
class ChartSource:
    """Where a chart comes from: the options that Release and Chart have in common."""

    chart: str
    version: str = ""
    devel: bool = False
    repository: Object | None = None
    """repositoryOpts: repo, username, password, caFile, certFile, keyFile."""
    dependency_update: bool = False
    verify: bool = False
    keyring: Any = ""
    plain_http: bool = False

    def _place(self, repository: str) -> list[str]:
        """A repository is an address, or the name of one that helm knows (resolveChartName)."""
        if not repository or self.chart.startswith("oci://"):
            return [self.chart]
        if "://" in repository:
            return [self.chart, "--repo", repository]
        return [self.chart if "/" in self.chart else f"{repository}/{self.chart}"]

    def arguments(self, files: ExitStack, fds: list[int]) -> list[str]:
        options = self.repository or {}
        words = self._place(str(options.get("repo") or ""))
        for key, flag in (
            ("username", "--username"),
            ("password", "--password"),
            ("caFile", "--ca-file"),
            ("certFile", "--cert-file"),
            ("keyFile", "--key-file"),
        ):
            if value := options.get(key):
                name = value if isinstance(value, str) else file_name(value, files, fds)
                words += [flag, name]
        if self.version:
            words += ["--version", self.version]
        if self.keyring:
            ring = self.keyring
            words += ["--keyring", ring if isinstance(ring, str) else file_name(ring, files, fds)]
        for flag, given in (
            ("--devel", self.devel),
            ("--dependency-update", self.dependency_update),
            ("--verify", self.verify),
            ("--plain-http", self.plain_http),
        ):
            if given:
                words.append(flag)
        return words


class Helm:
    """Runs helm against one cluster."""

    def __init__(self, cluster: Cluster, cancelled: Event) -> None:
        self._cluster = cluster
        self._cancelled = cancelled

    def chart(
        self,
        command: list[str],
        source: ChartSource,
        values: Object | None,
        value_files: list[Any],
    ) -> str:
        """Run a helm command on a chart and give its output; `values` of None: it takes none.

        The files come first: values win over them. Raises HelmError.
        """
        with ExitStack() as files:
            fds: list[int] = []
            words = source.arguments(files, fds)
            for asset in value_files:
                words += ["--values", file_name(asset, files, fds)]
            if values is not None:
                words += ["--values", in_memory(json.dumps(values), files, fds)]
            return self._run([*command, *words], files, fds)

    def run(self, command: list[str]) -> str:
        """Run any other helm command and give its output; raises HelmError."""
        with ExitStack() as files:
            return self._run(command, files, [])

    def _run(self, words: list[str], files: ExitStack, fds: list[int]) -> str:
        program = shutil.which("helm")
        if program is None:
            raise HelmError(
                "helm is not on PATH: install helm 3, or run `make up`, which brings it"
            )
        kubeconfig = os.devnull
        if self._cluster.configured():
            kubeconfig = in_memory(json.dumps(self._cluster.kubeconfig.absolute()), files, fds)
        settings = self._cluster.settings.helm
        environment = {
            # Not HELM_KUBECONTEXT and its like: the kubeconfig has the one context that is meant.
            **{k: v for k, v in os.environ.items() if not k.startswith("HELM_KUBE")},
            "KUBECONFIG": kubeconfig,
            # No discovery cache: it is kept by address, and a lab's next cluster has the same one.
            "KUBECACHEDIR": f"{os.devnull}/none",
            "HELM_DRIVER": settings.driver,
            **({"HELM_PLUGINS": settings.plugins_path} if settings.plugins_path else {}),
        }
        for flag, place in (
            ("--registry-config", settings.registry_config),
            ("--repository-config", settings.repository_config),
            ("--repository-cache", settings.repository_cache),
        ):
            if place:
                words = [*words, flag, place]
        process = subprocess.Popen(
            # The real provider has helm within itself: killed, it finishes no release afterwards.
            ["setpriv", "--pdeathsig", "KILL", "--", program, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            pass_fds=fds,
            text=True,
            start_new_session=True,
        )
        while True:
            try:
                output, errors = process.communicate(timeout=0.5)
                break
            except subprocess.TimeoutExpired:
                if self._cancelled.is_set():
                    process.terminate()
                    try:
                        output, errors = process.communicate(timeout=_STOP_SECONDS)
                    except subprocess.TimeoutExpired:
                        process.kill()
                        output, errors = process.communicate()
                    break
        if process.returncode:
            raise HelmError(_said(errors))
        return output


def _said(errors: str) -> str:
    """Give the last of what helm wrote, without its prefix and warnings."""
    lines = [line for line in errors.splitlines() if line and not line.startswith("WARNING:")]
    text = re.sub(r"^Error: ", "", "\n".join(lines)[-2000:])
    return text or "helm failed and said nothing"


def source_of(inputs: Object) -> ChartSource:
    """Read what Release and Chart inputs say about the chart's place."""
    return ChartSource(
        chart=str(inputs.get("chart") or ""),
        version=str(inputs.get("version") or ""),
        devel=bool(inputs.get("devel")),
        repository=cast(Object, inputs.get("repositoryOpts") or {}),
        dependency_update=bool(inputs.get("dependencyUpdate")),
        verify=bool(inputs.get("verify")),
        keyring=inputs.get("keyring") or "",
        plain_http=bool(inputs.get("plainHttp")),
    )
