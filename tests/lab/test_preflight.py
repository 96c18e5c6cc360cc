"""What the machine must have before anything changes, and the messages about it."""

import os
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from lab import machine
from lab.lab import Lab
from lab.preflight import PreflightError, check
from lab.spec import parse
from lab.toolchain import ToolchainError

root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
ONE = "{name: a, network: n, nodes: false}"


@pytest.fixture(autouse=True)
def enough_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has to be built depends on the machine's cache."""
    monkeypatch.setattr("lab.toolchain.check_disk", lambda: None)


def errors_of(directory: Path, text: str = f"clusters: [{ONE}]") -> list[str]:
    with pytest.raises(PreflightError) as caught:
        check(directory, parse(text))
    return list(caught.value.errors)


@root
def test_this_machine_can_run_a_lab(tmp_path: Path) -> None:
    check(tmp_path / "lab", parse(f"clusters: [{ONE}]"))
    assert not (tmp_path / "lab").exists()


def test_another_user_than_root_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert errors_of(tmp_path) == [
        "the lab needs root, because it creates namespaces and mounts; run it with `sudo`"
    ]


@root
def test_everything_that_is_missing_is_named_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "letter.txt").write_text("not a lab's")
    address, owner = next(
        (r, o) for r, o in machine.used_ranges(machine.Footprint(tmp_path)) if r.is_loopback
    )
    few = SimpleNamespace(available=100 * 1024**2)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: few)
    monkeypatch.setattr("lab.toolchain.check_disk", _too_full)
    errors = errors_of(
        tmp_path,
        f"clusters: [{{name: a, network: n, loadBalancers: {address.network_address}/24}}]",
    )
    for part in (
        "1.0 GiB are free, and builds need more",
        "memory: 1.5 GiB needed for 1 clusters, 0.1 GiB available; stop other programs",
        f"clusters[0].loadBalancers: {address.network_address}/24 overlaps {address} of {owner}",
        f"{tmp_path} is not a lab's directory and not empty; choose an empty or new --dir",
    ):
        assert [e for e in errors if e.startswith(part)], errors


def _too_full() -> None:
    raise ToolchainError("1.0 GiB are free, and builds need more")


@root
def test_programs_that_cannot_be_installed_are_named_with_the_packages_that_have_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = [(machine.IPv4Network("192.0.2.0/24"), "eth0")]
    monkeypatch.setattr("lab.preflight.used_ranges", lambda _: used)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    found = {"unshare", "mount", "nsenter", "ip", "iptables-restore", "runc", "ctr", "setpriv"}
    monkeypatch.setattr("shutil.which", lambda name: name if name in found else None)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    (error,) = errors_of(tmp_path)
    assert "containerd, containerd-shim-runc-v2, etcd" in error
    assert error.endswith("(Debian's packages are containerd etcd-server)")


@root
def test_what_takes_a_program_yet_to_be_installed_is_left_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def only_essential(name: str) -> str | None:
        return name if name in {"apt-get", "unshare", "mount"} else None

    monkeypatch.setattr("shutil.which", only_essential)
    monkeypatch.setattr("lab.preflight.used_ranges", lambda _: pytest.fail("asked `ip`"))  # pyright: ignore[reportUnknownLambdaType]
    check(tmp_path / "lab", parse(f"clusters: [{ONE}]"))


@root
def test_a_lab_that_cannot_be_leaves_no_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PreflightError):
        Lab(tmp_path / "lab", parse(f"clusters: [{ONE}]")).up()
    assert not (tmp_path / "lab").exists()
