"""A lab as a whole: up, down and what is known about it."""

import shutil
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import urllib3
from pydantic import TypeAdapter

from lab import imagestore, machine, pki
from lab.cluster import Cluster, ClusterError
from lab.spec import Plan, PlannedCluster, Spec, SpecError, plan

_PATIENCE = 120.0  # seconds for one step of one cluster, on a busy machine
_PLAN = TypeAdapter(Plan)

Report = Callable[[str], None]


def _silent(_: str) -> None:
    pass


@dataclass
class Lab:
    """The lab in `directory`, described by `spec`. Also a context manager: up, then down.

    `spec` of None stands for the description of the lab that is there already.
    """

    directory: Path
    spec: Spec | None = None
    hyperkube: Path = field(default=Path("/tmp/b/bin/hyperkube"))  # noqa: S108
    images: tuple[Path, ...] = field(default=tuple(Path("/tmp/labimg").glob("*.tar")))

    def __post_init__(self) -> None:
        self.directory = self.directory.resolve()

    @property
    def footprint(self) -> machine.Footprint:
        return machine.Footprint(self.directory)

    @property
    def kubeconfig(self) -> Path:
        """Contexts of all clusters, named as they are; for administrators, from this machine."""
        return self.directory / "kubeconfig"

    @property
    def plan(self) -> Plan:
        """The lab's addresses. Raises SpecError as long as it has not been up."""
        try:
            return _PLAN.validate_json((self.directory / "plan.json").read_bytes())
        except FileNotFoundError:
            raise SpecError(
                [f"there is no lab in {self.directory}; make one with `python -m lab up`"]
            ) from None

    @property
    def clusters(self) -> list[Cluster]:
        return [self._cluster(c) for c in self.plan.clusters]

    def cluster(self, name: str) -> Cluster:
        """The cluster of that name. Raises SpecError, naming those there are."""
        return self._cluster(self.plan.cluster(name))

    def __enter__(self) -> Self:
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def up(self, report: Report = _silent) -> None:
        """Bring up what is not up, and wait until all of it is of use.

        Raises SpecError, MachineError or ClusterError, each with what to do.
        """
        with machine.only_one(self.directory):
            self._boot(report)
            clusters = self.clusters
            with ThreadPoolExecutor(len(clusters)) as pool:
                _all([pool.submit(_bring_up, c, report) for c in clusters])

    def down(self) -> None:
        """Remove every trace of the lab, its directory included, in whatever state it is."""
        with machine.only_one(self.directory):
            machine.remove(self.footprint)
            shutil.rmtree(self.directory)

    def _boot(self, report: Report) -> None:
        """Make network and namespaces; all is made again where any of it is missing."""
        if (self.directory / "plan.json").exists() and all(c.running() for c in self.clusters):
            return
        machine.remove(self.footprint)
        # Two labs that start at once must not plan the same ranges.
        with machine.only_one(Path("/run")):
            planned = self._settle_plan()
            machine.make_network(self.footprint, planned)
        machine.make_control_groups(self.footprint, planned)
        report("network made")
        for c in self.clusters:
            c.write()
        pki.write_kubeconfig(self.kubeconfig, [c.access() for c in self.clusters])
        for c in self.clusters:
            c.boot()

    def _cluster(self, c: PlannedCluster) -> Cluster:
        return Cluster(self.footprint, c, self.hyperkube, imagestore.prepare(self.images,Path('/tmp/labimg/cache')))

    def _settle_plan(self) -> Plan:
        path = self.directory / "plan.json"
        if path.exists():
            return self.plan
        if self.spec is None:
            return self.plan
        used = machine.used_ranges(self.footprint)
        planned = plan(self.spec, machine.free_range(used))
        pki.write_secret(path, _PLAN.dump_json(planned, indent=1, by_alias=True))
        return planned


def _bring_up(c: Cluster, report: Report) -> None:
    _until(c, "kube-apiserver", "answers", lambda: _api_ready(c))
    report(f"{c.name}: API server ready")
    for p in c.programs():
        c.start(p.name)


def _until(c: Cluster, program: str, what: str, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not done():
        state = c.states().get(program)
        if time.monotonic() > deadline or state == "FATAL":
            raise ClusterError(
                f"{c.name}: {program} is {state or 'not supervised'} and has not come to where it "
                f"{what}; its last words (all of them in {c.log(program)}):\n"
                f"{c.complaint(program)}"
            )
        time.sleep(0.1)


def _api_ready(c: Cluster) -> bool:
    try:
        with urllib3.PoolManager(ca_certs=str(c.ca), timeout=2, retries=False) as http:
            return http.request("GET", f"{c.server}/readyz").status == 200
    except urllib3.exceptions.HTTPError:
        return False


def _all(futures: list[Future[None]]) -> None:
    """Wait for all, or for the first that fails."""
    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    for future in done:
        future.result()


