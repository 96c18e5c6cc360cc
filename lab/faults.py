"""What breaks in a mesh without an edit, each under a load that counts every request."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import psutil
from kubernetes.client import ApiException, AppsV1Api, CoreV1Api
from urllib3.exceptions import HTTPError

from components import names
from lab.cluster import Cluster
from lab.live import LiveMesh, until
from lab.load import Load, Report
from lab.machine import first_process
from spec import config

_AFTER_SECONDS = 10
"""How long the load goes on after the mesh is whole again: what was broken can show late."""
_PATIENCE_SECONDS = 180


@dataclass(frozen=True)
class Fault:
    """Something that breaks, and what happens then."""

    name: str
    inflict: Callable[[], None]
    repair: Callable[[], object] = lambda: None
    """What the user has to do; nothing, for most."""


@dataclass(frozen=True)
class Cost:
    """What a fault has cost."""

    whole: float
    """Seconds until everything was ready and every caller had an answer again."""
    requests: Report


def faults(mesh: LiveMesh, given: Mapping[str, Any]) -> Iterator[Fault]:
    """The faults of a mesh of a primary and a remote on two networks."""
    spec = config.parse(given)
    by_name = {c.name: c for c in mesh.lab.clusters}
    primary, remote = by_name[spec.primaries[0].name], by_name[spec.remotes[0].name]
    namespace, gateway = spec.mesh.istio.namespace, names.EAST_WEST_GATEWAY

    def kill(cluster: Cluster, program: str, pod: str) -> Callable[[], None]:
        return lambda: kill_process(cluster, program, pod)

    def delete(cluster: Cluster, app: str) -> Callable[[], None]:
        return lambda: _delete_pod(cluster, namespace, app)

    def move(cluster: Cluster) -> Callable[[], None]:
        return lambda: _change_address(cluster, namespace, gateway)

    yield Fault(f"istiod of {primary.name} crashes", kill(primary, "pilot-discovery", names.ISTIOD))
    yield Fault(f"istiod's pod of {primary.name} is deleted", delete(primary, names.ISTIOD))
    yield Fault(f"the gateway's Envoy of {remote.name} crashes", kill(remote, "envoy", gateway))
    yield Fault(f"the gateway's pod of {remote.name} is deleted", delete(remote, gateway))
    for program in ("kube-apiserver", "etcd", "containerd"):
        yield Fault(
            f"{program} of {primary.name} crashes", lambda p=program: primary.kill_program(p)
        )
    yield Fault(f"the gateway of {remote.name} gets another address", move(remote))
    yield Fault(
        f"the gateway of {primary.name} gets another address, then `pulumi up`",
        move(primary),
        mesh.up,
    )


def take(mesh: LiveMesh, load: Load, fault: Fault) -> Cost:
    """Inflict a fault, and wait until the mesh is whole again."""
    load.mark()
    begin = time.monotonic()
    fault.inflict()
    fault.repair()
    until(f"{fault.name}: all to be ready", lambda: _is_ready(mesh), _PATIENCE_SECONDS)
    ready = datetime.now(UTC)
    until(f"{fault.name}: answers to all", lambda: _answers(load, ready), _PATIENCE_SECONDS)
    whole = time.monotonic() - begin
    time.sleep(_AFTER_SECONDS)
    return Cost(whole, load.report())


def kill_process(cluster: Cluster, program: str, pod: str) -> None:
    """Kill a program in a pod of the cluster, as a crash would end it.

    Args:
        pod: how the pod's name begins, which Istio's programs have in `POD_NAME`.
    """
    first = first_process(cluster.footprint, cluster.name)
    for process in first.children(recursive=True) if first else ():
        with suppress(psutil.Error):
            name = process.environ().get("POD_NAME", "")
            if process.name() == program and name.startswith(pod):
                process.kill()
                return
    raise LookupError(f"{cluster.name}: no process {program} in a pod {pod}…")


def _delete_pod(cluster: Cluster, namespace: str, app: str) -> None:
    core = CoreV1Api(cluster.client())
    pods: Any = core.list_namespaced_pod(namespace, label_selector=f"app={app}")
    core.delete_namespaced_pod(pods.items[0].metadata.name, namespace)


def _change_address(cluster: Cluster, namespace: str, service: str) -> None:
    core = CoreV1Api(cluster.client())
    found: Any = core.read_namespaced_service(service, namespace)
    now = ip_address(found.status.load_balancer.ingress[0].ip)
    core.patch_namespaced_service(service, namespace, {"spec": {"loadBalancerIP": str(now + 7)}})


def _is_ready(mesh: LiveMesh) -> bool:
    """Whether every API server answers, and every Deployment has all its pods."""
    for cluster in mesh.lab.clusters:
        try:
            found: Any = AppsV1Api(cluster.client()).list_deployment_for_all_namespaces()
        except (ApiException, HTTPError):
            return False
        for deployment in found.items:
            if deployment.status.ready_replicas != deployment.spec.replicas:
                return False
    return True


def _answers(load: Load, since: datetime) -> bool:
    """Whether every caller has had an answer of every version since then."""
    try:
        return all(r.answers for r in load.report(since).streams.values())
    except (ApiException, HTTPError):
        return False
