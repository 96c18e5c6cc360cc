"""What runs in a cluster: its programs' command lines and configuration files.

Paths are those that the programs see in the cluster's mount namespace (cluster.py).
"""

import configparser
import io
import json
import shlex
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from lab import imagestore
from lab.spec import PlannedCluster

HOME = Path("/run/cluster")
CONTAINERD = Path("/run/containerd/containerd.sock")
SUPERVISOR = Path("/run/supervisor.sock")
CNI_PLUGINS = Path("/usr/lib/cni")
DOMAIN = "cluster.local"
PAUSE_IMAGE = "registry.k8s.io/pause:3.10"
_PKI = HOME / "pki"


@dataclass(frozen=True)
class Program:
    """A supervised program. One that is not `early` starts when the API server answers."""

    name: str
    command: tuple[str, ...]
    early: bool = False


def programs(plan: PlannedCluster, hyperkube: Path) -> Iterator[Program]:
    """The programs of a cluster. `hyperkube` holds all of Kubernetes."""

    def kubernetes(name: str, early: bool = False, **flags: object) -> Program:
        options = [f"--{k.replace('_', '-')}={v}" for k, v in flags.items()]
        return Program(name, (str(hyperkube), name, *options), early)

    # A lab is recreated rather than repaired, so nothing has to wait for the disk.
    yield Program("etcd", ("etcd", f"--data-dir={HOME}/etcd", "--unsafe-no-fsync"), early=True)
    yield kubernetes(
        "kube-apiserver",
        early=True,
        advertise_address=plan.node,
        allow_privileged="true",
        authorization_mode="Node,RBAC",
        client_ca_file=_PKI / "ca.crt",
        enable_admission_plugins="NodeRestriction",
        etcd_servers="http://127.0.0.1:2379",
        kubelet_certificate_authority=_PKI / "ca.crt",
        kubelet_client_certificate=_PKI / "api-server.crt",
        kubelet_client_key=_PKI / "api-server.key",
        # The name of the node is not in any DNS.
        kubelet_preferred_address_types="InternalIP",
        service_account_issuer=f"https://kubernetes.default.svc.{DOMAIN}",
        service_account_key_file=_PKI / "service-accounts.pub",
        service_account_signing_key_file=_PKI / "service-accounts.key",
        service_cluster_ip_range=plan.services,
        tls_cert_file=_PKI / "api-server.crt",
        tls_private_key_file=_PKI / "api-server.key",
    )
    yield kubernetes(
        "kube-controller-manager",
        allocate_node_cidrs="true",
        cluster_cidr=plan.pods,
        cluster_signing_cert_file=_PKI / "ca.crt",
        cluster_signing_key_file=_PKI / "ca.key",
        # With the default of 20 requests a second its controllers take 5 seconds to start.
        kube_api_qps=500,
        kube_api_burst=500,
        kubeconfig=_PKI / "controller-manager.kubeconfig",
        leader_elect="false",
        # The only node gets the whole range.
        node_cidr_mask_size=plan.pods.prefixlen,
        root_ca_file=_PKI / "ca.crt",
        service_account_private_key_file=_PKI / "service-accounts.key",
        use_service_account_credentials="true",
    )
    allocator = [sys.executable, "-m", "lab.loadbalancer", plan.server, str(_PKI)]
    yield Program("load-balancer", (*allocator, str(plan.load_balancers)))
    if not plan.nodes:
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
        hostname_override=plan.name,
        kubeconfig=_PKI / "kubelet.kubeconfig",
        node_ip=plan.node,
        root_dir=HOME / "kubelet",
    )


def supervisor_config(programs: Iterable[Program]) -> str:
    """The configuration of a supervisor that runs `programs`."""
    config = configparser.RawConfigParser()
    config["unix_http_server"] = {"file": str(SUPERVISOR), "chmod": "0700"}
    config["rpcinterface:supervisor"] = {
        "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
    }
    config["supervisord"] = {
        "logfile": f"{HOME}/log/supervisord.log",
        "pidfile": "/run/supervisord.pid",
        "user": "root",
    }
    for p in programs:
        config[f"program:{p.name}"] = {
            "command": shlex.join(p.command).replace("%", "%%"),
            "autostart": "true" if p.early else "false",
            "autorestart": "true",
            # On a busy machine a program can fail a few times: retry for minutes.
            "startretries": "20",
            "redirect_stderr": "true",
            "stdout_logfile": f"{HOME}/log/{p.name}.log",
            "stdout_logfile_maxbytes": "20MB",
            "stdout_logfile_backups": "1",
        }
    text = io.StringIO()
    config.write(text)
    return text.getvalue()


def write_node_files(directory: Path, plan: PlannedCluster, control_group: str) -> None:
    """Write the configuration of a node into the cluster's directory.

    `control_group` is the path of the group of its pods, below each hierarchy's root.
    """
    (directory / "cni").mkdir(exist_ok=True)
    (directory / "kubelet").mkdir(exist_ok=True)
    # No name server: a lab resolves its own names only.
    (directory / "resolv.conf").write_text("")
    (directory / "kubelet.yaml").write_text(yaml.safe_dump(_kubelet_config(plan, control_group)))
    (directory / "kube-proxy.yaml").write_text(yaml.safe_dump(_kube_proxy_config(plan)))
    (directory / "cni" / "10-pods.conflist").write_text(json.dumps(_cni_config(plan), indent=1))
    (directory / "containerd.toml").write_text(_CONTAINERD_CONFIG)


def _kubelet_config(plan: PlannedCluster, control_group: str) -> dict[str, object]:
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
        "cgroupRoot": f"/{control_group}",
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [str(plan.dns)],
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


def _kube_proxy_config(plan: PlannedCluster) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(_PKI / "kube-proxy.kubeconfig")},
        "clusterCIDR": str(plan.pods),
        "hostnameOverride": plan.name,
        "mode": "iptables",
        # Sysctls of connection tracking are the machine's: leave them alone.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }


def _cni_config(plan: PlannedCluster) -> dict[str, object]:
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
                    "ranges": [[{"subnet": str(plan.pods)}]],
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
