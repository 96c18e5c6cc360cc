"""Pulumi's protobuf modules, without the rest of the Pulumi SDK.

`import pulumi` starts the whole SDK (automation, serialisers, telemetry): 0.15 s of CPU and 10 MB,
paid by every provider process. A provider needs only the generated messages, so the two parent
packages are entered as bare packages before the messages are imported.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def _enter_without_running(*packages: str) -> None:
    spec = importlib.util.find_spec(packages[0])
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the Pulumi SDK is not installed: run `make .venv`")
    root = Path(spec.origin).parent.parent
    for name in packages:
        bare = ModuleType(name)
        bare.__path__ = [str(root.joinpath(*name.split(".")))]
        sys.modules[name] = bare


if "pulumi" not in sys.modules:
    _enter_without_running("pulumi", "pulumi.runtime")

from pulumi.runtime.proto import (  # noqa: E402
    engine_pb2,
    engine_pb2_grpc,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
    resource_pb2,
    resource_pb2_grpc,
    status_pb2,
)

__all__ = [
    "MESSAGE_SIZE",
    "engine_pb2",
    "engine_pb2_grpc",
    "plugin_pb2",
    "provider_pb2",
    "provider_pb2_grpc",
    "resource_pb2",
    "resource_pb2_grpc",
    "status_pb2",
]

# The engine's own limit (sdk/go/common/util/rpcutil/serve.go): 400 MiB.
MESSAGE_SIZE = [
    ("grpc.max_receive_message_length", 400 << 20),
    ("grpc.max_send_message_length", 400 << 20),
]
