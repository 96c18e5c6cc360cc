"""The input types of a provider's resources, read from its installed Pulumi SDK package.

The package is read as text and never imported: importing pulumi_gcp's compute module alone takes
seconds, and only the classes of the resources that a program uses are wanted. What pulumi's code
generator writes is regular (pkg/codegen/python/gen.go): `class FooArgs` with one keyword argument
per input, annotated with its type, and a getter that gives the name used on the wire.
"""

import ast
import difflib
import functools
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from lab.stand_ins import diff
from lab.stand_ins.servicer import ProviderError
from lab.stand_ins.values import UNKNOWN, Object, Secret

_SCALARS: dict[str, tuple[str, tuple[type, ...]]] = {
    "str": ("a string", (str,)),
    "int": ("a whole number", (int,)),
    "float": ("a number", (int, float)),
    "bool": ("true or false", (bool,)),
}


@dataclass(frozen=True)
class _Input:
    type: ast.expr
    required: bool


class SdkTypes:
    """The resources of one SDK package, such as `pulumi_gcp`."""

    def __init__(self, package: str) -> None:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise ProviderError(
                f"the Python package {package} is not installed, and the stand-in takes the types"
                " of inputs from it: run `make .venv`"
            )
        self._package = package
        self._root = Path(spec.origin).parent

    def problems(self, token: str, inputs: Object) -> list[str]:
        """Check the inputs of a resource: unknown, missing and mistyped properties, at any depth.

        Each problem is a sentence that starts with the path, and never shows a value. Values that
        are known only after the update pass. Raises ProviderError for a token that
        the package has no resource for.
        """
        file = self._file(token)
        return list(self._object(file, token.rsplit(":", 1)[-1] + "Args", inputs, ()))

    def has_optional(self, token: str, name: str) -> bool:
        """Tell whether a resource takes an optional input of this name."""
        found = self._inputs(self._file(token), token.rsplit(":", 1)[-1] + "Args").get(name)
        return found is not None and not found.required

    def _file(self, token: str) -> Path:
        """Find the source of a resource: gcp:compute/uRLMap:URLMap is in compute/url_map.py."""
        module, _, name = token.partition(":")[2].partition(":")[0].partition("/")
        folder = self._root if module == "index" else self._root / module
        for file in sorted(folder.glob("*.py")):
            if file.stem.replace("_", "") == name.lower() and f'type_token("{token}")' in _text(
                file
            ):
                return file
        raise ProviderError(
            f"{token} is not a resource of the installed Python package {self._package}, which"
            " has the types for the stand-in"
        )

    @functools.cache  # noqa: B019 - one instance lives as long as the process
    def _inputs(self, file: Path, name: str) -> dict[str, _Input]:
        """Give the inputs of a `…Args` class by wire name; nested ones are in _inputs.py."""
        for place in (file, file.with_name("_inputs.py")):
            # To the next line that is not indented: parsing all of _inputs.py takes seconds.
            found = re.search(rf"^class {name}:\n(?:[ \t].*\n|\n)+", _text(place), re.MULTILINE)
            if found:
                return _read(found[0])
        raise ProviderError(f"{self._package} names the type {name} but has no class for it")

    def _object(self, file: Path, name: str, value: Object, path: diff.Path) -> Iterator[str]:
        known = self._inputs(file, name)
        for key, item in value.items():
            here = (*path, key)
            if key not in known:
                near = difflib.get_close_matches(key, known, 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                yield f"{diff.render(here)}: there is no such property{hint}"
            elif item is not None:
                yield from self._value(file, known[key].type, item, here)
        for key, given in known.items():
            if given.required and value.get(key) is None:
                yield f"{diff.render((*path, key))}: missing required property"

    def _value(
        self, file: Path, annotation: ast.expr, value: Any, path: diff.Path
    ) -> Iterator[str]:
        if isinstance(value, Secret):
            value = value.value
        if value == UNKNOWN:
            return
        match annotation:
            case ast.Subscript(value=ast.Name(id="Optional") | ast.Attribute(attr="Input")):
                yield from self._value(file, annotation.slice, value, path)
            case ast.Subscript(value=ast.Name(id="Sequence"), slice=item):
                if not isinstance(value, list):
                    yield _mistyped(path, "a list", value)
                    return
                for index, one in enumerate(cast(list[Any], value)):
                    yield from self._value(file, item, one, (*path, index))
            case ast.Subscript(value=ast.Name(id="Mapping"), slice=ast.Tuple(elts=[_, item])):
                if not isinstance(value, dict):
                    yield _mistyped(path, "a map", value)
                    return
                for key, one in cast(Object, value).items():
                    yield from self._value(file, item, one, (*path, key))
            case ast.Constant(value=str(name)) if name.endswith("Args"):
                if not isinstance(value, dict):
                    yield _mistyped(path, "an object", value)
                    return
                yield from self._object(file, name, cast(Object, value), path)
            case ast.Attribute(attr=name) | ast.Name(id=name) if name in _SCALARS:
                words, types = _SCALARS[name]
                if not isinstance(value, types) or (isinstance(value, bool) and name != "bool"):
                    yield _mistyped(path, words, value)
            case _:  # Any, assets, and the few unions: the SDK does not say more
                return


def _read(source: str) -> dict[str, _Input]:
    [definition] = ast.parse(source).body
    functions = {
        node.name: node
        for node in cast(ast.ClassDef, definition).body
        if isinstance(node, ast.FunctionDef)
        and not any(
            isinstance(d, ast.Attribute) and d.attr == "setter" for d in node.decorator_list
        )
    }
    arguments = functions["__init__"].args
    return {
        _wire_name(functions[argument.arg]): _Input(argument.annotation, default is None)
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if argument.annotation is not None
    }


def _wire_name(getter: ast.FunctionDef) -> str:
    for decorator in getter.decorator_list:
        if isinstance(decorator, ast.Call):
            for keyword in decorator.keywords:
                if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
                    return str(keyword.value.value)
    return getter.name


def _mistyped(path: diff.Path, expected: str, value: Any) -> str:
    kinds: dict[type, str] = {str: "a string", bool: "a boolean", list: "a list", dict: "an object"}
    got = kinds.get(type(value), "a number")
    return f"{diff.render(path)}: expected {expected}, got {got}"


@functools.cache
def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""
