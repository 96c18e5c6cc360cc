"""Claims about how an API server is queried."""

import base64
import http.server
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube import credentials
from kube.api import ClusterApi, CredentialsError, UnansweredError
from tests.authorities import Authority, text


class _Echo(http.server.BaseHTTPRequestHandler):
    """Answers with the headers that the caller sent."""

    def do_GET(self) -> None:  # the name of the base class
        self.send_response(200)
        self.end_headers()
        sent = {k: ", ".join(self.headers.get_all(k) or ()) for k in self.headers}
        self.wfile.write(json.dumps(sent).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def server() -> Iterator[str]:
    echo = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    threading.Thread(target=echo.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{echo.server_port}"
    echo.shutdown()
    echo.server_close()


def kubeconfig(cluster: Mapping[str, str], user: Mapping[str, Any] | None = None) -> str:
    return yaml.safe_dump(
        {
            "clusters": [{"name": "a", "cluster": cluster}],
            "users": [{"name": "a", "user": dict(user or {"token": "abc"})}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "current-context": "a",
        }
    )


def test_a_token_of_the_kubeconfig_is_sent(server: str) -> None:
    """Without it a user of GKE or EKS is a stranger, and every permission seems to be missing."""
    with ClusterApi.connect(kubeconfig({"server": server})) as api:
        assert api.get("/version")["Authorization"] == "Bearer abc"


def test_what_kubectl_trims_of_a_tokens_file_is_not_sent(server: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    user = {"tokenFile": str(tmp_path / "token")}
    with ClusterApi.connect(kubeconfig({"server": server}, user)) as api:
        assert api.get("/version")["Authorization"] == "Bearer abc"


def test_a_user_that_impersonates_another_queries_as_the_other(server: str) -> None:
    user = {"token": "abc", "as": "deployer", "as-groups": ["ops", "mesh"]}
    with ClusterApi.connect(kubeconfig({"server": server}, user)) as api:
        sent = api.get("/version")
    assert sent["Impersonate-User"] == "deployer"
    assert sent["Impersonate-Group"] == "ops, mesh"


def plugin(seconds: float) -> dict[str, Any]:
    said = json.dumps({"status": {"token": "abc"}})
    script = f"sleep {seconds}; echo '{said}'"
    return {"exec": {"apiVersion": "v1", "command": "sh", "args": ["-c", script]}}


def test_plugins_of_several_clusters_run_beside_each_other(server: str) -> None:
    def version(_: int) -> Any:
        with ClusterApi.connect(kubeconfig({"server": server}, plugin(1))) as api:
            return api.get("/version")["Authorization"]

    started = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(version, range(4))) == {"Bearer abc"}
    assert time.monotonic() - started < 3


def test_a_plugin_that_waits_for_a_login_is_ended(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "_PLUGIN_SECONDS", 0.2)
    with (
        ClusterApi.connect(kubeconfig({"server": server}, plugin(60))) as api,
        pytest.raises(CredentialsError, match="it may wait for a login"),
    ):
        api.get("/version")


def test_a_plugin_that_fails_is_named_without_its_output(server: str) -> None:
    failing = {"exec": {"command": "sh", "args": ["-c", "echo do-not-print >&2; exit 3"]}}
    with (
        ClusterApi.connect(kubeconfig({"server": server}, failing)) as api,
        pytest.raises(CredentialsError, match=r"sh gave no credentials \(exit status 3\)"),
    ):
        api.get("/version")


def test_a_proxys_password_goes_into_its_header_and_into_no_message() -> None:
    cluster = {"server": "https://api.test", "proxy-url": "http://me:do-not-print@127.0.0.1:9"}
    with (
        ClusterApi.connect(kubeconfig(cluster)) as api,
        pytest.raises(UnansweredError) as error,
    ):
        api.get("/version")
    assert "do-not-print" not in str(error.value)


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
def test_every_proxy_scheme_that_kubectl_accepts_is_accepted(scheme: str) -> None:
    cluster = {"server": "https://api.test", "proxy-url": f"{scheme}://127.0.0.1:9"}
    with ClusterApi.connect(kubeconfig(cluster)) as api, pytest.raises(UnansweredError) as error:
        api.get("/version")
    assert not isinstance(error.value, CredentialsError)


def test_no_file_of_a_key_is_left_by_a_process_that_is_killed(tmp_path: Path) -> None:
    authority = Authority("User")
    given = {
        "client-certificate-data": base64.b64encode(authority.certificate.encode()).decode(),
        "client-key-data": base64.b64encode(text(authority.key).encode()).decode(),
    }
    (tmp_path / "kubeconfig").write_text(kubeconfig({"server": "https://127.0.0.1:9"}, given))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    program = """
import os, pathlib, signal, sys
from kube.api import ClusterApi, UnansweredError
with ClusterApi.connect(pathlib.Path(sys.argv[1]).read_text()) as api:
    try:
        api.get("/version")
    except UnansweredError as error:
        print(error, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "kubeconfig")],
        env={**os.environ, "TMPDIR": str(temporary)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "refused" in done.stdout, done.stderr
    assert not list(temporary.iterdir())


def test_clusters_that_are_connected_at_once_import_the_client_once() -> None:
    """It deadlocked: the package imports its modules lazily, in whichever thread comes first."""
    program = """
import builtins, threading
from kube import credentials

first, inside = builtins.__import__, []

def watched(name, *args, **kwargs):
    if name == "kubernetes.client":
        inside.append(credentials._IMPORTING.locked())
    return first(name, *args, **kwargs)

builtins.__import__ = watched
threads = [threading.Thread(target=credentials.import_client) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(inside) >= 8 and all(inside))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "True\n", done.stderr
