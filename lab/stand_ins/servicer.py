"""What every stand-in shares: the gRPC server, its life, and how errors reach the engine."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2, empty_pb2

from lab.stand_ins import diff
from lab.stand_ins.protocol import (
    MESSAGE_SIZE,
    engine_pb2,
    engine_pb2_grpc,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
    status_pb2,
)
from lab.stand_ins.values import Object, decode, encode, plain

# A Construct holds a thread for each child it registers, and the engine calls back meanwhile.
THREADS = 256


class ProviderError(Exception):
    """An error whose text is for the user: shown as it is, without a trace."""


class InitFailedError(ProviderError):
    """The object exists but did not become ready: the engine keeps it and updates it next time.

    Source: errors.proto ErrorResourceInitFailed; pulumi-kubernetes provider.go partialError.
    """

    def __init__(self, id_: str, outputs: Object, inputs: Object, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.id = id_
        self.outputs = outputs
        self.inputs = inputs
        self.reasons = list(reasons)


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """A provider with nothing to configure and no resources; subclasses add both.

    Raise `ProviderError` (or `InitFailedError`) anywhere: `serve` turns it into what the engine
    shows. Wait with `self.cancelled.wait(seconds)`: true means that the user gave up.
    """

    VERSION = ""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._stub: engine_pb2_grpc.EngineStub | None = None
        self.cancelled = threading.Event()

    def log(
        self,
        message: str,
        urn: str = "",
        *,
        severity: engine_pb2.LogSeverity.ValueType = engine_pb2.INFO,
        ephemeral: bool = False,
    ) -> None:
        """Show a message beside a resource; an ephemeral one is progress, gone with the next.

        Severities: engine_pb2.DEBUG, INFO, WARNING, ERROR.
        """
        if self._stub is None:
            channel = grpc.insecure_channel(self._engine, options=MESSAGE_SIZE)
            self._stub = engine_pb2_grpc.EngineStub(channel)
        request = engine_pb2.LogRequest(
            severity=severity, message=message, urn=urn, ephemeral=ephemeral
        )
        # A message that cannot be shown must not fail its resource.
        with contextlib.suppress(grpc.RpcError):
            self._stub.Log(request)

    def configure(self, config: Object) -> None:
        """Take the provider's configuration, secrets laid open; parts may be UNKNOWN."""

    def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ProviderHandshakeResponse:
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=True, supports_autonaming_configuration=True
        )

    def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        inputs = [plain(decode(request.old_inputs)), plain(decode(request.news))]
        return diff.response(diff.changes(*inputs), inputs)

    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        self.configure(plain(decode(request.args)))
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    def GetPluginInfo(
        self, request: empty_pb2.Empty, context: grpc.ServicerContext
    ) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=self.VERSION)

    def Attach(
        self, request: plugin_pb2.PluginAttach, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        self._engine, self._stub = request.address, None
        return empty_pb2.Empty()

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        self.cancelled.set()
        return empty_pb2.Empty()

    def GetMapping(
        self, request: provider_pb2.GetMappingRequest, context: grpc.ServicerContext
    ) -> provider_pb2.GetMappingResponse:
        return provider_pb2.GetMappingResponse()

    def GetMappings(
        self, request: provider_pb2.GetMappingsRequest, context: grpc.ServicerContext
    ) -> provider_pb2.GetMappingsResponse:
        return provider_pb2.GetMappingsResponse()


class _Errors(grpc.ServerInterceptor):
    """Turns exceptions into gRPC statuses; without it users see `Exception calling application`."""

    def intercept_service(self, continuation: Callable[..., Any], handler_call_details: Any) -> Any:
        handler = continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler
        method = handler_call_details.method.rsplit("/", 1)[-1]

        def call(request: Any, context: grpc.ServicerContext) -> Any:
            try:
                return handler.unary_unary(request, context)
            except Exception as error:
                _abort(context, method, error)

        return grpc.unary_unary_rpc_method_handler(
            call, handler.request_deserializer, handler.response_serializer
        )


def _abort(context: grpc.ServicerContext, method: str, error: Exception) -> NoReturn:
    if isinstance(error, NotImplementedError):
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the stand-in does not implement {method}")
    if isinstance(error, InitFailedError):
        detail = any_pb2.Any()
        detail.Pack(
            provider_pb2.ErrorResourceInitFailed(
                id=error.id,
                properties=encode(error.outputs),
                inputs=encode(error.inputs),
                reasons=error.reasons,
            )
        )
        status = status_pb2.Status(
            code=grpc.StatusCode.UNKNOWN.value[0], message=str(error), details=[detail]
        )
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    elif not isinstance(error, ProviderError):
        # A fault of the stand-in itself: the trace goes to its stderr, which the engine shows.
        traceback.print_exception(error)
        error = ProviderError(f"{method}: {type(error).__name__}: {error} (a fault of the plugin)")
    context.abort(grpc.StatusCode.UNKNOWN, str(error))


def serve(provider: Callable[[str], Provider]) -> None:
    """Run the plugin until the engine stops it.

    The engine gives its own address as the first plain argument, reads the port from stdout, and
    ends a plugin with SIGINT (then, 5 s later, with SIGKILL and a complaint).
    """
    address = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    stopped = threading.Event()

    def stop(number: int, frame: object) -> None:
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    engine = os.getppid()
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=THREADS),
        interceptors=[_Errors()],
        options=MESSAGE_SIZE,
    )
    servicer = provider(address)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    # An engine that is killed does not stop its plugins: they would run indefinitely.
    while not stopped.wait(2) and os.getppid() == engine:
        pass
    servicer.cancelled.set()
    server.stop(0).wait(1)
    # Threads may still wait for an API server that does not answer.
    os._exit(0)
