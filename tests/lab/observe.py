"""Looking at labs: their clusters and processes, and all that they leave on this machine."""

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from kubernetes.client import CoreV1Api

from lab.lab import Lab
from lab.machine import Footprint, first_process

# Places outside a lab's directory where programs of a cluster would leave files, with a depth that
# leaves out what others change there all the time.
_PLACES = {
    "/etc/cni": 3,
    "/opt": 1,
    "/run": 4,
    "/sys/fs/cgroup": 2,
    "/usr/libexec": 1,
    "/var/lib": 1,
    "/var/lib/cni": 4,
    "/var/lib/containerd": 4,
    "/var/lib/kubelet": 4,
    "/var/log": 1,
    "/var/log/containers": 2,
    "/var/log/pods": 2,
}
_OF_A_LAB = re.compile(r"(?:isthmus|ist)-([0-9a-f]{8})")


def core(lab: Lab, cluster: str) -> Any:
    """A client for the cluster. Untyped: in its types each field may be None."""
    return CoreV1Api(lab.cluster(cluster).client())


def supervisor(lab: Lab, cluster: str) -> psutil.Process:
    """The first process of a cluster that runs."""
    first = first_process(lab.footprint, cluster)
    assert first, f"{cluster} does not run"
    return first


def within(seconds: float, what: Callable[[], object]) -> float:
    """Wait until `what` is true; how long it took. Fails after `seconds`."""
    started = time.monotonic()
    while not what():
        assert time.monotonic() - started < seconds, f"not within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - started


def traces(footprint: Footprint) -> dict[str, set[str]]:
    """Everything in which a lab could remain, by kind. Other labs' traces are left out."""
    seen = {
        "processes": {f"{p.pid} {_name(p)}" for p in psutil.process_iter() if _ours(p, footprint)},
        "network namespaces": set(_output("ip", "netns", "list")),
        "links": {line.split()[1] for line in _output("ip", "-oneline", "link")},
        "addresses": set(_output("ip", "-oneline", "-4", "address")),
        "routes": set(_output("ip", "route", "show", "table", "all")),
        "rules": set(_output("ip", "rule")),
        "firewall": {r for r in _output("iptables-save") if not r.startswith("#")},
        # iproute2 mounts its directory on itself with the first namespace, and never unmounts it.
        "mounts": {m for m in _lines("/proc/self/mounts") if " /run/netns " not in m},
        "sysctls": {
            f"{s} {_lines(f'/proc/sys/net/ipv4/{s}')}"
            for s in ("ip_forward", "conf/all/rp_filter", "conf/all/route_localnet")
        },
        "files": {str(f) for place, depth in _PLACES.items() for f in _files(Path(place), depth)},
        "directory": {str(f) for f in _files(footprint.directory.parent, 4)},
    }
    return {
        kind: {s for s in found if not _of_another(s, footprint)} for kind, found in seen.items()
    }


def differences(before: dict[str, set[str]], after: dict[str, set[str]]) -> dict[str, set[str]]:
    """What is in one and not in the other, by kind; empty where they are alike."""
    return {kind: before[kind] ^ after[kind] for kind in before if before[kind] != after[kind]}


def _ours(p: psutil.Process, footprint: Footprint) -> bool:
    with contextlib.suppress(OSError):
        text = (
            Path(f"/proc/{p.pid}/environ").read_bytes() + Path(f"/proc/{p.pid}/cgroup").read_bytes()
        )
        return str(footprint.directory).encode() in text or footprint.name.encode() in text
    return False


def _of_another(text: str, footprint: Footprint) -> bool:
    ids = _OF_A_LAB.findall(text)
    return bool(ids) and footprint.id not in ids


def _name(p: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return p.name()
    return "gone"


def _output(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # `(id: 3)` behind a namespace comes and goes with who looks at it.
    return [re.sub(r" \(id: \d+\)", "", line) for line in done.stdout.splitlines()]


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def _files(top: Path, depth: int) -> list[Path]:
    found: list[Path] = []
    for directory, names, files in os.walk(top):
        found += [Path(directory, name) for name in (*names, *files)]
        if len(Path(directory).parts) - len(top.parts) + 1 >= depth:
            names.clear()
    return found
