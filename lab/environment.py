"""The variables with which other programs use a lab."""

import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import psutil

from lab import toolchain
from lab.imagestore import NAMESPACE
from lab.lab import Lab
from lab.programs import CONTAINERD, HOME
from lab.stand_ins.install import install

PASSPHRASE = "isthmus-lab"  # noqa: S105
"""Matches the salt in Pulumi.dev.yaml; with another passphrase Pulumi would rewrite that file. It
is not a secret: the lab's directory, which has the state, has the kubeconfig in clear."""


def for_pulumi(lab: Lab, report: Callable[[str], None]) -> dict[str, str]:
    """Variables for the Pulumi command line, and whatever else reads KUBECONFIG.

    Plugins and state belong to the lab and are deleted with it. Installs the stand-ins for
    provider plugins where the real ones are not installed, and passes a line about each to
    `report`.
    """
    lab.clusters  # noqa: B018  # raises where there is no lab
    home = lab.directory / "pulumi"
    state = lab.directory / "state"
    for directory in (home, state):
        directory.mkdir(exist_ok=True)
    forget_killed_updates(state)
    for plugin in install(home):
        report(f"plugin {plugin}")
    first = [str(toolchain.ensure().bin), str(Path(sys.executable).parent)]
    inherited = [p for p in os.environ.get("PATH", os.defpath).split(":") if p not in first]
    return {
        "PATH": ":".join([*first, *inherited]),
        "KUBECONFIG": str(lab.kubeconfig),
        "PULUMI_HOME": str(home),
        "PULUMI_BACKEND_URL": backend(state),
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }


def backend(state: Path) -> str:
    """URL of a backend in a directory that no kill leaves unreadable.

    go-cloud's fileblob writes a metadata file beside every file, which Pulumi does not need. A kill
    between creating and filling it leaves it empty, and from then on Pulumi fails with
    `failed to load checkpoint: EOF`.
    """
    return f"file://{state}?metadata=skip"


def forget_killed_updates(state: Path) -> None:
    """Delete the locks of updates that no longer run: Pulumi would wait for them indefinitely."""
    for lock in state.glob(".pulumi/locks/**/*.json"):
        holder = json.loads(lock.read_text())
        if holder["hostname"] == socket.gethostname() and not psutil.pid_exists(holder["pid"]):
            lock.unlink()


def on_node() -> dict[str, str]:
    """Variables for commands inside the namespaces of any cluster."""
    return {
        "KUBECONFIG": f"{HOME}/pki/admin.kubeconfig",
        "CONTAINERD_ADDRESS": str(CONTAINERD),
        "CONTAINERD_NAMESPACE": NAMESPACE,
        "ETCDCTL_API": "3",
    }
