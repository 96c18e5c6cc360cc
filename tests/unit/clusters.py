"""Clusters for the preflight: API servers on the loopback that answer what a test says."""

import datetime as dt
import http.server
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import preflight
from preflight import charts as istio_charts
from preflight.facts import PreflightResult
from preflight.identity import Expected
from spec import config
from spec.mesh import MeshSpec
from spec.problems import MeshRefusedError, Problem
from tests.unit.meshes import cluster, configuration

LISTS = {
    "/api/v1/pods",
    "/api/v1/namespaces/istio-system/secrets",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "/api/v1/nodes",
    "/apis/apps/v1/daemonsets",
    "/api/v1/services",
    "/apis/apps/v1/deployments",
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
}
OWN_STACK = "isthmus/dev"
NAMESPACE = "/api/v1/namespaces/istio-system"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass
class Kubernetes:
    """What the API server of the test says; without changes, that of an empty cluster."""

    version: str = "v1.34.4"
    answers: dict[str, Any] = field(default_factory=dict[str, Any])
    """Bodies by path, above those of an empty cluster."""
    refusals: dict[str, int] = field(default_factory=dict[str, int])
    """HTTP status by path; by `*` for all."""
    denied: set[str] = field(default_factory=set[str])
    """Resources that the user has no permission for, and verbs that it cannot use."""
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Paths that were requested, and the media type of the answer."""
    users: set[str | None] = field(default_factory=set[str | None])
    """Values of the header Authorization of these requests."""

    def has(self, path: str, *items: Mapping[str, Any]) -> None:
        self.answers[path] = {"items": list(items)}

    def get(self, path: str) -> tuple[int, Any]:
        if status := self.refusals.get(path, self.refusals.get("*", 0)):
            return status, {}
        if path in self.answers:
            return 200, self.answers[path]
        if path == "/version":
            return 200, {"gitVersion": self.version}
        if path == "/api/v1/namespaces/kube-system":
            return 200, {"metadata": {"uid": str(id(self))}}
        if path in LISTS:
            return 200, {"items": []}
        return 404, {}

    def review(self, body: Any) -> tuple[int, Any]:
        if status := self.refusals.get(REVIEWS):
            return status, {}
        asked = body["spec"]["resourceAttributes"]
        return 201, {"status": {"allowed": not {asked["resource"], asked["verb"]} & self.denied}}


class Server(http.server.ThreadingHTTPServer):
    kubernetes = Kubernetes()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # It waits 40 ms for an ACK before each answer.

    def do_GET(self) -> None:  # the name of the base class
        path = urlsplit(self.path).path
        self._kubernetes.asked.append((path, self.headers["Accept"]))
        self._kubernetes.users.add(self.headers["Authorization"])
        status, body = self._kubernetes.get(path)
        if "PartialObjectMetadataList" in self.headers["Accept"] and body == {"items": []}:
            body = {"items": None}  # as the real one
        self._answer(status, body)

    def do_POST(self) -> None:  # the name of the base class
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(*self._kubernetes.review(sent))

    def do_DELETE(self) -> None:  # the name of the base class
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        collection, _, name = path.rpartition("/")
        if self._kubernetes.answers.pop(path, None) is None:
            items = self._kubernetes.answers[collection]["items"]
            items[:] = [x for x in items if x["metadata"]["name"] != name]
        self._answer(200, {})

    @property
    def _kubernetes(self) -> Kubernetes:
        return cast("Server", self.server).kubernetes

    def _answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


def issue(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "api")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    pem = folder / "api.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return pem


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[dict[str, Server]]:
    """API servers `up` and `other`, and one that is no longer there, `down`."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(issue(tmp_path))
    made = {name: Server(("127.0.0.1", 0), _Handler) for name in ("up", "other", "down")}
    for server in made.values():
        server.kubernetes = Kubernetes()
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    made["down"].server_close()
    running = [made["up"], made["other"]]
    for server in running:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield made
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def up(servers: dict[str, Server]) -> Kubernetes:
    return servers["up"].kubernetes


@pytest.fixture
def other(servers: dict[str, Server]) -> Kubernetes:
    return servers["other"].kubernetes


@pytest.fixture
def kubeconfig(servers: dict[str, Server], tmp_path: Path) -> str:
    """A kubeconfig with a context for each server."""
    file = tmp_path / "kubeconfig"
    file.write_text(
        yaml.safe_dump(
            {
                "clusters": [
                    {
                        "name": name,
                        "cluster": {
                            "server": f"https://127.0.0.1:{server.server_port}",
                            "certificate-authority": "ca.pem",
                        },
                    }
                    for name, server in servers.items()
                ],
                "users": [{"name": "u", "user": {"token": "do-not-print"}}],
                "contexts": [
                    {"name": name, "context": {"cluster": name, "user": "u"}} for name in servers
                ],
            }
        )
    )
    return str(file)


@pytest.fixture
def charts(tmp_path: Path) -> str:
    for name in istio_charts.CHARTS:
        (tmp_path / "charts" / name).mkdir(parents=True)
        (tmp_path / "charts" / name / "Chart.yaml").write_text("version: 1.31.0\n")
    return str(tmp_path / "charts")


def spec(
    kubeconfig: str, charts: str, *contexts: str, version: str = "1.31.0", **more: Any
) -> MeshSpec:
    """Clusters `c0`, `c1`, … of one network; each watches the others at a separate address."""
    return config.parse_types(
        configuration(
            *(
                {
                    **cluster(f"c{i}", "n"),
                    "kubeconfig": kubeconfig,
                    "context": context,
                    "apiServer": {"server": f"https://c{i}.test:6443"},
                    **more,
                }
                for i, context in enumerate(contexts)
            ),
            charts=charts,
            version=version,
        )
    )


EXPECTED = Expected(OWN_STACK)


@dataclass
class Preflight:
    """The preflight of stack `isthmus/dev` for clusters that are named by their contexts."""

    kubeconfig: str
    charts: str

    def examine(
        self, *contexts: str, expected: Expected = EXPECTED, **more: Any
    ) -> PreflightResult:
        return preflight.examine(spec(self.kubeconfig, self.charts, *contexts, **more), expected)

    def refused(self, *contexts: str, **more: Any) -> list[Problem]:
        with pytest.raises(MeshRefusedError) as refusal:
            self.examine(*contexts, **more)
        assert "do-not-print" not in str(refusal.value)
        return list(refusal.value.problems)


@pytest.fixture
def look(kubeconfig: str, charts: str, monkeypatch: pytest.MonkeyPatch) -> Preflight:
    monkeypatch.setattr(import_module("preflight.ask"), "PAUSES_SECONDS", (0.0, 0.0))
    return Preflight(kubeconfig, charts)
