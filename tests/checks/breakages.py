"""Ways to break a mesh of a primary `east` and its remote `west`, each of which mends itself.

Each is a context manager: inside it the mesh is broken and shows it, after it the mesh is whole.
"""

import base64
import json
import subprocess
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

import psutil
import yaml

from components.names import CLIENT_IMAGE
from lab.machine import first_process
from tests.authorities import Authority
from tests.checks.edits import Edits, until
from tests.mesh.live import LiveMesh

SYSTEM = "/api/v1/namespaces/istio-system"
SAMPLE = "/api/v1/namespaces/sample"
REMOTE_SECRET = f"{SYSTEM}/secrets/istio-remote-secret-west"
CACERTS = f"{SYSTEM}/secrets/cacerts"
READER_TOKEN = f"{SYSTEM}/secrets/istio-reader-service-account-istio-remote-secret-token"
GATEWAY = f"{SYSTEM}/services/istio-eastwestgateway"
MESH_CONFIG = f"{SYSTEM}/configmaps/istio"
_DEPLOYMENTS = "/apis/apps/v1/namespaces/istio-system/deployments"
SLICE = "/apis/discovery.k8s.io/v1/namespaces/istio-system/endpointslices/istiod"
NETWORKING = "/apis/networking.istio.io/v1/namespaces"
_WEBHOOKS = "/apis/admissionregistration.k8s.io/v1"
INJECTOR = f"{_WEBHOOKS}/mutatingwebhookconfigurations/istio-sidecar-injector"
VALIDATOR = f"{_WEBHOOKS}/validatingwebhookconfigurations/istio-validator-istio-system"
NETWORK = "topology.istio.io/network"
NO_ONE = "203.0.113.1"
"""An address for documents (RFC 5737): nobody answers there."""


@dataclass(frozen=True)
class Patient:
    """The mesh that is broken, and whoever signed its intermediates."""

    live: LiveMesh
    root: Authority

    @cached_property
    def east(self) -> Edits:
        return Edits(self.live.lab.cluster("east").client())

    @cached_property
    def west(self) -> Edits:
        return Edits(self.live.lab.cluster("west").client())

    def registry(self) -> dict[str, str]:
        """What east's istiod says of the clusters that it knows: name → status."""
        return {c["id"]: c["syncStatus"] for c in self._istiod_says("/debug/clusterz")}

    def until_registry(self, **wanted: str) -> None:
        until(f"istiod knows {wanted}", lambda: self.registry() == wanted)

    def connected(self) -> set[str]:
        """Proxies that have the ear of istiod."""
        return {str(p["proxy"]) for p in self._istiod_says("/debug/syncz")}

    def proxies(self) -> set[str]:
        """Those that run in both clusters, gateways among them."""
        pods = [p for edits in (self.east, self.west) for p in edits.get("/api/v1/pods")["items"]]
        return {
            "{name}.{namespace}".format_map(pod["metadata"])
            for pod in pods
            for container in (*pod["spec"]["containers"], *pod["spec"].get("initContainers", ()))
            if container["name"] == "istio-proxy" and pod["status"]["phase"] == "Running"
        }

    def until_connected(self) -> None:
        # gRPC waits up to two minutes between two tries, if an istiod was not to be trusted before.
        until("all proxies connected", lambda: self.connected() == self.proxies(), seconds=240)

    def _istiod_says(self, path: str) -> Any:
        # Not by istioctl: on a busy machine its output was seen to go on after the JSON.
        inside = ("-n", "istio-system", "exec", "deploy/istiod", "-c", "discovery", "--")
        ask = ("pilot-discovery", "request", "GET", path)
        return json.loads(self.live.kubectl("east", *inside, *ask))

    def roots(self) -> set[str]:
        """What the namespaces of both clusters tell their pods to trust."""
        path = "/api/v1/configmaps?fieldSelector=metadata.name=istio-ca-root-cert"
        found = [c for edits in (self.east, self.west) for c in edits.get(path)["items"]]
        return {c["data"]["root-cert.pem"] for c in found}

    def kill(self, cluster: str, program: str) -> None:
        """End a program in a pod at once."""
        first = first_process(self.live.lab.footprint, cluster)
        assert first is not None
        for process in first.children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # others come and go meanwhile
                if process.name() == program:
                    process.kill()

    def until_endpoints(self, what: str, holds: Callable[[set[str]], bool]) -> None:
        """Wait for helloworld's endpoints as east's `sleep` has them."""
        until(f"endpoints {what}", lambda: holds(self.live.endpoints("east")))

    @contextmanager
    def other_endpoints(self) -> Generator[None]:
        """Around a change of endpoints: wait until it has come, and until it has gone again."""
        before = self.live.endpoints("east")
        yield
        self.until_endpoints("as before", lambda now: now == before)


# Remote secrets ----------------------------------------------------------------------------------


def kubeconfig(patient: Patient) -> dict[str, Any]:
    """The one in the remote secret."""
    data = patient.east.get(REMOTE_SECRET)["data"]["west"]
    return yaml.safe_load(base64.b64decode(data))


def as_data(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@contextmanager
def remote_secret(patient: Patient, change: Mapping[str, Any], **known: str) -> Generator[None]:
    """Have the remote secret changed, and istiod know what it then knows."""
    with patient.east.changed(REMOTE_SECRET, change):
        patient.until_registry(east="synced", **known)
        yield
    patient.until_registry(east="synced", west="synced")


def credentials(
    patient: Patient, edit: Callable[[dict[str, Any]], None], status: str
) -> AbstractContextManager[None]:
    document = kubeconfig(patient)
    edit(document)
    change = {"data": {"west": as_data(yaml.safe_dump(document))}}
    return remote_secret(patient, change, west=status)


def remote_secret_of_another_name(patient: Patient) -> AbstractContextManager[None]:
    """The data key, which istiod takes for the cluster's ID, is not the name that proxies say."""
    data = patient.east.get(REMOTE_SECRET)["data"]["west"]
    return remote_secret(patient, {"data": {"west": None, "far": data}}, far="synced")


def _one_more_secret(patient: Patient, key: str) -> AbstractContextManager[None]:
    before = patient.east.get(REMOTE_SECRET)
    name = f"istio-remote-secret-{key}-too"
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": before["metadata"]["labels"]},
        "data": {key: before["data"]["west"]},
    }
    return patient.east.with_object(f"{SYSTEM}/secrets/{name}", secret)


def remote_secret_of_its_own(patient: Patient) -> AbstractContextManager[None]:
    return _one_more_secret(patient, "east")


def second_remote_secret(patient: Patient) -> AbstractContextManager[None]:
    return _one_more_secret(patient, "west")


@contextmanager
def remote_secret_missing(patient: Patient) -> Generator[None]:
    with patient.east.without(REMOTE_SECRET):
        patient.until_registry(east="synced")
        yield
    patient.until_registry(east="synced", west="synced")


def remote_secret_unlabelled(patient: Patient) -> AbstractContextManager[None]:
    return remote_secret(patient, {"metadata": {"labels": {"istio/multiCluster": None}}})


def remote_secret_without_data(patient: Patient) -> AbstractContextManager[None]:
    return remote_secret(patient, {"data": {"west": None}})


@contextmanager
def remote_secret_in_another_namespace(patient: Patient) -> Generator[None]:
    before = patient.east.get(REMOTE_SECRET)
    metadata = {k: before["metadata"][k] for k in ("name", "labels", "annotations")}
    moved = {**before, "metadata": metadata}
    path = f"{SAMPLE}/secrets/istio-remote-secret-west"
    with remote_secret_missing(patient), patient.east.with_object(path, moved):
        yield


def api_server_at_loopback(patient: Patient) -> AbstractContextManager[None]:
    def edit(document: dict[str, Any]) -> None:
        document["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:6443"

    return credentials(patient, edit, "syncing")


def api_server_of_another_name(patient: Patient) -> AbstractContextManager[None]:
    def edit(document: dict[str, Any]) -> None:
        document["clusters"][0]["cluster"]["tls-server-name"] = "elsewhere.example"

    return credentials(patient, edit, "syncing")


def credentials_by_a_program(patient: Patient) -> AbstractContextManager[None]:
    def edit(document: dict[str, Any]) -> None:
        document["users"][0]["user"] = {
            "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "cloud-login"}
        }

    return credentials(patient, edit, "synced")  # istiod goes on with what it has


def token_of_nobody(patient: Patient) -> AbstractContextManager[None]:
    def edit(document: dict[str, Any]) -> None:
        document["users"][0]["user"]["token"] += "x"

    return credentials(patient, edit, "syncing")


def token_without_rights(patient: Patient) -> AbstractContextManager[None]:
    answer = patient.west.post(
        f"{SAMPLE}/serviceaccounts/default/token",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
    )

    def edit(document: dict[str, Any]) -> None:
        document["users"][0]["user"]["token"] = answer["status"]["token"]

    return credentials(patient, edit, "syncing")


@contextmanager
def reader_token_gone(patient: Patient) -> Generator[None]:
    """Without its Secret the token is refused: at once, or when the API server forgets it."""
    with patient.west.without(READER_TOKEN):
        until("west refuses the token", lambda: not _is_accepted(patient))
        yield
    until("west accepts the token", lambda: _is_accepted(patient))


def _is_accepted(patient: Patient) -> bool:
    token = kubeconfig(patient)["users"][0]["user"]["token"]
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
    answer = patient.west.post(
        "/apis/authentication.k8s.io/v1/tokenreviews", {**review, "spec": {"token": token}}
    )
    return bool(answer["status"].get("authenticated"))


# Networks and gateways ---------------------------------------------------------------------------


def namespace_without_network(patient: Patient) -> AbstractContextManager[None]:
    """Injected pods carry a label of their own, so only others lose their network at once."""
    return patient.west.changed(SYSTEM, _labelled({NETWORK: None}))


def network_of_another_cluster(patient: Patient) -> AbstractContextManager[None]:
    return patient.west.changed(SYSTEM, _labelled({NETWORK: "east-net"}))


def _labelled(labels: Mapping[str, str | None]) -> dict[str, Any]:
    return {"metadata": {"labels": labels}}


@contextmanager
def gateway_without_network(patient: Patient) -> Generator[None]:
    with patient.other_endpoints(), patient.west.changed(GATEWAY, _labelled({NETWORK: None})):
        _until_pod_of_west(patient)
        yield


def _until_pod_of_west(patient: Patient) -> None:
    """istiod tells the pods' own addresses of a network that has no gateway."""
    pod = f"{patient.live.pod_address('west', 'helloworld')}:5000"
    patient.until_endpoints(f"have {pod}", lambda now: pod in now)


@contextmanager
def network_on_another_service(patient: Patient) -> Generator[None]:
    """The ordinary ingress gateway carries the label too, and half of the requests go there."""
    name = "istio-ingressgateway"
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": {NETWORK: "west-net"}},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": name},
            "ports": [{"name": "tls", "port": 15443}],
        },
    }
    path = f"{SYSTEM}/services/{name}"
    with patient.other_endpoints(), patient.west.with_object(path, service):
        patient.until_endpoints("have one more", lambda now: len(now) == 3)
        yield


@contextmanager
def gateway_without_address(patient: Patient) -> Generator[None]:
    """istiod goes on telling the address that there was."""
    with _load_balancer_of_nobody(patient):
        yield


@contextmanager
def gateway_with_host_name(patient: Patient) -> Generator[None]:
    named = {"status": {"loadBalancer": {"ingress": [{"hostname": "gateway.example"}]}}}
    with gateway_without_address(patient):
        patient.west.patch(f"{GATEWAY}/status", named)
        yield


@contextmanager
def _load_balancer_of_nobody(patient: Patient) -> Generator[None]:
    """A class can only be set or removed while the type changes."""
    address = patient.west.get(GATEWAY)["status"]["loadBalancer"]

    def become(balancer: str | None) -> None:
        patient.west.patch(GATEWAY, {"spec": {"type": "ClusterIP", "loadBalancerClass": None}})
        spec = {"type": "LoadBalancer", "loadBalancerClass": balancer}
        patient.west.patch(GATEWAY, {"spec": spec})

    become("example.com/nobody")
    try:
        yield
    finally:
        become(None)
        until(
            "the gateway's address",
            lambda: patient.west.get(GATEWAY)["status"]["loadBalancer"] == address,
        )


@contextmanager
def gateway_without_pods(patient: Patient) -> Generator[None]:
    path = f"{_DEPLOYMENTS}/istio-eastwestgateway"
    with patient.west.changed(path, {"spec": {"replicas": 0}}):
        # They are deleted at once, and no one waits for them to drain.
        _until_no_pods(patient.west, "istio-eastwestgateway", grace=0)
        yield
    _until_ready(patient.west, path)


@contextmanager
def istiod_without_pods(patient: Patient) -> Generator[None]:
    with _served_again(patient), _istiod_stopped(patient):
        yield


@contextmanager
def _served_again(patient: Patient) -> Generator[None]:
    """Wait until istiod serves all that it has served before."""
    roots = patient.roots()
    yield
    patient.until_registry(east="synced", west="synced")
    patient.until_connected()
    # Written when the lease of the istiod that was killed has ended, half a minute after.
    until("the common root in all namespaces", lambda: patient.roots() == roots)


@contextmanager
def _istiod_stopped(patient: Patient) -> Generator[None]:
    path, pods = f"{_DEPLOYMENTS}/istiod", f"{SYSTEM}/pods?labelSelector=app=istiod"

    def leaving() -> bool:
        found = patient.east.get(pods)["items"]
        return all("deletionTimestamp" in p["metadata"] for p in found)

    with patient.east.changed(path, {"spec": {"replicas": 0}}):
        until("istiod's pod on its way out", leaving)
        # It would take half a minute to say farewell to its proxies.
        patient.kill("east", "pilot-discovery")
        _until_no_pods(patient.east, "istiod")
        yield
    _until_ready(patient.east, path)


def _until_no_pods(edits: Edits, app: str, grace: int | None = None) -> None:
    def gone() -> bool:
        pods = edits.get(f"{SYSTEM}/pods?labelSelector=app={app}")["items"]
        for pod in pods if grace is not None else ():
            edits.delete(f"{SYSTEM}/pods/{pod['metadata']['name']}", grace)
        return not pods

    until(f"no pods of {app}", gone)


def _until_ready(edits: Edits, path: str) -> None:
    def ready() -> bool:
        found = edits.get(path)
        status = found["status"]
        return (
            status.get("observedGeneration") == found["metadata"]["generation"]
            and status.get("updatedReplicas") == status.get("replicas") == 1
            and status.get("readyReplicas") == 1
        )

    until(f"{path} ready", ready)


def port_blocked(cluster: str, port: int) -> Callable[[Patient], AbstractContextManager[None]]:
    """What comes to the port from outside the cluster is dropped, as by a firewall."""

    @contextmanager
    def blocked(patient: Patient) -> Generator[None]:
        namespace = patient.live.lab.footprint.netns(cluster)
        table = ("nsenter", f"--net=/run/netns/{namespace}", "iptables", "-w", "-t", "raw")
        rule = ("PREROUTING", "-i", "eth0", "-p", "tcp", "--dport", str(port), "-j", "DROP")
        subprocess.run([*table, "-I", *rule], check=True)
        try:
            yield
        finally:
            subprocess.run([*table, "-D", *rule], check=True)
        patient.until_connected()

    return blocked


# Trust -------------------------------------------------------------------------------------------


@contextmanager
def intermediate_ended(patient: Patient) -> Generator[None]:
    """istiod was started anew when its CA had ended, and does not get far."""
    path = f"{_DEPLOYMENTS}/istiod"

    def fails() -> bool:
        pods = patient.east.get(f"{SYSTEM}/pods?labelSelector=app=istiod")["items"]
        states = [s for p in pods for s in p["status"].get("containerStatuses", [])]
        return any(s["restartCount"] > 0 for s in states)

    with (
        istiod_without_pods(patient),
        _cacerts(patient.east, patient.root.cacerts(lasts=timedelta(hours=-1))),
        patient.east.changed(path, {"spec": {"replicas": 1}}),
    ):
        until("istiod ends by itself", fails)
        yield


# The files of a remote are the same, and no istiod takes them while they are broken.


def intermediate_ends_soon(patient: Patient) -> AbstractContextManager[None]:
    return _cacerts(patient.west, patient.root.cacerts(lasts=timedelta(days=3)))


def key_of_another_intermediate(patient: Patient) -> AbstractContextManager[None]:
    key = patient.root.cacerts()["ca-key.pem"]
    return patient.west.changed(CACERTS, {"data": {"ca-key.pem": as_data(key)}})


def cacerts_incomplete(patient: Patient) -> AbstractContextManager[None]:
    return patient.west.changed(CACERTS, {"data": {"cert-chain.pem": None}})


def remotes_root_differs(patient: Patient) -> AbstractContextManager[None]:
    return _cacerts(patient.west, Authority("Another Root").cacerts())


def _cacerts(edits: Edits, files: Mapping[str, str]) -> AbstractContextManager[None]:
    return edits.changed(CACERTS, {"data": {k: as_data(v) for k, v in files.items()}})


@contextmanager
def istiods_root_differs(patient: Patient) -> Generator[None]:
    """istiod was started anew with the CA of another root; proxies still trust the first."""
    with _served_again(patient):
        with _cacerts(patient.east, Authority("Another Root").cacerts()):
            _restart_istiod(patient)
            yield
        _restart_istiod(patient)


@contextmanager
def istiod_before_cacerts(patient: Patient) -> Generator[None]:
    """istiod found no `cacerts` when it started, and made a root of its own."""
    with _served_again(patient):
        with patient.east.without(CACERTS):
            _restart_istiod(patient)
            yield
        patient.east.delete(f"{SYSTEM}/secrets/istio-ca-secret")
        _restart_istiod(patient)


def _restart_istiod(patient: Patient) -> None:
    with _istiod_stopped(patient):
        pass


def bundle_of_another_ca(path: str, cluster: str) -> Callable[[Patient], Any]:
    """A webhook with the CA bundle of another istiod, and nobody who writes today's."""

    def broken(patient: Patient) -> AbstractContextManager[None]:
        edits: Edits = getattr(patient, cluster)
        webhooks, bundle = edits.get(path)["webhooks"], as_data(Authority("Yesterday").certificate)
        for webhook in webhooks:
            webhook["clientConfig"]["caBundle"] = bundle
        # istiod leaves webhooks of other revisions alone.
        labels = {"labels": {"istio.io/rev": "of-yesterday"}}
        return edits.changed(path, {"metadata": labels, "webhooks": webhooks})

    return broken


def another_trust_domain(patient: Patient) -> AbstractContextManager[None]:
    """A mesh configuration in the remote, which istiod reads for the trust domain alone."""
    text = yaml.safe_dump({"trustDomain": "west.example"})
    made = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "istio"},
        "data": {"mesh": text},
    }
    return patient.west.with_object(MESH_CONFIG, made)


# Injection and sameness --------------------------------------------------------------------------


def webhook_without_endpoint(patient: Patient) -> AbstractContextManager[None]:
    """The remote's Service `istiod` leads nowhere."""
    return patient.west.without(SLICE)


def webhook_of_another_cluster(patient: Patient) -> AbstractContextManager[None]:
    webhooks = patient.west.get(INJECTOR)["webhooks"]
    for webhook in webhooks:
        webhook["clientConfig"]["service"]["path"] = "/inject/cluster/far/net/west-net"
    return patient.west.changed(INJECTOR, {"webhooks": webhooks})


@contextmanager
def pod_without_sidecar(patient: Patient) -> Generator[None]:
    """A pod that started while its namespace had no label."""
    path = "/apis/apps/v1/namespaces/sample/deployments/helloworld-v2"
    with patient.other_endpoints():
        with patient.west.changed(SAMPLE, _labelled({"istio-injection": None})):
            _restart(patient.west, path, "without")
        try:
            yield
        finally:
            _restart(patient.west, path, "with")


def _restart(edits: Edits, path: str, why: str) -> None:
    template = {"metadata": {"annotations": {"isthmus/restarted": why}}}
    edits.patch(path, {"spec": {"template": template}})
    _until_ready(edits, path)


def stranger(
    labels: Mapping[str, str], annotations: Mapping[str, str]
) -> Callable[[Patient], AbstractContextManager[None]]:
    """One more pod, whose sidecar says other things about itself than the cluster's others."""

    @contextmanager
    def broken(patient: Patient) -> Generator[None]:
        path = f"{SAMPLE}/pods/stranger"
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "stranger", "labels": labels, "annotations": annotations},
            "spec": {
                "terminationGracePeriodSeconds": 1,
                "containers": [
                    {"name": "none", "image": CLIENT_IMAGE, "command": ["/bin/sleep", "infinity"]}
                ],
            },
        }
        with patient.west.with_object(path, pod):
            until("the stranger is ready", lambda: _is_ready(patient.west.get(path)))
            yield

    return broken


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def service_missing(patient: Patient) -> AbstractContextManager[None]:
    return patient.west.without(f"{SAMPLE}/services/helloworld")


def service_with_other_ports(patient: Patient) -> AbstractContextManager[None]:
    ports = [{"name": "http", "port": 5001, "targetPort": 5000}]
    return patient.west.changed(f"{SAMPLE}/services/helloworld", {"spec": {"ports": ports}})


# Traffic -----------------------------------------------------------------------------------------

_HOST = "helloworld.sample.svc.cluster.local"


def _rule(patient: Patient, policy: Mapping[str, Any]) -> AbstractContextManager[None]:
    """In the rule that the sample has: of two for one host, the older one counts."""
    path = f"{NETWORKING}/sample/destinationrules/helloworld"
    return patient.east.changed(path, {"spec": {"trafficPolicy": policy}})


def rule_without_mtls(patient: Patient) -> AbstractContextManager[None]:
    """Gateways between networks read the SNI of mTLS, and plain text has none."""
    return _rule(patient, {"tls": {"mode": "DISABLE"}})


def near_by_service(patient: Patient) -> AbstractContextManager[None]:
    """A Service's own wish for near pods, which needs no rule."""
    distribution = {"spec": {"trafficDistribution": "PreferClose"}}
    return patient.east.changed(f"{SAMPLE}/services/helloworld", distribution)


def plain_text_allowed_only(patient: Patient) -> AbstractContextManager[None]:
    """Pods that take no mTLS are left out of what other networks know."""
    path = "/apis/security.istio.io/v1/namespaces/sample/peerauthentications/plain"
    policy = {
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": "plain", "namespace": "sample"},
        "spec": {
            "selector": {"matchLabels": {"app": "helloworld"}},
            "mtls": {"mode": "DISABLE"},
        },
    }
    return patient.east.with_object(path, policy)


@contextmanager
def gateway_for_other_hosts(patient: Patient) -> Generator[None]:
    path = f"{NETWORKING}/istio-system/gateways/cross-network-gateway"
    servers = patient.east.get(path)["spec"]["servers"]
    for server in servers:
        server["hosts"] = ["*.example"]
    with patient.east.changed(path, {"spec": {"servers": servers}}):
        yield


def nearest_preferred(patient: Patient) -> AbstractContextManager[None]:
    """Requests stay in their cluster for as long as somebody answers there."""
    nearest = {"enabled": True, "failoverPriority": ["topology.istio.io/cluster"]}
    policy = {
        "outlierDetection": {"consecutive5xxErrors": 5},
        "loadBalancer": {"localityLbSetting": nearest},
    }
    return _rule(patient, policy)


@contextmanager
def service_of_each_cluster_alone(patient: Patient) -> Generator[None]:
    mesh = yaml.safe_load(patient.east.get(MESH_CONFIG)["data"]["mesh"])
    mesh["serviceSettings"] = [{"settings": {"clusterLocal": True}, "hosts": [_HOST]}]
    change = {"data": {"mesh": yaml.safe_dump(mesh)}}
    with patient.other_endpoints(), patient.east.changed(MESH_CONFIG, change):
        patient.until_endpoints("have one less", lambda now: len(now) == 1)
        yield


# The end of a namespace ---------------------------------------------------------------------------


@contextmanager
def namespace_terminating(patient: Patient) -> Generator[None]:
    """A namespace that was deleted, and something in it that nobody lets go.

    Such a namespace cannot be had back; the fix that the checks name makes it again.
    """
    held = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "held", "finalizers": ["example.com/held"]},
    }
    path = f"{SAMPLE}/configmaps/held"
    patient.west.post(f"{SAMPLE}/configmaps", held)
    patient.west.remove(SAMPLE)
    try:
        until("west's sample told to be held by that alone", lambda: _held_by_finalizers(patient))
        yield
    finally:
        patient.west.patch(path, {"metadata": {"finalizers": None}})
        until("west's sample gone", lambda: patient.west.find(SAMPLE) is None)
    patient.live.workspace.stack.up(refresh=True)


def _held_by_finalizers(patient: Patient) -> bool:
    """Kubernetes tells of what is left when it looks again, some seconds after the pods' end."""
    conditions = patient.west.get(SAMPLE)["status"].get("conditions", [])
    held = {c["type"]: c for c in conditions if c["status"] == "True"}
    left = held.get("NamespaceContentRemaining", {"message": "pods"})
    return "NamespaceFinalizersRemaining" in held and "pods" not in left["message"]


# All of them -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Breakage:
    """A way to break the mesh, and what the checks must say of it."""

    row: int
    """In docs/failures.md."""
    name: str
    broken: Callable[[Patient], AbstractContextManager[None]]
    check: str
    """The check that finds it."""
    cluster: str
    """Where."""
    says: tuple[str, ...]
    """Words that its evidence and hint have."""
    also: frozenset[str] = frozenset()
    """Other checks that may fail, because what they look at depends on it."""


_UNREAD = frozenset({"remote-registry", "endpoints", "traffic", "gateway-port", "trust-gateway"})
"""What fails where istiod does not read the other cluster."""
_UNREACHED = frozenset({"endpoints", "traffic", "gateway-port", "gateway-health", "trust-gateway"})
"""What fails where a gateway cannot be reached."""
_SECRET = "istio-remote-secret-west"  # noqa: S105  # a name
_UP = "pulumi up --refresh"

_TRUST = frozenset(
    {
        *("trust-cacerts", "trust-istiod", "trust-roots", "trust-gateway"),
        *("injection-bundle", "injection-works", "validation-works", "proxy-connected"),
        *("istiod-reached", "gateway-port", "endpoints", "traffic", "remote-registry"),
    }
)
"""What fails where istiod signs with another root than the proxies trust."""

BREAKAGES: tuple[Breakage, ...] = (
    Breakage(
        1,
        "remote-secret-of-another-name",
        remote_secret_of_another_name,
        *("remote-secret", "east", (_SECRET, "has the key far", _UP)),
        _UNREAD | {"proxy-connected"},
    ),
    Breakage(
        1,
        "injection-path-of-another-cluster",
        webhook_of_another_cluster,
        *("injection-webhook", "west", ("/inject/cluster/west/net/west-net", _UP)),
        frozenset({"injection-works"}),
    ),
    Breakage(
        2,
        "remote-secret-of-its-own",
        remote_secret_of_its_own,
        *("remote-secret", "east", ("for east itself", "delete secret")),
    ),
    Breakage(
        2,
        "second-remote-secret",
        second_remote_secret,
        *("remote-secret", "east", ("2 secrets are for west", f"{_SECRET}-too", "delete")),
    ),
    Breakage(
        3,
        "namespace-without-network",
        namespace_without_network,
        *("same-network", "west", ("istio-system", "west-net", _UP)),
    ),
    Breakage(
        3,
        "network-of-another-cluster",
        network_of_another_cluster,
        *("same-network", "west", ("east-net", "west-net", _UP)),
    ),
    Breakage(
        4,
        "gateway-without-network",
        gateway_without_network,
        *("gateway-service", "west", (NETWORK, "istio-eastwestgateway", _UP)),
        _UNREACHED,
    ),
    Breakage(
        4,
        "network-on-another-service",
        network_on_another_service,
        *("gateway-label", "west", ("istio-ingressgateway", f"{NETWORK}-")),
        _UNREACHED,
    ),
    Breakage(
        5,
        "sidecar-of-another-network",
        stranger({NETWORK: "former-net"}, {}),
        *("proxy-identity", "west", ("ISTIO_META_NETWORK", "former-net", "stranger", "restart")),
    ),
    Breakage(
        6,
        "gateway-with-host-name",
        gateway_with_host_name,
        *("gateway-service", "west", ("gateway.example", _UP)),
        _UNREACHED,
    ),
    Breakage(
        7,
        "gateway-without-address",
        gateway_without_address,
        *("gateway-service", "west", ("has no address", "describe service")),
        _UNREACHED,
    ),
    Breakage(
        7,
        "gateway-without-pods",
        gateway_without_pods,
        *("gateway-ready", "west", ("it has no pods", "describe pod")),
        _UNREACHED,
    ),
    Breakage(
        8,
        "cacerts-incomplete",
        cacerts_incomplete,
        *("trust-cacerts", "west", ("cert-chain.pem", _UP)),
    ),
    Breakage(
        9,
        "remotes-root-differs",
        remotes_root_differs,
        *("trust-cacerts", "west", ("Another Root", "Isthmus", _UP)),
    ),
    Breakage(
        10,
        "intermediate-ends-soon",
        intermediate_ends_soon,
        *("trust-expiry", "west", ("the intermediate expires on", "pulumi up")),
    ),
    Breakage(
        10,
        "key-of-another-intermediate",
        key_of_another_intermediate,
        *("trust-cacerts", "west", ("ca-key.pem is not the key of ca-cert.pem", _UP)),
    ),
    Breakage(
        11,
        "injector-bundle-of-another-ca",
        bundle_of_another_ca(INJECTOR, "west"),
        *("injection-bundle", "west", ("istio-sidecar-injector", "Yesterday", "x509")),
        frozenset({"injection-works"}),
    ),
    Breakage(
        11,
        "validator-bundle-of-another-ca",
        bundle_of_another_ca(VALIDATOR, "east"),
        *("injection-bundle", "east", ("istio-validator-istio-system", "Yesterday", "x509")),
        frozenset({"validation-works"}),
    ),
    Breakage(
        12,
        "reader-token-gone",
        reader_token_gone,
        *("remote-token", "east", ("refuses the token for west", _UP)),
        _UNREAD,
    ),
    Breakage(
        17,
        "remote-secret-unlabelled",
        remote_secret_unlabelled,
        *("remote-secret", "east", ("lacks the label istio/multiCluster=true", _UP)),
        _UNREAD,
    ),
    Breakage(
        17,
        "remote-secret-without-data",
        remote_secret_without_data,
        *("remote-secret", "east", ("has no data", _UP)),
        _UNREAD,
    ),
    Breakage(
        17,
        "remote-secret-in-another-namespace",
        remote_secret_in_another_namespace,
        *("remote-secret", "east", (_SECRET, "does not exist", _UP)),
        _UNREAD,
    ),
    Breakage(
        20,
        "webhook-without-endpoint",
        webhook_without_endpoint,
        *("istiod-address", "west", ("has no endpoints", _UP)),
        frozenset({"injection-webhook", "injection-works", "trust-istiod", "proxy-connected"}),
    ),
    Breakage(
        20,
        "pod-without-sidecar",
        pod_without_sidecar,
        *("proxy-missing", "west", ("helloworld", "restart")),
        _UNREACHED,
    ),
    Breakage(
        21,
        "port-15012-blocked",
        port_blocked("east", 15012),
        *("istiod-reached", "west", ("15012", "allow west's nodes")),
        frozenset({"trust-istiod", "proxy-connected"}),
    ),
    Breakage(
        21,
        "port-15017-blocked",
        port_blocked("east", 15017),
        *("istiod-reached", "west", ("15017", "API server")),
        frozenset({"injection-works"}),
    ),
    Breakage(
        21,
        "port-15021-blocked",
        port_blocked("west", 15021),
        *("gateway-health", "east", ("15021", "allow east's nodes")),
    ),
    Breakage(
        21,
        "port-15443-blocked",
        port_blocked("west", 15443),
        *("gateway-port", "east", ("15443", "firewall", "allow east's nodes")),
        _UNREACHED,
    ),
    Breakage(
        23,
        "service-missing",
        service_missing,
        *("same-services", "west", ("helloworld", _UP)),
        _UNREAD,
    ),
    Breakage(
        23,
        "service-with-other-ports",
        service_with_other_ports,
        *("same-services", "west", ("helloworld", "5001", "5000")),
        _UNREAD,
    ),
    Breakage(
        25,
        "gateway-for-other-hosts",
        gateway_for_other_hosts,
        *("gateway-port", "east", ("cross-network-gateway",)),
        _UNREACHED,
    ),
    Breakage(
        25,
        "rule-without-mtls",
        rule_without_mtls,
        *("same-rules", "east", ("DestinationRule sample/helloworld", "DISABLE", "ISTIO_MUTUAL")),
        _UNREACHED,
    ),
    Breakage(
        26,
        "nearest-preferred",
        nearest_preferred,
        *("same-rules", "east", ("DestinationRule sample/helloworld", "localityLbSetting")),
        frozenset({"traffic"}),
    ),
    Breakage(
        26,
        "near-by-service",
        near_by_service,
        *("same-rules", "east", ("Service sample/helloworld", "trafficDistribution")),
        frozenset({"traffic"}),
    ),
    Breakage(
        25,
        "plain-text-only",
        plain_text_allowed_only,
        *("same-rules", "east", ("PeerAuthentication sample/plain", "PERMISSIVE")),
        _UNREACHED,
    ),
    Breakage(
        30,
        "another-trust-domain",
        another_trust_domain,
        *("same-trust-domain", "west", ("west.example", "cluster.local", "ConfigMap istio")),
    ),
    Breakage(
        31,
        "service-of-each-cluster-alone",
        service_of_each_cluster_alone,
        *("same-rules", "east", ("sample/helloworld", "isthmus:mesh.clusterLocal")),
        _UNREAD,
    ),
    Breakage(
        32,
        "remote-secret-missing",
        remote_secret_missing,
        *("remote-secret", "east", (_SECRET, "does not exist", _UP)),
        _UNREAD,
    ),
    Breakage(
        33,
        "api-server-gone",
        port_blocked("west", 6443),
        *("cluster-answers", "west", ("6443", "pulumi up")),
        _UNREAD,
    ),
    Breakage(
        34,
        "sidecar-of-another-version",
        stranger(
            {}, {"proxy.istio.io/config": "proxyMetadata: {ISTIO_META_ISTIO_VERSION: 1.20.0}"}
        ),
        *("proxy-connected", "west", ("1.20.0", "restart")),
    ),
    # istiod 1.31.0 goes on waiting for a cluster that it could not read, half a minute for each
    # secret that it was given, and takes no news of a secret that is removed meanwhile. So these
    # come last, before istiod is started anew.
    Breakage(
        14,
        "token-of-nobody",
        token_of_nobody,
        *("remote-token", "east", ("refuses the token for west", "was deleted")),
        _UNREAD,
    ),
    Breakage(
        14,
        "token-without-rights",
        token_without_rights,
        *("remote-rights", "east", ("list services", "ClusterRole", _UP)),
        _UNREAD | {"remote-token"},
    ),
    Breakage(
        29,
        "credentials-by-a-program",
        credentials_by_a_program,
        *("remote-secret", "east", ("its credentials are exec", _UP)),
        _UNREAD,
    ),
    Breakage(
        15,
        "api-server-at-loopback",
        api_server_at_loopback,
        *("remote-secret", "east", ("https://127.0.0.1:6443", _UP)),
        _UNREAD,
    ),
    Breakage(
        16,
        "api-server-of-another-name",
        api_server_of_another_name,
        *("remote-token", "east", ("certificate", "apiServer.tlsServerName")),
        _UNREAD,
    ),
    Breakage(
        20,
        "istiod-without-pods",
        istiod_without_pods,
        *("istiod-ready", "east", ("it has no pods", "describe pod -l app=istiod")),
        # Who asks istiod is skipped; who asks it by itself fails.
        frozenset({"trust-istiod", "endpoints", "traffic"}),
    ),
    Breakage(
        8,
        "istiod-before-cacerts",
        istiod_before_cacerts,
        *("trust-istiod", "east", ("another CA than the mesh's", "rollout restart deploy/istiod")),
        _TRUST,
    ),
    Breakage(
        9,
        "istiods-root-differs",
        istiods_root_differs,
        *("trust-cacerts", "east", ("Another Root", "Isthmus", "restart")),
        _TRUST,
    ),
    Breakage(
        10,
        "intermediate-ended",
        intermediate_ended,
        *("trust-expiry", "east", ("the intermediate expired on", "pulumi up")),
        frozenset({"istiod-ready", "trust-cacerts"}),
    ),
    Breakage(
        35,
        "namespace-terminating",
        namespace_terminating,
        *("same-namespaces", "west", ("sample", "Terminating", "example.com/held")),
        _UNREAD | {"same-services", "proxy-missing", "injection-works"},
    ),
)
