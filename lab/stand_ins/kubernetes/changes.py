"""What an update would change: the last known live object against the new inputs.

As in the real plugin (provider.go Diff) nothing is read from the cluster: the state of the last
update or refresh is pruned to the shape of the old inputs and compared with the new ones.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, cast

from lab.stand_ins import diff
from lab.stand_ins.diff import Changes, Path
from lab.stand_ins.values import Object

_QUANTITY = re.compile(r"([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)(e[+-]?\d+|[numkMGTPE]|[KMGTPE]i)?")
_SUFFIX = {
    **{s: Decimal(10) ** (3 * i) for i, s in enumerate(["n", "u", "m", "", *"kMGTPE"], -3)},
    **{f"{s}i": Decimal(1024) ** i for i, s in enumerate("KMGTPE", 1)},
}
# Fields whose values (or their values' values) are quantities.
_QUANTITIES = {
    "limits",
    "requests",
    "capacity",
    "hard",
    "min",
    "max",
    "default",
    "defaultRequest",
    "sizeLimit",
    "divisor",
    "averageValue",
    "value",
    "podFixed",
    "storage",
}


def compare(live: Object, old: Object, new: Object) -> Changes:
    """List the changes; all three objects as the API server would get or give them."""
    base = prune(live, old)
    return {
        path: kind
        for path, kind in diff.changes(base, new).items()
        if not _same_meaning(path, diff.get(base, path), diff.get(old, path), diff.get(new, path))
    }


def prune(live: Any, shape: Any) -> Any:
    """Give of the live value only what the shape names (provider/util.go pruneMap)."""
    if isinstance(live, dict) and isinstance(shape, dict):
        known = cast(Object, shape)
        items = cast(Object, live).items()
        return {key: prune(value, known[key]) for key, value in items if key in known}
    if isinstance(live, list) and isinstance(shape, list):
        found, wanted = cast(list[Any], live), cast(list[Any], shape)
        return [prune(a, b) for a, b in zip(found, wanted, strict=False)]
    return live


def settled(live: Any, inputs: Any, path: Path = ()) -> Any:
    """Give the inputs with the live values that truly differ: what a refresh found.

    The real plugin takes every live value (provider.go Read), which turns `cpu: 1000m` into
    `cpu: 1` and drops `hostNetwork: false`; here spelling stays as the program has it.
    """
    if isinstance(inputs, dict) and isinstance(live, dict):
        found, given = cast(Object, live), cast(Object, inputs)
        return {
            key: settled(found[key], value, (*path, key)) if key in found else value
            for key, value in given.items()
            if key in found or _empty(value)
        }
    if isinstance(inputs, list) and isinstance(live, list):
        items, wanted = cast(list[Any], live), cast(list[Any], inputs)
        if len(items) != len(wanted):
            return items
        pairs = zip(items, wanted, strict=True)
        return [settled(a, b, (*path, index)) for index, (a, b) in enumerate(pairs)]
    return inputs if _equal(path, live, inputs) else live


def _same_meaning(path: Path, live: Any, old: Any, new: Any) -> bool:
    """Tell a difference that only the server's spelling made: the program changed nothing."""
    if type(old) is not type(new) or old != new:
        return False
    return (live is None and _empty(new)) or _equal(path, live, new)


def _empty(value: Any) -> bool:
    """The API server leaves these out of what it returns."""
    if isinstance(value, dict):
        return all(_empty(item) for item in cast(Object, value).values())
    if isinstance(value, list):
        return not value
    return value is None or value is False or value == 0 or value == ""


def _equal(path: Path, a: Any, b: Any) -> bool:
    if type(a) is type(b) and a == b:
        return True
    if _QUANTITIES.isdisjoint(path):
        return False
    first, second = _quantity(a), _quantity(b)
    return first is not None and first == second


def _quantity(value: Any) -> Decimal | None:
    """Read a Kubernetes quantity: `1000m`, `1`, `1Gi`."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    match = _QUANTITY.fullmatch(str(value))
    if match is None:
        return None
    number, suffix = match.group(1), match.group(2) or ""
    if suffix[:1] == "e" and len(suffix) > 1:
        return Decimal(number + suffix)
    return Decimal(number) * _SUFFIX[suffix]
