"""Checks that the machine has what a lab needs, before anything changes."""

import contextlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import psutil

from lab import toolchain
from lab.machine import Footprint, free_range, hierarchies, used_ranges
from lab.programs import CNI_PLUGINS
from lab.spec import Plan, Spec, SpecError, plan
from lab.toolchain import ToolchainError

_GIB = 1024**3
# Measured for an idle cluster, with room for a mesh; bench/lab.py has the figures.
_MEMORY = {True: 1.5 * _GIB, False: 0.75 * _GIB}  # by Cluster.nodes
_DISK = 2 * _GIB
_INOTIFY = {True: 18, False: 9}  # instances that a cluster's programs open, by Cluster.nodes
_CONTROLLERS = frozenset({"cpu", "cpuset", "memory", "pids"})
# Debian's package for each program.
_PACKAGES = {
    "containerd": "containerd",
    "containerd-shim-runc-v2": "containerd",
    "ctr": "containerd",
    "etcd": "etcd-server",
    "ip": "iproute2",
    "iptables-restore": "iptables",
    "mount": "mount",
    "nsenter": "util-linux",
    "runc": "runc",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}
_PLUGINS = ("host-local", "loopback", "portmap", "ptp")
# Each is tried, if its program is installed, in namespaces that end with the attempt.
_FEATURES = (
    ("network namespaces", "unshare", "true"),
    ("veth links", "ip", "ip link add name a type veth peer name b"),
    ("bridges", "ip", "ip link add name a type bridge"),
    (
        "address translation by iptables",
        "iptables-restore",
        "echo '*nat\n-A POSTROUTING -s 10.0.0.0/8 -m comment --comment x -j MASQUERADE\nCOMMIT' "
        "| iptables-restore",
    ),
    (
        "the iptables table `raw`",
        "iptables-restore",
        "echo '*raw\n-A PREROUTING -i a -j DROP\nCOMMIT' | iptables-restore",
    ),
    (
        "connection tracking by iptables",
        "iptables-restore",
        "echo '*filter\n-A FORWARD -m conntrack --ctstate NEW "
        "-m statistic --mode random --probability 0.5 -j REJECT\nCOMMIT' | iptables-restore",
    ),
)
_OVERLAY = (
    "mkdir lower upper work merged && "
    "mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay merged"
)


class PreflightError(RuntimeError):
    """The machine lacks what a lab needs. `errors` has one sentence for each, with its fix."""

    def __init__(self, errors: list[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(errors))


def check(directory: Path, spec: Spec, planned: Plan | None = None) -> None:
    """Raise PreflightError with everything that prevents the lab of `spec` in `directory`.

    `planned` is for a lab that existed before and keeps its addresses. Only for labs that do not
    run: a running one uses addresses and memory itself. Checks that need a program which the
    toolchain will install are skipped.
    """
    errors = list(_who())
    # The rest cannot be checked as another user or on another system.
    if not errors:
        errors += [*_programs(), *_kernel(directory), *_room(directory, spec)]
        errors += [*_ranges(directory, spec, planned), *_directory(directory)]
    if errors:
        raise PreflightError(errors)


def _who() -> Iterator[str]:
    if sys.platform != "linux":
        yield f"the lab needs Linux, not {sys.platform}; use a Linux machine or a virtual machine"
    if platform.machine() not in ("x86_64", "aarch64"):
        yield f"the lab needs x86_64 or aarch64, not {platform.machine()}; use another machine"
    if sys.platform == "linux" and os.geteuid() != 0:
        yield "the lab needs root, because it creates namespaces and mounts; run it with `sudo`"


def _programs() -> Iterator[str]:
    missing = {name: package for name, package in _PACKAGES.items() if not shutil.which(name)}
    absent = [p for p in _PLUGINS if not (CNI_PLUGINS / p).exists()]
    missing |= {f"{CNI_PLUGINS}/{p}": "containernetworking-plugins" for p in absent}
    # The toolchain installs them where apt-get exists.
    if missing and not shutil.which("apt-get"):
        packages = " ".join(sorted(set(missing.values())))
        yield (
            f"missing programs: {', '.join(missing)}; install them (Debian's packages are "
            f"{packages})"
        )


def _kernel(directory: Path) -> Iterator[str]:
    for feature, program, command in _FEATURES:
        failure = _attempt(command) if shutil.which(program) else ""
        if failure:
            yield (
                f"the kernel does not provide {feature} ({failure}); load the module, run this "
                "container with the privilege, or use another machine"
            )
            if command == "true":
                return
    with tempfile.TemporaryDirectory(dir=_existing(directory)) as scratch:
        failure = _attempt(_OVERLAY, scratch)
        if failure:
            yield (
                f"overlay mounts do not work in {directory} ({failure}); choose a --dir on ext4 or "
                "xfs"
            )
    missing = sorted(_CONTROLLERS - _controllers())
    if missing:
        yield (
            f"missing controllers of control groups, which kubelets need: {', '.join(missing)}; "
            "mount them below "
            "/sys/fs/cgroup"
        )
    fixed = [str(root) for root, _ in hierarchies() if not os.access(root, os.W_OK)]
    if fixed:
        yield (
            f"control groups in {', '.join(fixed)} are read-only; mount them writable, or run this "
            "container with the privilege"
        )


def _room(directory: Path, spec: Spec) -> Iterator[str]:
    needed = sum(_MEMORY[c.nodes] for c in spec.clusters)
    available = psutil.virtual_memory().available
    if available < needed:
        yield (
            f"memory: {_gib(needed)} needed for {len(spec.clusters)} clusters, {_gib(available)} "
            "available; stop other programs (another lab?) or describe fewer clusters"
        )
    try:
        toolchain.check_disk()
    except ToolchainError as e:
        yield str(e)
    free = shutil.disk_usage(_existing(directory)).free
    if free < _DISK:
        yield f"disk: {_gib(_DISK)} needed, {_gib(free)} free at {directory}; choose another --dir"
    limit = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())
    used, wanted = _inotify_instances(), sum(_INOTIFY[c.nodes] for c in spec.clusters)
    if limit < used + wanted:
        yield (
            f"inotify: {wanted} instances needed, {limit - used} of root's {limit} are free; raise "
            "the limit with `sysctl fs.inotify.max_user_instances=1024`"
        )


def _ranges(directory: Path, spec: Spec, planned: Plan | None) -> Iterator[str]:
    if not shutil.which("ip"):
        return
    used = used_ranges(Footprint(directory))
    fix = "run `python -m lab down` first, so that the lab gets other ranges"
    if planned is None:
        fix = "set another range, or omit it to have it planned"
        try:
            planned = plan(spec, free_range(used))
        except SpecError as e:
            yield from e.errors
            return
    named: list[tuple[str, IPv4Network]] = [("range", planned.nodes)]
    for i, c in enumerate(planned.clusters):
        named.append((f"clusters[{i}].loadBalancers", c.load_balancers))
    for path, ours in named:
        for theirs, owner in used:
            if ours.overlaps(theirs):
                yield f"{path}: {ours} overlaps {theirs} of {owner} on this machine; {fix}"


def _directory(directory: Path) -> Iterator[str]:
    if not Footprint(directory).owns_directory():
        yield f"{directory} is not a lab's directory and not empty; choose an empty or new --dir"


def _attempt(command: str, directory: str = "/") -> str:
    """Run a shell command in new namespaces. Returns its error, empty if it succeeds."""
    done = subprocess.run(
        ["unshare", "--net", "--mount", "--pid", "--fork", "sh", "-c", command],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    said = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
    return said if done.returncode else ""


def _existing(directory: Path) -> Path:
    return next(d for d in (directory, *directory.parents) if d.exists())


def _controllers() -> set[str]:
    return {c for _, controllers in hierarchies() for c in controllers}


def _inotify_instances() -> int:
    """The number of instances that root's processes have open now."""
    count = 0
    for p in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            if p.uids().real == 0:
                handles = Path(f"/proc/{p.pid}/fd").iterdir()
                count += sum(os.readlink(h) == "anon_inode:inotify" for h in handles)
    return count


def _gib(size: float) -> str:
    return f"{size / _GIB:.1f} GiB"
