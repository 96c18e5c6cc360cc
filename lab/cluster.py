"""One cluster: the files and the programs that make it.

A cluster is like a small machine. Its programs run in a network, a process and a mount namespace of
their own, under a supervisor that is the first process there. They see the cluster's directory as
/run/cluster, a /run of their own, and a /var whose changes are their own.
"""

import configparser
import contextlib
import io
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xmlrpc.client import ServerProxy

import psutil
import yaml
from kubernetes.client import ApiClient
from supervisor.xmlrpc import SupervisorTransport

from lab import imagestore, pki
from lab.client import connect
from lab.machine import CLUSTER, MARK, Footprint, first_process
from lab.spec import PlannedCluster

HOME = Path("/run/cluster")
CONTAINERD = Path("/run/containerd/containerd.sock")
CNI_PLUGINS = Path("/usr/lib/cni")
DOMAIN = "cluster.local"
PAUSE_IMAGE = "registry.k8s.io/pause:3.10"
_SUPERVISOR = "supervisor.sock"
_PKI = HOME / "pki"
_SOURCE = Path(__file__).resolve().parent.parent
# Everything below happens in a mount namespace that nobody else sees. `.` is the cluster's
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
    """A cluster does not do what it should. The text says which, what, where to look."""


@dataclass(frozen=True)
class Tools:
    """What clusters are made of: the Kubernetes binary, and archives of images."""

    hyperkube: Path
    images: tuple[Path, ...]


@dataclass(frozen=True)
class Program:
    """A supervised program. One that is not `early` starts when the API server answers."""

    name: str
    command: tuple[str, ...]
    early: bool = False


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
        return f"https://{self.plan.node}:6443"

    @property
    def ca(self) -> Path:
        return self.directory / "pki" / "ca.crt"

    def client(self) -> ApiClient:
        """A client with all rights."""
        return connect(self.server, self.directory / "pki")

    def log(self, program: str) -> Path:
        return self.directory / "log" / f"{program}.log"

    def write(self, tools: Tools) -> None:
        """Write keys, unless there are some, and every configuration file; lay out the images."""
        (self.directory / "log").mkdir(parents=True, exist_ok=True)
        if not (self.directory / "pki" / "complete").exists():
            self._write_pki()
        if self.plan.nodes:
            self._write_node_files()
            imagestore.lay_out(tools.images, self.directory / "containerd")
        (self.directory / "supervisord.conf").write_text(self._supervisor_config(tools))

    def access(self, user: str = "admin") -> pki.Access:
        """How `user` reaches the cluster, from the files that `write` made."""
        directory = self.directory / "pki"
        pair = pki.Pair(
            (directory / f"{user}.crt").read_bytes(), (directory / f"{user}.key").read_bytes()
        )
        return pki.Access(self.name, self.server, self.ca.read_bytes(), pair)

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
                    MARK: str(self.footprint.directory),
                    CLUSTER: self.name,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        # Not only until it is there: while a process executes its program it shows no environment,
        # by which it is known.
        deadline = time.monotonic() + 30
        while not self.states():
            if first.poll() is not None or time.monotonic() > deadline:
                raise ClusterError(
                    f"{self.name}: the namespaces cannot be made or its supervisor does not start; "
                    f"the last words:\n{self.complaint('boot')}"
                )
            time.sleep(0.02)

    def running(self) -> bool:
        """Whether the supervisor runs, and with it the cluster's namespaces."""
        return first_process(self.footprint, self.name) is not None

    def states(self) -> dict[str, str]:
        """The state of each program in the supervisor's words (RUNNING, BACKOFF, FATAL …).

        Empty as long as the supervisor does not answer.
        """
        with contextlib.suppress(OSError, ClusterError):
            return {p["name"]: p["statename"] for p in self._supervisor().getAllProcessInfo()}
        return {}

    def start(self) -> None:
        """Start the programs that do not run yet, without waiting for them to be of use."""
        self._supervisor().startAllProcesses(False)

    def enter(self) -> list[str]:
        """The beginning of a command line that runs a program inside the cluster's namespaces."""
        first = first_process(self.footprint, self.name)
        if first is None:
            raise ClusterError(f"{self.name}: does not run; start it with `python -m lab up`")
        return ["nsenter", "--target", str(first.pid), "--mount", "--net", "--pid", "--wd=/"]

    def memory(self) -> int:
        """Bytes that the cluster takes, pods included; pages shared by programs count once."""
        first = first_process(self.footprint, self.name)
        total = 0
        for p in (first, *first.children(recursive=True)) if first else ():
            with contextlib.suppress(psutil.Error):
                total += p.memory_full_info().pss
        return total

    def complaint(self, program: str) -> str:
        """The last words of a program, for error messages."""
        with contextlib.suppress(FileNotFoundError):
            lines = self.log(program).read_text(errors="replace").splitlines()[-5:]
            return "\n".join(f"  {program}: {line[:300]}" for line in lines)
        return f"  {program}: has written no log"

    def _supervisor(self) -> Any:
        first = first_process(self.footprint, self.name)
        if first is None:
            raise ClusterError(f"{self.name}: its supervisor does not run")
        # Through the supervisor's own root directory, as its /run is not the machine's.
        socket = f"unix:///proc/{first.pid}/root/run/{_SUPERVISOR}"
        transport = SupervisorTransport(None, None, serverurl=socket)
        return ServerProxy("http://127.0.0.1", transport=transport).supervisor

    def _supervisor_config(self, tools: Tools) -> str:
        config = configparser.RawConfigParser()
        config["unix_http_server"] = {"file": f"/run/{_SUPERVISOR}", "chmod": "0700"}
        config["rpcinterface:supervisor"] = {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        }
        config["supervisord"] = {
            "logfile": f"{HOME}/log/supervisord.log",
            "pidfile": "/run/supervisord.pid",
            "user": "root",
        }
        for p in self._programs(tools.hyperkube):
            config[f"program:{p.name}"] = {
                "command": shlex.join(p.command).replace("%", "%%"),
                "autostart": "true" if p.early else "false",
                "autorestart": "true",
                # A program that meets a busy machine may fail a few times: go on for minutes.
                "startretries": "20",
                "redirect_stderr": "true",
                "stdout_logfile": f"{HOME}/log/{p.name}.log",
                "stdout_logfile_maxbytes": "20MB",
                "stdout_logfile_backups": "1",
            }
        text = io.StringIO()
        config.write(text)
        return text.getvalue()

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
                # Reads logs and runs commands through the kubelet, which asks for this group.
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
            pki.write_kubeconfig(directory / f"{name}.kubeconfig", [self.access(name)])
        (directory / "complete").touch()

    def _programs(self, hyperkube: Path) -> Iterator[Program]:
        def kubernetes(name: str, early: bool = False, **flags: object) -> Program:
            options = [f"--{k.replace('_', '-')}={v}" for k, v in flags.items()]
            return Program(name, (str(hyperkube), name, *options), early)

        # A lab is made again sooner than repaired: nothing waits for the disk.
        yield Program("etcd", ("etcd", f"--data-dir={HOME}/etcd", "--unsafe-no-fsync"), early=True)
        yield kubernetes(
            "kube-apiserver",
            early=True,
            advertise_address=self.plan.node,
            allow_privileged="true",
            authorization_mode="Node,RBAC",
            client_ca_file=_PKI / "ca.crt",
            enable_admission_plugins="NodeRestriction",
            etcd_servers="http://127.0.0.1:2379",
            kubelet_certificate_authority=_PKI / "ca.crt",
            kubelet_client_certificate=_PKI / "api-server.crt",
            kubelet_client_key=_PKI / "api-server.key",
            # The node has a name that no name server knows.
            kubelet_preferred_address_types="InternalIP",
            service_account_issuer=f"https://kubernetes.default.svc.{DOMAIN}",
            service_account_key_file=_PKI / "service-accounts.pub",
            service_account_signing_key_file=_PKI / "service-accounts.key",
            service_cluster_ip_range=self.plan.services,
            tls_cert_file=_PKI / "api-server.crt",
            tls_private_key_file=_PKI / "api-server.key",
        )
        yield kubernetes(
            "kube-controller-manager",
            allocate_node_cidrs="true",
            cluster_cidr=self.plan.pods,
            cluster_signing_cert_file=_PKI / "ca.crt",
            cluster_signing_key_file=_PKI / "ca.key",
            # With the default of 20 requests a second its controllers take 5 seconds to start.
            kube_api_qps=500,
            kube_api_burst=500,
            kubeconfig=_PKI / "controller-manager.kubeconfig",
            leader_elect="false",
            # The one node gets the whole range.
            node_cidr_mask_size=self.plan.pods.prefixlen,
            root_ca_file=_PKI / "ca.crt",
            service_account_private_key_file=_PKI / "service-accounts.key",
            use_service_account_credentials="true",
        )
        allocator = [sys.executable, "-m", "lab.loadbalancer", self.server, str(_PKI)]
        yield Program("load-balancer", (*allocator, str(self.plan.load_balancers)))
        if not self.plan.nodes:
            return
        containerd = ("containerd", "--config", f"{HOME}/containerd.toml")
        yield Program("containerd", containerd, early=True)
        yield kubernetes(
            "kube-scheduler", kubeconfig=_PKI / "scheduler.kubeconfig", leader_elect="false"
        )
        yield kubernetes("kube-proxy", config=HOME / "kube-proxy.yaml")
        yield kubernetes(
            "kubelet",
            config=HOME / "kubelet.yaml",
            hostname_override=self.name,
            kubeconfig=_PKI / "kubelet.kubeconfig",
            node_ip=self.plan.node,
            root_dir=HOME / "kubelet",
        )

    def _write_node_files(self) -> None:
        d = self.directory
        (d / "cni").mkdir(exist_ok=True)
        (d / "kubelet").mkdir(exist_ok=True)
        # No name server: a lab resolves its own names only.
        (d / "resolv.conf").write_text("")
        (d / "kubelet.yaml").write_text(yaml.safe_dump(self._kubelet_config()))
        (d / "kube-proxy.yaml").write_text(yaml.safe_dump(self._kube_proxy_config()))
        (d / "cni" / "10-pods.conflist").write_text(json.dumps(self._cni_config(), indent=1))
        (d / "containerd.toml").write_text(_CONTAINERD_CONFIG)

    def _kubelet_config(self) -> dict[str, object]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(_PKI / "ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            # All pods' groups are below one that carries the lab's name.
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.footprint.control_group(self.name)}",
            "enforceNodeAllocatable": [],
            "failCgroupV1": False,
            "failSwapOn": False,
            "clusterDNS": [str(self.plan.dns)],
            "clusterDomain": DOMAIN,
            "containerRuntimeEndpoint": f"unix://{CONTAINERD}",
            # Disk and memory belong to the machine, not to the lab: never evict for them, nor
            # remove an image that cannot be pulled again.
            "evictionHard": {"memory.available": "1Mi", "nodefs.available": "0.1%"},
            "imageGCHighThresholdPercent": 100,
            "localStorageCapacityIsolation": False,
            # Lowering it takes CAP_SYS_RESOURCE, which a root without it lacks.
            "oomScoreAdj": 0,
            "podLogsDir": str(HOME / "pod-logs"),
            "resolvConf": str(HOME / "resolv.conf"),
            "tlsCertFile": str(_PKI / "kubelet.crt"),
            "tlsPrivateKeyFile": str(_PKI / "kubelet.key"),
            "volumePluginDir": str(HOME / "kubelet" / "volume-plugins"),
            "shutdownGracePeriod": "0s",
        }

    def _kube_proxy_config(self) -> dict[str, object]:
        return {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": str(_PKI / "kube-proxy.kubeconfig")},
            "clusterCIDR": str(self.plan.pods),
            "hostnameOverride": self.name,
            "mode": "iptables",
            # Sysctls of connection tracking are the machine's: leave them alone.
            "conntrack": {
                "maxPerCore": 0,
                "min": 0,
                "tcpEstablishedTimeout": "0s",
                "tcpCloseWaitTimeout": "0s",
            },
        }

    def _cni_config(self) -> dict[str, object]:
        # Point to point, as on GKE: all traffic between pods is routed, so that services work
        # without the kernel's bridge filter. Masquerading is the lab's, see machine.py.
        return {
            "cniVersion": "1.0.0",
            "name": "pods",
            "plugins": [
                {
                    "type": "ptp",
                    "ipMasq": False,
                    "ipam": {
                        "type": "host-local",
                        "dataDir": "/run/cni",
                        "ranges": [[{"subnet": str(self.plan.pods)}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": True}},
            ],
        }


_CONTAINERD_CONFIG = f"""\
version = 2
root = "{HOME}/containerd"
state = "/run/containerd"
disabled_plugins = {json.dumps(imagestore.UNUSED_PLUGINS)}
[grpc]
  address = "{CONTAINERD}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  # Lowering a container's score takes CAP_SYS_RESOURCE, which a root without it lacks.
  restrict_oom_score_adj = true
  # A profile would stay in the kernel after the lab.
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_PLUGINS}"
    conf_dir = "{HOME}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"""
