"""One cluster's API server, and through it commands and TLS connections in pods."""

import json
import re
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from kube.api import ClusterApi, UnansweredError, connection_failure

_COMMAND_SECONDS = 12
_HANDSHAKE_SECONDS = 6


@dataclass(frozen=True)
class Ran:
    """Output and exit status of a command in a pod."""

    stdout: str
    stderr: str
    status: int


class Container(NamedTuple):
    """Where a command runs."""

    namespace: str
    pod: str
    name: str


class Server(NamedTuple):
    """A TLS server."""

    host: str
    port: int
    name: str
    """Server name (SNI) to request."""
    protocol: str
    """Protocol (ALPN) to offer. Gateways forward `istio`; istiod itself uses `h2`."""


@dataclass(frozen=True)
class Served:
    """The certificate that a TLS server showed."""

    leaf: bytes
    """DER."""
    distrusted: str
    """Why it does not chain to the given root; empty if it does."""


class UnreachedError(Exception):
    """No TLS server answered at an address."""

    def __init__(self, said: str) -> None:
        super().__init__(said or "the connection was closed without an answer")
        self.said = said
        """The reason; empty if the connection was accepted and then closed."""


@dataclass(frozen=True)
class PodApi(ClusterApi):
    """`ClusterApi` with commands and TLS connections inside pods."""

    @property
    def server(self) -> str:
        """URL of the API server."""
        return str(self._login.client.configuration.host)

    def date(self) -> str:
        """The `Date` of an answer, in HTTP's format.

        Raises:
            UnansweredError: the server does not answer.
        """
        from urllib3.exceptions import HTTPError

        try:
            answer = self._login.client.rest_client.pool_manager.request(
                "HEAD", f"{self.server}/version", timeout=_HANDSHAKE_SECONDS, retries=False
            )
        except (HTTPError, OSError) as error:
            raise UnansweredError(None, connection_failure(error)) from None
        return answer.headers["Date"]

    def run(self, container: Container, *command: str) -> Ran:
        """Run a command in a container until it ends, at most 12 seconds.

        Raises:
            UnansweredError: the command cannot be started, or does not end.
        """
        socket = self._execute(container, command, stdin=False)
        try:
            socket.run_forever(timeout=_COMMAND_SECONDS)
            if socket.is_open():
                raise UnansweredError(None, f"`{command[0]}` in pod {container.pod} did not end")
            return Ran(
                socket.read_stdout(timeout=0).decode(errors="replace"),
                socket.read_stderr(timeout=0).decode(errors="replace"),
                _status(container, socket),
            )
        finally:
            socket.close()

    def tls(self, container: Container, server: Server, root: str) -> Served:
        """Shake hands with a TLS server, as seen from a pod that has `nc`.

        The bytes pass through the pod and the keys stay here, so the pod needs only a socket, and
        OpenSSL verifies the chain.

        Args:
            server: the pod connects to its host.
            root: PEM text of the root to verify the chain with.

        Raises:
            UnreachedError: there is no TLS server.
            UnansweredError: the pod cannot be used.
        """
        distrusted = ""
        context = ssl.create_default_context(cadata=root)
        context.check_hostname = False
        context.set_alpn_protocols([server.protocol])
        try:
            return Served(self._shake(container, server, context), "")
        except ssl.SSLCertVerificationError as error:
            distrusted = error.verify_message
        context.verify_mode = ssl.CERT_NONE
        leaf = self._shake(container, server, context)
        return Served(leaf, distrusted)

    def is_served_under(self, root: str, namespace: str, pod: str, port: int, name: str) -> bool:
        """Whether a TLS server in a pod, reached through the API server, is under a root.

        Args:
            root: PEM text.
            name: server name (SNI) to request.

        Raises:
            UnreachedError: there is no TLS server.
            UnansweredError: the API server does not forward the connection.
        """
        context = ssl.create_default_context(cadata=root)
        context.check_hostname = False
        connection = self._forward(namespace, pod, port)
        connection.settimeout(_HANDSHAKE_SECONDS)
        try:
            context.wrap_socket(connection, server_hostname=name).close()
        except ssl.SSLCertVerificationError:
            return False
        except OSError as error:
            raise UnreachedError(connection_failure(error)) from None
        return True

    def _forward(self, namespace: str, pod: str, port: int) -> Any:
        from kubernetes.client import ApiException
        from kubernetes.stream.ws_client import portforward_call

        configuration = self._login.client.configuration
        token = self._login.authorization
        try:
            return portforward_call(
                configuration,
                "GET",
                f"{configuration.host}/api/v1/namespaces/{namespace}/pods/{pod}/portforward",
                query_params=[("ports", str(port))],
                headers={"authorization": token} if token else {},
                _request_timeout=_COMMAND_SECONDS,
            ).socket(port)
        except ApiException as error:
            raise _unanswered(f"port-forward to {pod}", error.status, error.reason) from None

    def _shake(self, container: Container, server: Server, context: ssl.SSLContext) -> bytes:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname=server.name)
        dial = ("nc", "-w", "5", server.host, str(server.port))
        socket = self._execute(container, dial, stdin=True)
        deadline = time.monotonic() + _HANDSHAKE_SECONDS
        try:
            while time.monotonic() < deadline:
                try:
                    tls.do_handshake()
                    leaf = tls.getpeercert(binary_form=True)
                    if leaf is None:
                        raise UnreachedError("the server shows no certificate")
                    return leaf
                except ssl.SSLWantReadError:
                    if data := outgoing.read():
                        socket.write_stdin(data)
                # In this order, so that the last bytes are not lost when the connection closes.
                socket.update(timeout=1)
                if data := socket.read_stdout(timeout=0):
                    incoming.write(data)
                elif not socket.is_open():
                    said = socket.read_stderr(timeout=0).decode(errors="replace").strip()
                    raise UnreachedError(said)
            raise UnreachedError(f"no answer in {_HANDSHAKE_SECONDS} s")
        except ssl.SSLCertVerificationError:
            raise
        except ssl.SSLError as error:
            raise UnreachedError(f"no TLS: {error.reason or error}") from None
        finally:
            socket.close()

    def _execute(self, container: Container, command: Sequence[str], *, stdin: bool) -> Any:
        from kubernetes.client import ApiException
        from kubernetes.stream.ws_client import websocket_call

        if self._login.impersonates:
            raise UnansweredError(
                None,
                "commands in pods cannot be run with impersonation (`as` in the kubeconfig); use "
                "an account that has the permissions itself",
            )
        configuration = self._login.client.configuration
        token = self._login.authorization
        query: list[tuple[str, object]] = [
            ("container", container.name),
            ("command", list(command)),
            ("stdin", str(stdin).lower()),
            ("stdout", "true"),
            ("stderr", "true"),
        ]
        try:
            return websocket_call(
                configuration,
                "GET",
                f"{configuration.host}/api/v1/namespaces/{container.namespace}"
                f"/pods/{container.pod}/exec",
                query_params=query,
                headers={"authorization": token} if token else {},
                binary=True,
                _preload_content=False,
                _request_timeout=_COMMAND_SECONDS,
            )
        except ApiException as error:
            raise _unanswered(f"exec in {container.pod}", error.status, error.reason) from None


def _unanswered(what: str, status: int | None, reason: object) -> UnansweredError:
    """The error of a connection that was refused, without the answer's headers and body.

    The client has its status only in the text of its reason (websocket_call in ws_client.py).
    """
    refused = re.match(r"Handshake status (\d+) ([\w ]+?)( -\+-\+-|$)", str(reason))
    if refused is None:
        return UnansweredError(status or None, f"{what}: {reason}")
    return UnansweredError(int(refused[1]), f"{what}: {refused[2]}")


def _status(container: Container, socket: Any) -> int:
    """The exit status of a command that has ended.

    The client's own `returncode` fails if the error has no exit status.
    """
    from kubernetes.stream.ws_client import ERROR_CHANNEL

    status = json.loads(socket.read_channel(ERROR_CHANNEL) or "{}")
    if status.get("status") == "Success":
        return 0
    for cause in status.get("details", {}).get("causes", []):
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    why = status.get("message", "the connection closed before the command ended")
    raise UnansweredError(None, f"exec in {container.pod}: {why}")
