"""Claims about how an API server is asked."""

import base64
import http.server
import json
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.config import kube_config

from kube.api import ClusterApi


class _Echo(http.server.BaseHTTPRequestHandler):
    """Answers with the header by which the caller signed in."""

    def do_GET(self) -> None:  # the name of the base class
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(self.headers.get("Authorization")).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def server() -> Iterator[str]:
    echo = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    threading.Thread(target=echo.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{echo.server_port}"
    echo.shutdown()
    echo.server_close()


def kubeconfig(cluster: Mapping[str, str]) -> str:
    return yaml.safe_dump(
        {
            "clusters": [{"name": "a", "cluster": cluster}],
            "users": [{"name": "a", "user": {"token": "abc"}}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "current-context": "a",
        }
    )


def test_a_token_of_the_kubeconfig_is_sent(server: str) -> None:
    """Without it a user of GKE or EKS is a stranger, and every permission seems to be missing."""
    with ClusterApi.connect(kubeconfig({"server": server})) as api:
        assert api.get("/version") == "Bearer abc"


def test_clusters_that_share_a_certificate_can_be_asked_at_once(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """The client's file of the certificate was empty for all but the first."""

    def slow(*arguments: Any) -> Any:
        time.sleep(0.05)
        return open(*arguments)

    monkeypatch.setattr(kube_config, "open", slow, raising=False)
    ca = base64.b64encode(request.node.name.encode()).decode()
    cluster = {"server": "https://api.test", "certificate-authority-data": ca}

    def trusted(_: int) -> str:
        with ClusterApi.connect(kubeconfig(cluster)) as api:
            file = api._client.configuration.ssl_ca_cert  # pyright: ignore[reportPrivateUsage]
            return Path(str(file)).read_text()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(trusted, range(4))) == {request.node.name}
