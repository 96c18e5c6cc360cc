"""One cluster's API server, and through it the insides of pods: commands, and TLS from there."""

import json
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
    """What a command in a pod has written, and how it ended."""

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
    """To ask for (SNI)."""
    protocol: str
    """To speak (ALPN). What a gateway passes on is `istio`; istiod itself speaks `h2`."""


@dataclass(frozen=True)
class Served:
    """The certificate that a TLS server showed."""

    leaf: bytes
    """DER."""
    distrusted: str
    """Why it does not chain to the root that was asked for; empty if it does."""


class UnreachedError(Exception):
    """Nothing at an address answered as TLS from where it was tried."""

    def __init__(self, said: str) -> None:
        super().__init__(said or "the connection was closed without an answer")
        self.said = said
        """Why; empty where the connection was taken and then closed."""


@dataclass(frozen=True)
class PodApi(ClusterApi):
    """`ClusterApi`, with what the checks need inside pods."""

    @property
    def server(self) -> str:
        """URL of the API server."""
        return str(self._login.client.configuration.host)

    def date(self) -> str:
        """The `Date` of an answer, in HTTP's format.

        Raises:
            UnansweredError: the server is not there.
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

        The bytes go through the pod and the keys stay here, so that nothing but a socket is needed
        there, and OpenSSL judges the chain.

        Args:
            server: its host is dialled in the pod.
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
                # In this order: what has come must not be lost with the connection's end.
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
            raise UnansweredError(
                error.status or None, f"exec in {container.pod}: {error.reason}"
            ) from None


class ForbiddenError(Exception):
    """The caller's own account may not do what a check needs."""


@dataclass(frozen=True)
class ReadingApi(PodApi):
    """`PodApi` for an account with few permissions: what it may not do is no finding."""

    def _ask(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super()._ask(*arguments, **options)
        except UnansweredError as error:
            if error.status == 403:
                raise ForbiddenError(str(error)) from None
            raise

    def _execute(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super()._execute(*arguments, **options)
        except UnansweredError as error:
            if "403 Forbidden" in str(error):
                raise ForbiddenError(str(error)) from None
            raise


def _status(container: Container, socket: Any) -> int:
    """The exit status of a command that has ended.

    The client's own `returncode` takes whatever went wrong for a number.
    """
    from kubernetes.stream.ws_client import ERROR_CHANNEL

    told = json.loads(socket.read_channel(ERROR_CHANNEL) or "{}")
    if told.get("status") == "Success":
        return 0
    for cause in told.get("details", {}).get("causes", []):
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    why = told.get("message", "the connection was closed before it ended")
    raise UnansweredError(None, f"exec in {container.pod}: {why}")
