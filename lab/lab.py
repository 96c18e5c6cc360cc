"""A lab as a whole: up, down and status."""

import contextlib
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from string import Template
from typing import Self

import urllib3
import yaml
from kubernetes.client import ApiClient, ApiException, AppsV1Api, CoreV1Api
from kubernetes.utils import FailToCreateError, create_from_dict
from pydantic import TypeAdapter

from lab import machine, pki, preflight, reaper, toolchain
from lab.cluster import Cluster, ClusterError, Tools
from lab.programs import DOMAIN
from lab.spec import Plan, Spec, SpecError, plan
from lab.toolchain import Toolchain

_PATIENCE = 120.0  # seconds for one step of one cluster, on a busy machine
_NOT_YET = (ApiException, FailToCreateError, urllib3.exceptions.HTTPError)
_PLAN = TypeAdapter(Plan)
_COREDNS = Path(__file__).with_name("coredns.yaml")
_COREDNS_IMAGE = "docker.io/coredns/coredns:1.14.6"
_DNS_QUERY = """
import sys, dns.resolver
resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers = [sys.argv[1]]
resolver.resolve(sys.argv[2], lifetime=2)
"""

Report = Callable[[str], None]
"""Receives a line for each step: its number, the total, the seconds so far, and what it was."""


@dataclass(frozen=True)
class Status:
    """The current state of one cluster. `memory` in bytes, shared pages counted once."""

    cluster: str
    network: str
    server: str
    api: bool
    node: str  # Ready, NotReady, or none
    pods: str
    services: str
    load_balancers: str
    programs: dict[str, str]
    memory: int

    @property
    def healthy(self) -> bool:
        """Whether everything runs that should."""
        programs = bool(self.programs) and all(p == "RUNNING" for p in self.programs.values())
        return self.api and programs and (self.node == "Ready" or "kubelet" not in self.programs)


class Lab:
    """The lab in `directory`, described by `spec`. Also a context manager: up, then down.

    A `spec` of None means the description of the existing lab.
    """

    def __init__(self, directory: Path, spec: Spec | None = None) -> None:
        self.directory = directory.resolve()
        self.footprint = machine.Footprint(self.directory)
        self._spec = spec
        self._end = contextlib.ExitStack()

    @property
    def kubeconfig(self) -> Path:
        """Has a context for each cluster, with its name, for an administrator on this machine."""
        return self.directory / "kubeconfig"

    @property
    def charts(self) -> Path:
        """Istio's charts, a directory each; a link into the toolchain's cache."""
        return self.directory / "charts"

    @property
    def plan(self) -> Plan:
        """The lab's addresses. Raises SpecError if it has never been up."""
        try:
            return _PLAN.validate_json(self._plan_file.read_bytes())
        except FileNotFoundError:
            raise SpecError(
                [f"there is no lab in {self.directory}; create one with `python -m lab up`"]
            ) from None

    @property
    def clusters(self) -> list[Cluster]:
        return [Cluster(self.footprint, c) for c in self.plan.clusters]

    def cluster(self, name: str) -> Cluster:
        """The cluster of that name. Raises SpecError with the existing names."""
        return Cluster(self.footprint, self.plan.cluster(name))

    def __enter__(self) -> Self:
        """Bring it up until the context is closed or this process ends, even if it is killed."""
        with contextlib.ExitStack() as end:
            down = [sys.executable, "-m", "lab", "--dir", str(self.directory), "down"]
            end.enter_context(reaper.running_after_this_process(down))
            end.callback(self.down)
            self.up()
            self._end = end.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.close()

    def up(self, report: Report = lambda line: None) -> None:
        """Start whatever is not running, and wait until pods and DNS work in every cluster.

        Builds the missing part of the toolchain first. Raises SpecError, PreflightError,
        ToolchainError, MachineError or ClusterError, each with its fix.
        """
        if self._spec and self._plan_file.exists() and self.plan.spec != self._spec:
            raise SpecError(
                [
                    f"the lab in {self.directory} was created from another description; delete it "
                    "with `python -m lab down`, or choose another --dir"
                ]
            )
        with machine.only_one(self.directory):
            try:
                self._up(report)
            finally:
                with contextlib.suppress(OSError):
                    self.directory.rmdir()  # leave no directory if the preflight failed

    def down(self) -> None:
        """Delete everything the lab created, including its directory, whatever its state."""
        with machine.only_one(self.directory):
            machine.remove(self.footprint)
            if not self.footprint.owns_directory():
                raise machine.MachineError(
                    f"{self.directory} is not a lab's directory, so it was not deleted"
                )
            shutil.rmtree(self.directory)

    def status(self) -> list[Status]:
        """The state of every cluster, queried in parallel."""
        clusters = self.clusters
        with ThreadPoolExecutor(len(clusters)) as pool:
            return list(pool.map(_status, clusters))

    @property
    def _plan_file(self) -> Path:
        return self.directory / "plan.json"

    @property
    def _made_of(self) -> Path:
        """The file that names the toolchain that the lab was created with."""
        return self.directory / "toolchain"

    def _up(self, report: Report) -> None:
        started = time.monotonic()
        running = self._plan_file.exists() and all(c.running() for c in self.clusters)
        if not running:
            machine.remove(self.footprint)  # remains of a lab that was killed
            self._check()
        made = toolchain.ensure(report)
        if not running:
            self._check()  # again, with the programs that the toolchain has installed
            self._boot(made)
        elif self._made_of.read_text() != _key(made):
            report(
                "the toolchain has changed since this lab was created: its clusters keep the old "
                "programs and images until `python -m lab down`"
            )
        clusters = self.clusters
        work = _Work(report, 1 + sum(4 if c.plan.nodes else 2 for c in clusters), started)
        work.step(f"network and namespaces {'exist' if running else 'created'}")
        work.in_parallel([partial(_bring_up, c, work) for c in clusters])

    def _check(self) -> None:
        if self._spec and not self._plan_file.exists():
            preflight.check(self.directory, self._spec)
        else:
            preflight.check(self.directory, self.plan.spec, self.plan)

    def _boot(self, made: Toolchain) -> None:
        tools = Tools(made.bin / "hyperkube", made.images)
        self.footprint.marker.touch()
        self.charts.unlink(missing_ok=True)
        self.charts.symlink_to(made.charts)
        self._made_of.write_text(_key(made))
        # Two labs that start at the same time must not plan the same ranges.
        with machine.only_one(Path("/run")):
            planned = self._settle_plan()
            machine.make_network(self.footprint, planned)
        machine.make_control_groups(self.footprint, planned)
        for c in self.clusters:
            c.write(tools)
        pki.write_kubeconfig(self.kubeconfig, [c.connection() for c in self.clusters])
        with ThreadPoolExecutor(len(planned.clusters)) as pool:
            for booted in [pool.submit(c.boot) for c in self.clusters]:
                booted.result()

    def _settle_plan(self) -> Plan:
        if self._plan_file.exists() or not self._spec:
            return self.plan
        used = machine.used_ranges(self.footprint)
        planned = plan(self._spec, machine.free_range(used))
        pki.write_secret(self._plan_file, _PLAN.dump_json(planned, indent=1, by_alias=True))
        return planned


def _key(made: Toolchain) -> str:
    """Changes with every change of the programs, charts or images, as their paths do."""
    return "\n".join(str(p) for p in (made.bin, made.charts, *made.images))


class _Work:
    """Counts steps, waits for them, and stops waiting in all threads when one fails."""

    def __init__(self, report: Report, total: int, started: float) -> None:
        self._report = report
        self._total = total
        self._started = started
        self._done = 0
        self._failed = threading.Event()

    def step(self, what: str) -> None:
        self._done += 1
        elapsed = time.monotonic() - self._started
        self._report(f"[{self._done:2}/{self._total} {elapsed:5.1f} s] {what}")

    def until(self, c: Cluster, program: str, what: str, done: Callable[[], bool]) -> None:
        """Wait until `done`, which `program` has to achieve. Raises ClusterError after a timeout.

        An error from the API server counts as not done yet.
        """
        deadline = time.monotonic() + _PATIENCE
        answer = ""
        while True:
            try:
                if done():
                    return
            except _NOT_YET as e:
                answer = f"  API server: {' '.join(str(e).split())[:300]}\n"
            state = c.states().get(program, "not started yet") if c.running() else "killed"
            if state in ("FATAL", "killed") or time.monotonic() > deadline:
                raise ClusterError(
                    f"{c.name}: timed out waiting until {program} ({state}) {what}; see "
                    f"{c.log(program)}, fix what it reports and run `python -m lab up` again. "
                    f"The end of the log:\n{answer}{c.log_tail(program)}"
                )
            if self._failed.wait(0.1):
                raise ClusterError(f"{c.name}: cancelled, because another step failed")

    def in_parallel(self, tasks: list[Callable[[], None]]) -> None:
        """Run all tasks, and raise the error of the first that fails."""
        with ThreadPoolExecutor(len(tasks)) as pool:
            try:
                futures = [pool.submit(task) for task in tasks]
                for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                    future.result()
            finally:  # an interruption too
                self._failed.set()


def _bring_up(c: Cluster, work: _Work) -> None:
    work.until(c, "kube-apiserver", "is ready", lambda: _api_ready(c))
    work.step(f"{c.name}: API server ready")
    c.start()
    client = c.client()
    core, apps = CoreV1Api(client), AppsV1Api(client)
    if c.plan.nodes:
        work.until(c, "kube-apiserver", "accepts objects", lambda: _create_coredns(c, client))
    work.until(c, "kube-controller-manager", "creates service accounts", lambda: _has_account(core))
    for program in c.states():
        work.until(c, program, "has stayed up for a second", partial(_runs, c, program))
    work.step(f"{c.name}: controllers running")
    if c.plan.nodes:
        work.until(c, "kubelet", "reports its node ready", lambda: _node_state(core) == "Ready")
        work.step(f"{c.name}: node ready")
        work.until(c, "kubelet", "runs coredns", lambda: _coredns_available(apps))
        work.until(c, "kube-proxy", "routes to the DNS server", lambda: _dns_answers(c))
        work.step(f"{c.name}: DNS works")


def _api_ready(c: Cluster) -> bool:
    with urllib3.PoolManager(ca_certs=str(c.ca), timeout=2, retries=False) as http:
        return http.request("GET", f"{c.server}/readyz").status == 200


def _create_coredns(c: Cluster, client: ApiClient) -> bool:
    values = {"address": c.plan.dns, "domain": DOMAIN, "image": _COREDNS_IMAGE}
    for document in yaml.safe_load_all(Template(_COREDNS.read_text()).substitute(values)):
        _create(client, document)
    return True


def _create(client: ApiClient, document: dict[str, object]) -> None:
    """Create an object, unless it exists."""
    try:
        create_from_dict(client, document)
    except FailToCreateError as e:
        for cause in e.api_exceptions:
            # The API server checks the address of a Service before its name.
            if cause.status != 409 and "provided IP is already allocated" not in str(cause.body):
                raise


def _runs(c: Cluster, program: str) -> bool:
    return c.states().get(program) == "RUNNING"


def _has_account(core: CoreV1Api) -> bool:
    core.read_namespaced_service_account("default", "default")
    return True


def _node_state(core: CoreV1Api) -> str:
    """`Ready`, `NotReady`, or `none` if there is no node."""
    states = [
        "Ready" if condition.status == "True" else "NotReady"
        for node in core.list_node().items
        for condition in (node.status and node.status.conditions) or []
        if condition.type == "Ready"
    ]
    return states[0] if states else "none"


def _coredns_available(apps: AppsV1Api) -> bool:
    status = apps.read_namespaced_deployment_status("coredns", "kube-system").status
    return bool(status and status.available_replicas)


def _dns_answers(c: Cluster) -> bool:
    name = f"kubernetes.default.svc.{DOMAIN}"
    query = [*c.enter(), sys.executable, "-c", _DNS_QUERY, str(c.plan.dns), name]
    return subprocess.run(query, capture_output=True, check=False).returncode == 0


def _status(c: Cluster) -> Status:
    api, node = False, "none"
    with contextlib.suppress(*_NOT_YET):
        api = _api_ready(c)
        node = _node_state(CoreV1Api(c.client()))
    return Status(
        cluster=c.name,
        network=c.plan.network,
        server=c.server,
        api=api,
        node=node,
        pods=str(c.plan.pods),
        services=str(c.plan.services),
        load_balancers=str(c.plan.load_balancers),
        programs=c.states(),
        memory=c.memory(),
    )
