"""Debian packages: programs of clusters and images that do not have to be built."""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Generator, Sequence
from pathlib import Path

from lab.toolchain.progress import ToolchainError
from lab.toolchain.store import Store

PACKAGES = (
    "busybox-static",  # the images' shell
    "ca-certificates",
    "conntrack",  # kube-proxy
    "containerd",
    "containernetworking-plugins",
    "curl",
    "etcd-server",
    "iproute2",
    "iptables",
    "kmod",  # iptables loads modules with it
    "mount",
    "runc",
    "socat",  # kubectl port-forward
    "util-linux",
)
BROWSER = (
    "chromium",
    "fonts-dejavu-core",
)
"""What tests of pages need in addition; a lab does without."""
_POLICY = Path("/usr/sbin/policy-rc.d")
_FORBID = (
    "#!/bin/sh\n# isthmus: while packages are installed for the lab, no daemon starts\nexit 101\n"
)


def ensure(store: Store, packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Install missing packages, and return the versions of all.

    Their daemons (etcd, containerd) are not started, because a lab starts its own. Raises
    ToolchainError.
    """
    versions = _installed(packages)
    if len(versions) == len(packages) and not _left_over():
        return versions
    with store.alone("packages"):
        if _left_over():
            _POLICY.unlink()
        versions = _installed(packages)
        if missing := [p for p in packages if p not in versions]:
            _install(missing, store)
        return _installed(packages)


def _installed(packages: Sequence[str]) -> dict[str, str]:
    """Versions of those packages that are installed, or provided by an installed package."""
    fields = "${db:Status-Status}\t${Package}\t${Version}\t${Provides}\n"
    try:
        listing = subprocess.run(
            ["dpkg-query", "--show", f"--showformat={fields}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except FileNotFoundError:
        raise ToolchainError(
            "this system has no dpkg, and the lab needs etcd, containerd, runc and more from "
            "Debian packages; run the lab on Debian or Ubuntu, for example in a virtual machine"
        ) from None
    versions: dict[str, str] = {}
    for line in listing.splitlines():
        status, package, version, provides = line.split("\t")
        if status == "installed":
            versions[package] = version
            # Docker's containerd.io provides containerd and runc.
            for provided in filter(None, re.split(r"(?: \([^)]*\))?(?:, |$)", provides)):
                versions.setdefault(provided, f"{package} {version}")
    return {p: versions[p] for p in packages if p in versions}


def _install(missing: list[str], store: Store) -> None:
    names = " ".join(missing)
    by_hand = f"`apt-get install --no-install-recommends {names}`"
    program = shutil.which("apt-get")
    if not program:
        raise ToolchainError(
            f"the lab needs the Debian packages {names}, and this system has no apt-get; install "
            "them with its package manager, then run it again"
        )
    if os.geteuid() != 0:
        raise ToolchainError(
            f"the lab needs the Debian packages {names}, and only root can install them; run it "
            f"again with `sudo`, or first run {by_hand} as root"
        )
    store.progress.say(f"Debian packages: installing {names} (usually 30 s)")

    def apt(*arguments: str) -> None:
        store.progress.run(
            "Debian packages",
            [program, *arguments],
            environment={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            directory=Path("/"),
            fix=f"correct what it reports, run `apt-get update` and {by_hand}, then run it again",
            dies_with_us=False,  # half-configured packages are worse than a minute of waiting
        )

    # The update can fail for an unrelated archive; only the installation has to succeed.
    with contextlib.suppress(ToolchainError):
        apt("update", "-o", "DPkg::Lock::Timeout=300")
    with _no_daemons():
        # Never remove another package for it.
        quiet = ["--yes", "--no-install-recommends", "--no-remove", "-o", "DPkg::Lock::Timeout=300"]
        apt("install", *quiet, *missing)


@contextlib.contextmanager
def _no_daemons() -> Generator[None]:
    """Keep daemons from starting, as Debian provides for. An existing policy stays in force."""
    try:
        with _POLICY.open("x") as file:
            file.write(_FORBID)
    except FileExistsError:
        yield
        return
    try:
        _POLICY.chmod(0o755)
        yield
    finally:
        _POLICY.unlink()


def _left_over() -> bool:
    """Whether a killed run has left its policy behind (or another run is installing now)."""
    try:
        return _POLICY.read_text() == _FORBID
    except (FileNotFoundError, UnicodeDecodeError, PermissionError):
        return False
