"""One cluster: its keys and files, its processes, and how they are reached.

A cluster is like a small machine. Its programs run in a network, a process and a mount namespace of
their own, under a supervisor that is the first process there. They see the cluster's directory as
/run/cluster, a /run of their own, and a /var whose changes are their own.
"""

import contextlib
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xmlrpc.client import ServerProxy

import psutil
from kubernetes.client import ApiClient
from supervisor.xmlrpc import SupervisorTransport

from lab import imagestore, pki, programs
from lab.client import connect
from lab.machine import CLUSTER, MARK, Footprint, first_process
from lab.programs import DOMAIN, HOME, SUPERVISOR
from lab.spec import PlannedCluster

_SOURCE = Path(__file__).resolve().parent.parent
# Everything below happens in a mount namespace of its own. `.` is the cluster's
# directory, which may itself lie below /run or /var.
_FIRST_PROCESS = f"""
set -e
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir {HOME} /run/var /run/var-work
mount --bind . {HOME}
mount -t overlay -o lowerdir=/var,upperdir=/run/var,workdir=/run/var-work overlay /var
cd {HOME}
exec "$@"
"""


class ClusterError(RuntimeError):
    """A cluster does not work. The text says which one, what is wrong and where to look."""


@dataclass(frozen=True)
class Tools:
    """The Kubernetes binary and the archives of images that clusters are created from."""

    hyperkube: Path
    images: tuple[Path, ...]


@dataclass(frozen=True)
class Cluster:
    """A cluster of the lab with footprint `footprint`."""

    footprint: Footprint
    plan: PlannedCluster

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def directory(self) -> Path:
        return self.footprint.directory / self.name

    @property
    def server(self) -> str:
        """The API server's address, from the machine, every cluster and every pod of the lab."""
        return self.plan.server

    @property
    def ca(self) -> Path:
        return self.directory / "pki" / "ca.crt"

    def client(self) -> ApiClient:
        """A client with all rights."""
        return connect(self.server, self.directory / "pki")

    def log(self, program: str) -> Path:
        return self.directory / "log" / f"{program}.log"

    def write(self, tools: Tools) -> None:
        """Write keys, unless they exist, and every configuration file; prepare the images."""
        (self.directory / "log").mkdir(parents=True, exist_ok=True)
        if not (self.directory / "pki" / "complete").exists():
            self._write_pki()
        if self.plan.nodes:
            group = self.footprint.control_group(self.name)
            programs.write_node_files(self.directory, self.plan, group)
            imagestore.lay_out(tools.images, self.directory / "containerd")
        config = programs.supervisor_config(programs.programs(self.plan, tools.hyperkube))
        (self.directory / "supervisord.conf").write_text(config)

    def connection(self, user: str = "admin") -> pki.Connection:
        """How `user` reaches the cluster, from the files that `write` has written."""
        directory = self.directory / "pki"
        pair = pki.Pair(
            (directory / f"{user}.crt").read_bytes(), (directory / f"{user}.key").read_bytes()
        )
        return pki.Connection(self.name, self.server, self.ca.read_bytes(), pair)

    def boot(self) -> None:
        """Start the supervisor in namespaces of its own; it goes on when this process ends."""
        command = ["nsenter", f"--net=/run/netns/{self.footprint.netns(self.name)}"]
        command += ["unshare", "--mount", "--propagation", "slave", "--pid", "--fork"]
        command += ["--kill-child", "--mount-proc", "sh", "-c", _FIRST_PROCESS, "sh"]
        command += [sys.executable, "-m", "supervisor.supervisord", "--nodaemon"]
        command += ["--configuration", f"{HOME}/supervisord.conf"]
        with self.log("boot").open("wb") as log:
            first = subprocess.Popen(
                command,
                cwd=self.directory,
                env={
                    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    "PYTHONPATH": str(_SOURCE),
                    # Kubernetes is most of a lab's CPU time, and a sixth of that was garbage
                    # collection; this gives an API server 150 MiB more instead.
                    "GOGC": "200",
                    MARK: str(self.footprint.directory),
                    CLUSTER: self.name,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        # Waiting for the process is not enough: it is found by its environment, which is empty
        # while the kernel loads its program.
        deadline = time.monotonic() + 30
        while not self.states():
            if first.poll() is not None or time.monotonic() > deadline:
                raise ClusterError(
                    f"{self.name}: creating the namespaces or starting the supervisor failed; "
                    f"the end of the log:\n{self.log_tail('boot')}"
                )
            time.sleep(0.02)

    def running(self) -> bool:
        """Whether the supervisor runs, and with it the cluster's namespaces."""
        return first_process(self.footprint, self.name) is not None

    def states(self) -> dict[str, str]:
        """The state of each program as the supervisor names it (RUNNING, BACKOFF, FATAL …).

        Empty while the supervisor does not answer.
        """
        with contextlib.suppress(OSError, ClusterError):
            return {p["name"]: p["statename"] for p in self._supervisor().getAllProcessInfo()}
        return {}

    def start(self) -> None:
        """Start the programs that do not run yet, without waiting until they are ready."""
        self._supervisor().startAllProcesses(False)

    def kill_program(self, name: str) -> None:
        """Kill one of the programs, as a crash would end it; its supervisor starts it again."""
        self._supervisor().signalProcess(name, "KILL")

    def enter(self) -> list[str]:
        """The beginning of a command line that runs a program inside the cluster's namespaces."""
        first = first_process(self.footprint, self.name)
        if first is None:
            raise ClusterError(f"{self.name}: is not running; start it with `python -m lab up`")
        return ["nsenter", "--target", str(first.pid), "--mount", "--net", "--pid", "--wd=/"]

    def memory(self) -> int:
        """Memory of the cluster in bytes, including pods; pages shared by programs count once."""
        first = first_process(self.footprint, self.name)
        total = 0
        for p in (first, *first.children(recursive=True)) if first else ():
            with contextlib.suppress(psutil.Error):
                total += p.memory_full_info().pss
        return total

    def log_tail(self, program: str) -> str:
        """The last lines of a program's log, for error messages."""
        with contextlib.suppress(FileNotFoundError):
            lines = self.log(program).read_text(errors="replace").splitlines()[-5:]
            return "\n".join(f"  {program}: {line[:300]}" for line in lines)
        return f"  {program}: no log yet"

    def _supervisor(self) -> Any:
        first = first_process(self.footprint, self.name)
        if first is None:
            raise ClusterError(f"{self.name}: its supervisor is not running")
        # Through the supervisor's own root directory, as its /run is not the machine's.
        socket = f"unix:///proc/{first.pid}/root{SUPERVISOR}"
        transport = SupervisorTransport(None, None, serverurl=socket)
        return ServerProxy("http://127.0.0.1", transport=transport).supervisor

    def _write_pki(self) -> None:
        directory = self.directory / "pki"
        authority = pki.Authority(f"{self.name}-ca")
        authority.pair.write(directory, "ca")
        private, public = pki.service_account_keys()
        pki.write_secret(directory / "service-accounts.key", private)
        (directory / "service-accounts.pub").write_bytes(public)
        local = "kubernetes", "kubernetes.default", "kubernetes.default.svc"
        plan = self.plan
        users = {
            "admin": authority.issue("admin", "system:masters"),
            "api-server": authority.issue(
                "kube-apiserver",
                # It reads logs and runs commands through the kubelet, which requires this group.
                "system:masters",
                names=(*local, f"kubernetes.default.svc.{DOMAIN}", "localhost", self.name),
                addresses=(plan.node, plan.services[1], pki.LOOPBACK),
            ),
            "controller-manager": authority.issue("system:kube-controller-manager"),
            "scheduler": authority.issue("system:kube-scheduler"),
            "kube-proxy": authority.issue("system:kube-proxy"),
            "kubelet": authority.issue(
                f"system:node:{self.name}",
                "system:nodes",
                names=(self.name,),
                addresses=(plan.node,),
            ),
        }
        for name, pair in users.items():
            pair.write(directory, name)
            pki.write_kubeconfig(directory / f"{name}.kubeconfig", [self.connection(name)])
        (directory / "complete").touch()
