"""Property values as Pulumi's engine sends them: protobuf Structs with secrets and unknowns.

Decoded, a value is plain JSON data in which `Secret` wraps what must not be shown and `UNKNOWN`
means a value known only in the update (sdk/go/common/resource/plugin/rpc.go).
"""

from collections.abc import Mapping
from typing import Any, TypeAlias, cast

from google.protobuf import struct_pb2

Object: TypeAlias = dict[str, Any]

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a type marker
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
RESOURCE = "5cf8f73096256a8f31e491e813e4eb8e"


class Secret:
    """A value that the engine encrypts in its state and hides in its output."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value: Any = value.value if isinstance(value, Secret) else value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.value == other.value

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "[secret]"


def decode(struct: struct_pb2.Struct) -> Object:
    """Give a Struct as plain data. Whole numbers become ints: a port of 8080.0 is refused."""
    fields = struct.fields
    return {key: _decode(fields[key]) for key in fields}


def _decode(value: struct_pb2.Value) -> Any:
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "struct_value":
            return _special(decode(value.struct_value))
        case "list_value":
            return [_decode(item) for item in value.list_value.values]
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "bool_value":
            return value.bool_value
        case _:
            return None


def _special(value: Object) -> Any:
    match value.get(SIGNATURE):
        case signature if signature == SECRET:
            return Secret(value.get("value"))
        case signature if signature == OUTPUT:
            known = value.get("value", UNKNOWN)
            return Secret(known) if value.get("secret") else known
        case _:
            return value


def encode(value: Mapping[str, Any]) -> struct_pb2.Struct:
    """Give plain data, `Secret` and `UNKNOWN` included, as the Struct the engine reads."""
    struct = struct_pb2.Struct()
    fields = struct.fields
    for key, item in value.items():
        _encode(item, fields[key])
    return struct


def _encode(value: Any, into: struct_pb2.Value) -> None:
    if isinstance(value, Secret):
        fields = into.struct_value.fields
        fields[SIGNATURE].string_value = SECRET
        _encode(value.value, fields["value"])
    elif value is None:
        into.null_value = struct_pb2.NULL_VALUE
    elif isinstance(value, bool):
        into.bool_value = value
    elif isinstance(value, int | float):
        into.number_value = value
    elif isinstance(value, str):
        into.string_value = value
    elif isinstance(value, dict):
        into.struct_value.SetInParent()
        fields = into.struct_value.fields
        for key, item in cast(Object, value).items():
            _encode(item, fields[key])
    else:
        into.list_value.SetInParent()
        items = into.list_value.values
        for item in cast(list[Any], value):
            _encode(item, items.add())


def plain(value: Any) -> Any:
    """Give the value with every secret laid open: for the API server, never for a log."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in cast(Object, value).items()}
    if isinstance(value, list):
        return [plain(item) for item in cast(list[Any], value)]
    return value


def has_unknown(value: Any) -> bool:
    """Tell whether any part of the value is known only after the update."""
    if isinstance(value, Secret):
        return has_unknown(value.value)
    if isinstance(value, dict):
        return any(has_unknown(item) for item in cast(Object, value).values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in cast(list[Any], value))
    return isinstance(value, str) and value == UNKNOWN


def has_secret(value: Any) -> bool:
    """Tell whether any part of the value is secret."""
    if isinstance(value, dict):
        return any(has_secret(item) for item in cast(Object, value).values())
    if isinstance(value, list):
        return any(has_secret(item) for item in cast(list[Any], value))
    return isinstance(value, Secret)


def mark_secrets(outputs: Any, inputs: Any) -> Any:
    """Wrap in the outputs what is secret in the inputs, path by path.

    The engine stores an output in clear unless the provider says that it is secret. Where a list
    has another length than its input no item can be matched, so one secret hides the whole list.
    """
    if isinstance(inputs, Secret):
        return Secret(plain(outputs))
    if isinstance(outputs, dict) and isinstance(inputs, dict):
        known = cast(Object, inputs)
        return {
            key: mark_secrets(item, known[key]) if key in known else item
            for key, item in cast(Object, outputs).items()
        }
    if isinstance(outputs, list) and isinstance(inputs, list):
        made, given = cast(list[Any], outputs), cast(list[Any], inputs)
        if len(made) == len(given):
            return [mark_secrets(item, known) for item, known in zip(made, given, strict=True)]
        return Secret(made) if has_secret(given) else made
    return outputs
