"""The minor version of Istio before the lab's own, for upgrades from one to the other."""

import functools
import http.server
import itertools
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from lab import environment, toolchain
from lab.cluster import ClusterError
from lab.lab import Lab


@contextmanager
def in_lab(lab: Lab) -> Generator[str]:
    """Add its images to a lab that is up. Yields a Helm repository with the charts of both."""
    former = toolchain.ensure_former()
    for cluster, archive in itertools.product(lab.clusters, former.images):
        done = subprocess.run(
            [*cluster.enter(), "ctr", "images", "import", str(archive)],
            env={**os.environ, **environment.on_node()},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ClusterError(f"{cluster.name}: {archive} was not imported: {done.stderr.strip()}")
    archives = (toolchain.ensure().chart_archives, former.chart_archives)
    with tempfile.TemporaryDirectory(prefix="isthmus-charts-") as directory:
        _merge(archives, Path(directory))
        serve = functools.partial(_Quiet, directory=directory)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()


def configured(given: dict[str, Any], charts: str) -> dict[str, Any]:
    """The configuration with it, and with two replicas of istiod and of the gateways.

    Args:
        charts: address of the repository.
    """
    twice = {"replicaCount": 2}
    istio = {
        **given["mesh"]["istio"],
        "version": toolchain.FORMER_ISTIO,
        "charts": charts,
        "values": {"istiod": twice, "gateway": twice},
    }
    return {**given, "mesh": {**given["mesh"], "istio": istio}}


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


def _merge(repositories: tuple[Path, ...], target: Path) -> None:
    """Copy chart repositories into one."""
    entries = dict[str, list[object]]()
    for repository in repositories:
        shutil.copytree(repository, target, dirs_exist_ok=True)
        index = yaml.safe_load((repository / "index.yaml").read_text())
        for chart, versions in index["entries"].items():
            entries.setdefault(chart, []).extend(versions)
    (target / "index.yaml").write_text(yaml.safe_dump({"apiVersion": "v1", "entries": entries}))
