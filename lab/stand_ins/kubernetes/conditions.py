"""The annotation pulumi.com/waitFor: what a user wants to be true before an object is ready.

Source: metadata/overrides.go ReadyCondition, jsonpath/jsonpath.go, await/condition/custom.go.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from lab.stand_ins.kubernetes import fields
from lab.stand_ins.kubernetes.readiness import READY, Verdict, condition
from lab.stand_ins.servicer import ProviderError
from lab.stand_ins.values import Object

if TYPE_CHECKING:
    from jsonpath_rfc9535 import JSONPathQuery

_BRACES = re.compile(r"\{\s*(.*?)\s*\}")
_EQUALS = re.compile(r"(?<![=!<>])=(?!=)")


class WaitFor:
    """One or several expressions, all of which must hold.

    `jsonpath={.a.b}`: the path exists; `jsonpath={.a}=value`: and has this value;
    `condition=Type` or `condition=Type=Status`; a JSON array of these.
    Raises ProviderError for any other text.
    """

    def __init__(self, annotation: str) -> None:
        values = fields.load_json(annotation)
        expressions = cast(list[Any], values) if isinstance(values, list) else [annotation]
        if not expressions:
            raise ProviderError("at least one condition must be specified")
        self._tests = [_parse(str(expression)) for expression in expressions]

    def verdict(self, obj: Object) -> Verdict:
        """Judge the object; the first expression that does not hold is what it waits for."""
        for test in self._tests:
            if missing := test.missing(obj):
                return Verdict(False, f"Waiting for {missing}", [f"{missing} did not come true"])
        return READY


class _Condition:
    def __init__(self, text: str) -> None:
        self._type, _, status = text.partition("=")
        self._status = status or "True"

    def missing(self, obj: Object) -> str:
        found = condition(obj, self._type)
        if found.get("status") == self._status:
            return ""
        said = f" ({found.get('message') or found['status']})" if found else ""
        return f"condition {self._type}={self._status}{said}"


class _JsonPath:
    def __init__(self, path: str, value: str, query: JSONPathQuery) -> None:
        self._path, self._value, self._query = path, value, query

    def missing(self, obj: Object) -> str:
        status = cast(Object, obj.get("status") or {})
        observed = status.get("observedGeneration")
        if observed is not None and observed < fields.metadata(obj).get("generation", 0):
            return "the controller to see the change"
        found = self._query.find(obj).values()
        want = f"{self._path}={self._value}" if self._value else self._path
        if not found:
            return f"{want} (selected nothing)"
        first = found[0]
        if isinstance(first, dict | list):
            if not self._value:
                return ""
            raise ProviderError(f'"{self._path}" has a non-primitive value')
        text = str(first).lower() if isinstance(first, bool) else str(first)
        return "" if self._value in ("", text) else f'{want} (found "{text}")'


def _parse(expression: str) -> _Condition | _JsonPath:
    if expression.startswith("condition="):
        return _Condition(expression.removeprefix("condition="))
    if not expression.startswith("jsonpath="):
        raise ProviderError(f'expected a "jsonpath=" or "condition=" prefix, got "{expression}"')
    raw = expression.removeprefix("jsonpath=")
    path, *values = _EQUALS.split(raw)
    if len(values) > 1:
        raise ProviderError(f'format should be {{.path}}=value or {{.path}}, got "{raw}"')
    if values == [""]:
        raise ProviderError(f"{path}= requires a value")
    if path.startswith("'") and path.endswith("'"):
        raise ProviderError(f"{path} should omit shell quotes")
    braces = _BRACES.search(path)
    if braces is None:
        raise ProviderError(f"{path} should be wrapped in brackets {{ ... }}")
    import jsonpath_rfc9535

    inner = braces.group(1)
    try:
        query = jsonpath_rfc9535.compile(inner if inner.startswith("$") else f"${inner}")
    except jsonpath_rfc9535.JSONPathError as error:
        raise ProviderError(f'parsing "{path}": {error}') from None
    return _JsonPath(path, values[0] if values else "", query)
