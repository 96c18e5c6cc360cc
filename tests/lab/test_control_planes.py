"""Control-plane-only labs, for real: quick to come, and gone without a trace however they end."""

import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import psutil
import pytest
import yaml
from kubernetes.client import CoreV1Api
from kubernetes.config import new_client_from_config_dict

from lab import toolchain
from lab.cluster import ClusterError
from lab.lab import Lab
from lab.preflight import PreflightError
from lab.spec import SpecError, parse
from lab.toolchain.progress import Report
from tests.lab.observe import core, differences, supervisor, traces, within

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces as root")

ONE = "clusters: [{name: a, network: n, nodes: false}]"
# Two addresses, so that a test can exhaust them; other ones for each run, so that two can run.
POOL = IPv4Network((int(IPv4Address("10.159.0.0")) + os.getpid() % 2**14 * 4, 30))
LOWER, HIGHER = map(str, POOL.hosts())
TWO = f"""
clusters:
  - {{ name: a, network: n, nodes: false, loadBalancers: {POOL} }}
  - {{ name: b, network: n, nodes: false }}
"""


def use(made: toolchain.Toolchain, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let labs be created from this."""

    def ensure(_report: Report) -> toolchain.Toolchain:
        return made

    monkeypatch.setattr(toolchain, "ensure", ensure)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab"), parse(TWO)) as lab:
        unwell = [s for s in lab.status() if not s.healthy]
        assert unwell == [], "`up` has waited for all that `status` looks at"
        yield lab


def test_every_context_of_the_kubeconfig_leads_to_its_cluster(lab: Lab, tmp_path: Path) -> None:
    config = yaml.safe_load(lab.kubeconfig.read_text())
    for c in ("a", "b"):
        client = new_client_from_config_dict(config, context=c, temp_file_path=str(tmp_path))
        uid = core(lab, c).read_namespace("kube-system").metadata.uid
        through: Any = CoreV1Api(client).read_namespace("kube-system")
        assert through.metadata.uid == uid
    assert lab.kubeconfig.stat().st_mode & 0o777 == 0o600


def test_keys_are_readable_by_their_owner_only(lab: Lab) -> None:
    secret = [*lab.directory.rglob("*.key"), *lab.directory.rglob("*kubeconfig")]
    assert len(secret) > 10
    assert [f for f in secret if f.stat().st_mode & 0o077] == []


def test_no_key_is_copied_out_of_the_directory(lab: Lab) -> None:
    key = (lab.directory / "a" / "pki" / "admin.key").read_bytes()
    copies = [
        f for f in Path(gettempdir()).iterdir() if f.is_file() and f.read_bytes().startswith(key)
    ]
    assert copies == []


def test_a_second_up_starts_nothing_anew(lab: Lab) -> None:
    before = {supervisor(lab, c).pid for c in ("a", "b")}
    steps: list[str] = []
    lab.up(steps.append)
    assert {supervisor(lab, c).pid for c in ("a", "b")} == before
    assert re.fullmatch(r"\[ 1/5 +\d\.\d s\] network and namespaces exist", steps[0])
    assert steps[-1].startswith("[ 5/5 ")


def test_up_says_when_the_toolchain_has_changed(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(dataclasses.replace(toolchain.ensure(), bin=tmp_path), monkeypatch)
    lines: list[str] = []
    lab.up(lines.append)
    assert lines[0].startswith("the toolchain has changed since this lab was created: its clusters")


def test_addresses_that_were_lost_to_another_lab_are_reported(lab: Lab, directory: Path) -> None:
    directory.mkdir()
    shutil.copy(lab.directory / "plan.json", directory)
    shutil.copy(lab.footprint.marker, directory)
    with pytest.raises(PreflightError) as caught:
        Lab(directory).up()
    assert caught.value.errors[0] == (
        f"range: {lab.plan.nodes} overlaps {lab.plan.nodes} of the lab in {lab.directory} on this "
        "machine; run `python -m lab down` first, so that the lab gets other ranges"
    )


def test_another_description_is_refused_while_the_lab_is_there(lab: Lab) -> None:
    with pytest.raises(SpecError, match="was created from another description; delete it with"):
        Lab(lab.directory, parse(ONE)).up()


def test_status_reports_what_runs(lab: Lab) -> None:
    a, b = lab.status()
    assert (a.cluster, a.node, a.healthy, b.healthy) == ("a", "none", True, True)
    assert set(a.programs.values()) == {"RUNNING"}
    assert 200 * 1024**2 < a.memory < 700 * 1024**2


def test_a_killed_program_is_restarted(lab: Lab) -> None:
    first = supervisor(lab, "b")
    etcd = next(p for p in first.children(recursive=True) if p.name() == "etcd")
    etcd.kill()
    within(30, lambda: lab.cluster("b").states().get("etcd") == "RUNNING" and not etcd.is_running())
    within(30, lambda: all(s.healthy for s in lab.status()))


def service(api: Any, name: str, **spec: object) -> None:
    spec = {"type": "LoadBalancer", "ports": [{"port": 80}], **spec}
    api.create_namespaced_service("default", {"metadata": {"name": name}, "spec": spec})


def address(api: Any, name: str) -> str | None:
    ingress = api.read_namespaced_service(name, "default").status.load_balancer.ingress
    return ingress[0].ip if ingress else None


def test_load_balancers_get_addresses_at_once_and_give_them_back(lab: Lab) -> None:
    api = core(lab, "a")
    service(api, "one")
    assert within(5, lambda: address(api, "one")) < 0.5
    service(api, "two", loadBalancerIP=HIGHER)
    within(5, lambda: address(api, "two"))
    given = {address(api, "one"), address(api, "two")}
    assert given == {LOWER, HIGHER}
    service(api, "other", loadBalancerClass="example.com/other")
    service(api, "three")

    def complaints() -> list[str]:
        events = api.list_namespaced_event("default").items
        return [e.message for e in events if e.involved_object.name == "three"]

    within(5, complaints)
    assert f"all 2 addresses of {POOL} are in use; delete another" in complaints()[0]
    api.delete_namespaced_service("one", "default")
    assert within(5, lambda: address(api, "three")) < 0.5
    assert address(api, "three") == LOWER
    api.patch_namespaced_service("three", "default", {"spec": {"type": "ClusterIP"}})
    service(api, "four")
    within(5, lambda: address(api, "four") == LOWER)
    assert address(api, "other") is None
    assert len(complaints()) == 1


def test_the_allocator_keeps_what_it_gave_when_it_starts_again(lab: Lab) -> None:
    api = core(lab, "b")
    for name in ("one", "two"):
        service(api, name)
        within(5, partial(address, api, name))
    given = [address(api, name) for name in ("one", "two")]
    first = supervisor(lab, "b")
    allocator = next(p for p in first.children() if "lab.loadbalancer" in p.cmdline())
    allocator.kill()
    api.delete_namespaced_service("one", "default")
    service(api, "three")
    within(20, lambda: address(api, "three"))
    assert [address(api, name) for name in ("three", "two")] == given


def test_labs_run_side_by_side_though_they_start_at_once(lab: Lab, tmp_path: Path) -> None:
    labs = [Lab(tmp_path / name, parse(ONE)) for name in ("left", "right")]
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        for started in [pool.submit(stack.enter_context, x) for x in labs]:
            started.result()
        ranges = [r for x in (lab, *labs) for r in x.plan.routed]
        assert not [(a, b) for a, b in combinations(ranges, 2) if a.overlaps(b)]
        uids = {core(x, "a").read_namespace("kube-system").metadata.uid for x in (lab, *labs)}
        assert len(uids) == 3
    assert all(s.healthy for s in lab.status())


def test_down_leaves_nothing_and_up_is_quick(directory: Path) -> None:
    lab = Lab(directory, parse(ONE))
    before = traces(lab.footprint)
    started = time.monotonic()
    lab.up()
    took = time.monotonic() - started
    during = traces(lab.footprint)
    core(lab, "a").read_namespace("default")
    lab.down()
    assert differences(before, traces(lab.footprint)) == {}
    # The comparison sees the parts of a lab.
    for kind in ("processes", "network namespaces", "links", "routes", "files", "directory"):
        assert during[kind] > before[kind], kind
    # 4 s on an idle machine of 2 cores; the bench has the figures.
    assert took < 20


def test_a_killed_up_goes_on_and_a_killed_lab_can_be_taken_down(
    directory: Path, tmp_path: Path
) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(ONE)
    lab = Lab(directory)
    before = traces(lab.footprint)
    command = [sys.executable, "-m", "lab", "--dir", str(directory), "up", "--spec", str(spec)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout
        assert "network and namespaces created" in up.stdout.readline()
        up.send_signal(signal.SIGKILL)
    assert lab.cluster("a").running()
    Lab(directory, parse(ONE)).up()
    uid = core(lab, "a").read_namespace("kube-system").metadata.uid

    # A supervisor that is killed takes all with it; the next `up` finds the cluster's data again.
    first = supervisor(lab, "a")
    programs = first.children(recursive=True)
    first.kill()
    _, alive = psutil.wait_procs(programs, timeout=10)
    assert not alive
    lab.up()
    assert core(lab, "a").read_namespace("kube-system").metadata.uid == uid

    # Without its files and its supervisor, a lab is known by what it left in the kernel.
    supervisor(lab, "a").kill()
    shutil.rmtree(directory)
    lab.down()
    assert differences(before, traces(lab.footprint)) == {}


def test_down_of_a_running_lab_without_files_leaves_nothing(directory: Path) -> None:
    lab = Lab(directory, parse(ONE))
    before = traces(lab.footprint)
    lab.up()
    shutil.rmtree(lab.directory)
    done = subprocess.run(
        [sys.executable, "-m", "lab", "--dir", str(lab.directory), "down"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert differences(before, traces(lab.footprint)) == {}


def test_a_program_that_cannot_run_is_named_with_its_last_words(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = directory.parent / "hyperkube"
    broken.write_text("#!/bin/sh\necho cannot find my feet; exit 1\n")
    broken.chmod(0o755)
    use(dataclasses.replace(toolchain.ensure(), bin=broken.parent), monkeypatch)
    monkeypatch.setattr("lab.lab._PATIENCE", 2.0)
    with pytest.raises(ClusterError) as caught:
        Lab(directory, parse(ONE)).up()
    words = str(caught.value)
    assert words.startswith("a: timed out waiting until kube-apiserver (BACKOFF) is ready")
    assert f"{directory}/a/log/kube-apiserver.log" in words
    assert "kube-apiserver: cannot find my feet" in words


def test_down_never_removes_a_directory_that_is_not_a_labs(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear reader")
    done = subprocess.run(
        [sys.executable, "-m", "lab", "--dir", str(tmp_path), "down"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "is not a lab's directory, so it was not deleted" in done.stderr
    assert (tmp_path / "letter.txt").exists()


def test_a_lab_of_a_test_ends_with_it_even_when_it_is_killed(directory: Path) -> None:
    before = traces(Lab(directory).footprint)
    program = f"""
import time
from pathlib import Path
from lab.lab import Lab
from lab.spec import parse
with Lab(Path({str(directory)!r}), parse({ONE!r})):
    print("up", flush=True)
    time.sleep(60)
"""
    maker = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True
    )
    assert maker.stdout is not None
    assert maker.stdout.readline() == b"up\n"
    assert differences(before, traces(Lab(directory).footprint))
    os.killpg(maker.pid, signal.SIGKILL)
    maker.wait()
    within(30, lambda: not differences(before, traces(Lab(directory).footprint)))
