"""What changed between two values, property by property, in the words of the provider protocol."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeAlias, cast

from lab.stand_ins.protocol import provider_pb2
from lab.stand_ins.values import Object

Path: TypeAlias = tuple[str | int, ...]
Kind: TypeAlias = Literal["ADD", "DELETE", "UPDATE"]
Changes: TypeAlias = dict[Path, Kind]

_PLAIN_KEY = re.compile(r"[A-Za-z_$][\w$]*")
_STEP = re.compile(r'\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|([^.\[\]]+)')


def changes(old: Any, new: Any, path: Path = ()) -> Changes:
    """List the leaves at which `new` differs from `old`. Lists are compared index by index."""
    found: Changes = {}
    if isinstance(old, dict) and isinstance(new, dict):
        before, after = cast(Object, old), cast(Object, new)
        for key in {**before, **after}:
            if key not in before:
                found[(*path, key)] = "ADD"
            elif key not in after:
                found[(*path, key)] = "DELETE"
            elif before[key] is not after[key]:
                found.update(changes(before[key], after[key], (*path, key)))
    elif isinstance(old, list) and isinstance(new, list):
        left, right = cast(list[Any], old), cast(list[Any], new)
        for index in range(max(len(left), len(right))):
            if index >= len(left):
                found[(*path, index)] = "ADD"
            elif index >= len(right):
                found[(*path, index)] = "DELETE"
            else:
                found.update(changes(left[index], right[index], (*path, index)))
    elif type(old) is not type(new) or old != new:  # 1 == True, but a flag is no number
        found[path] = "UPDATE"
    return found


def get(value: Any, path: Path) -> Any:
    """Give the value at the path, or None."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def within(path: Path, prefixes: Iterable[Path]) -> bool:
    """Tell whether the path is one of the prefixes or lies below one; `*` is any one step."""
    return any(
        len(path) >= len(prefix)
        and all(want in (step, "*") for step, want in zip(path, prefix, strict=False))
        for prefix in prefixes
    )


def render(path: Path) -> str:
    """Write a path as the engine writes it: `spec.ports[0].port`, `data["a.b"]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += '["' + step.replace("\\", "\\\\").replace('"', '\\"') + '"]'
    return text


def parse(text: str) -> Path:
    """Read a path as a program writes it in `ignoreChanges`."""
    return tuple(
        int(index) if index else key or re.sub(r"\\(.)", r"\1", quoted)
        for index, quoted, key in _STEP.findall(text)
    )


def response(
    found: Changes,
    inputs: Sequence[Any],
    *,
    replaces: Callable[[Path], bool] = lambda _: False,
    delete_before_replace: bool = False,
) -> provider_pb2.DiffResponse:
    """Build the engine's answer from the changes.

    inputs: the old and the new inputs. A path found in neither is shown as a change of an output;
    marked as input, the engine would look it up among the inputs and show it as deleted.
    """
    message = provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME
        if found
        else provider_pb2.DiffResponse.DIFF_NONE,
        hasDetailedDiff=bool(found),
    )
    properties: dict[str, bool] = {}
    for path, kind in found.items():
        replace = replaces(path)
        detail = f"{kind}_REPLACE" if replace else kind
        message.detailedDiff[render(path)].CopyFrom(
            provider_pb2.PropertyDiff(
                kind=provider_pb2.PropertyDiff.Kind.Value(detail),
                inputDiff=any(get(given, path) is not None for given in inputs),
            )
        )
        key = str(path[0]) if path else ""
        properties[key] = properties.get(key, False) or replace
    message.diffs.extend(properties)
    message.replaces.extend(key for key, replace in properties.items() if replace)
    message.deleteBeforeReplace = bool(message.replaces) and delete_before_replace
    return message
