"""The mesh that is broken, and what a breakage is."""

import json
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import psutil

from checks.model import Status
from checks.run import run
from lab.live import LiveMesh, until
from lab.machine import first_process
from spec.description import Description
from tests.authorities import Authority
from tests.checks.edits import Edits

SYSTEM = "/api/v1/namespaces/istio-system"
SAMPLE = "/api/v1/namespaces/sample"
REMOTE_SECRET = f"{SYSTEM}/secrets/istio-remote-secret-west"
CACERTS = f"{SYSTEM}/secrets/cacerts"
READER_TOKEN = f"{SYSTEM}/secrets/istio-reader-service-account-istio-remote-secret-token"
GATEWAY = f"{SYSTEM}/services/istio-eastwestgateway"
MESH_CONFIG = f"{SYSTEM}/configmaps/istio"
DEPLOYMENTS = "/apis/apps/v1/namespaces/istio-system/deployments"
_SLICES = "/apis/discovery.k8s.io/v1/namespaces/istio-system/endpointslices"
SLICES = (f"{_SLICES}/istiod", f"{_SLICES}/istiod-addresses")
NETWORKING = "/apis/networking.istio.io/v1/namespaces"
_WEBHOOKS = "/apis/admissionregistration.k8s.io/v1"
INJECTOR = f"{_WEBHOOKS}/mutatingwebhookconfigurations/istio-sidecar-injector"
VALIDATOR = f"{_WEBHOOKS}/validatingwebhookconfigurations/istio-validator-istio-system"
NETWORK = "topology.istio.io/network"
NO_ONE = "203.0.113.1"
"""An address for documentation (RFC 5737), where no server answers."""


@dataclass(frozen=True)
class Patient:
    """The mesh that is broken, and the CA that signed its intermediates."""

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
        """Proxies that are connected to istiod."""
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

    def until_trusted(self) -> None:
        """Wait until workloads have certificates that the others trust.

        They get others while an istiod of another root serves them, and ask again only once they
        see the common root. They could not if istiod ended before.
        """
        looks = ("trust-gateway", "traffic")
        until(
            "certificates of the common root",
            lambda: (
                not any(
                    r.status is Status.FAILED for r in run(self.description) if r.check.id in looks
                )
            ),
        )

    @cached_property
    def description(self) -> Description:
        return Description.read(self.live.workspace.stack.outputs()["mesh"].value)

    def _istiod_says(self, path: str) -> Any:
        # Not by istioctl: on a busy machine its output was seen to go on after the JSON.
        inside = ("-n", "istio-system", "exec", "deploy/istiod", "-c", "discovery", "--")
        ask = ("pilot-discovery", "request", "GET", path)
        return json.loads(self.live.kubectl("east", *inside, *ask))

    def roots(self) -> set[str]:
        """The root that pods trust, from the ConfigMaps in the namespaces of both clusters."""
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
    last: bool = False
    """Whether istiod has to restart afterwards, so that it runs after the others.

    istiod 1.31.0 waits half a minute for each secret of a cluster that it cannot read, and misses
    a secret that is deleted meanwhile.
    """


UNREAD = frozenset({"remote-registry", "endpoints", "traffic", "gateway-port", "trust-gateway"})
"""What fails where istiod does not read the other cluster."""
UNREACHED = frozenset({"endpoints", "traffic", "gateway-port", "gateway-health", "trust-gateway"})
"""What fails where a gateway cannot be reached."""
SECRET = "istio-remote-secret-west"  # noqa: S105  # a name
UP = "pulumi up --refresh"

TRUST = frozenset(
    {
        *("trust-cacerts", "trust-istiod", "trust-roots", "trust-gateway"),
        *("injection-bundle", "injection-works", "validation-works", "proxy-connected"),
        *("istiod-reached", "gateway-port", "endpoints", "traffic", "remote-registry"),
    }
)
"""What fails where istiod signs with another root than the proxies trust."""
