"""Claims about what is refused before anything changes."""

import datetime as dt
import http.server
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from stacks import config, preflight
from stacks.preflight import charts as istio_charts
from stacks.problems import MeshRefusedError, Problem
from stacks.spec import MeshSpec
from tests.unit.meshes import cluster, configuration


class _ApiServer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # the name of the base class
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"gitVersion": "v1.34.4"}')

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


def _certificate(folder: Path) -> Path:
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
def kubeconfig(tmp_path: Path) -> Iterator[str]:
    """A kubeconfig with contexts `up`, whose server answers, and `down`, whose server does not."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(_certificate(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _ApiServer)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    closed = http.server.HTTPServer(("127.0.0.1", 0), _ApiServer)
    closed.server_close()
    file = tmp_path / "kubeconfig"
    names = {"up": server.server_port, "down": closed.server_port}
    file.write_text(
        yaml.safe_dump(
            {
                "clusters": [
                    {
                        "name": n,
                        "cluster": {
                            "server": f"https://127.0.0.1:{p}",
                            "certificate-authority": "ca.pem",
                        },
                    }
                    for n, p in names.items()
                ],
                "users": [{"name": "u", "user": {"token": "t"}}],
                "contexts": [{"name": n, "context": {"cluster": n, "user": "u"}} for n in names],
            }
        )
    )
    yield str(file)
    server.shutdown()
    server.server_close()


@pytest.fixture
def charts(tmp_path: Path) -> str:
    for name in istio_charts.CHARTS:
        (tmp_path / "charts" / name).mkdir(parents=True)
        (tmp_path / "charts" / name / "Chart.yaml").write_text("version: 1.31.0\n")
    return str(tmp_path / "charts")


def spec(kubeconfig: str, charts: str, *contexts: str, version: str = "1.31.0") -> MeshSpec:
    return config.parse(
        configuration(
            *(
                {**cluster(f"c{i}", "n"), "kubeconfig": kubeconfig, "context": context}
                for i, context in enumerate(contexts)
            ),
            charts=charts,
            version=version,
        )
    )


def refused(mesh: MeshSpec) -> list[Problem]:
    with pytest.raises(MeshRefusedError) as refusal:
        preflight.examine(mesh)
    return list(refusal.value.problems)


def test_an_api_server_that_answers_tells_its_version(kubeconfig: str, charts: str) -> None:
    facts = preflight.examine(spec(kubeconfig, charts, "up"))
    assert facts["c0"].kubernetes == "1.34.4"


def test_an_api_server_that_does_not_answer_is_named_with_its_cluster(
    kubeconfig: str, charts: str
) -> None:
    (problem,) = refused(spec(kubeconfig, charts, "up", "down"))
    assert problem.path == "isthmus:clusters[1].kubeconfig"
    assert "of cluster c1 must answer" in problem.rule
    assert "Connection refused" in problem.rule


def test_an_unknown_context_is_named_with_those_that_exist(kubeconfig: str, charts: str) -> None:
    (problem,) = refused(spec(kubeconfig, charts, "sideways"))
    assert problem.path == "isthmus:clusters[0].context"
    assert "down, up" in problem.cure


def test_charts_that_are_not_there_are_named(kubeconfig: str, tmp_path: Path) -> None:
    found = refused(spec(kubeconfig, str(tmp_path / "nothing"), "up"))
    assert {p.path for p in found} == {"isthmus:mesh.istio.charts"}
    assert len(found) == 3


def test_charts_of_another_version_are_refused(kubeconfig: str, charts: str) -> None:
    found = refused(spec(kubeconfig, charts, "up", version="1.30.0"))
    assert {p.path for p in found} == {"isthmus:mesh.istio.version"}
    assert "set it to 1.31.0" in found[0].cure


def test_clusters_and_charts_are_refused_together(kubeconfig: str, tmp_path: Path) -> None:
    found = refused(spec(kubeconfig, str(tmp_path / "nothing"), "down", "sideways"))
    assert len(found) == 5
