"""Claims about the packages: data flows one way, and imports follow it."""

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest

_PROJECT = Path(__file__).parents[2]

MAY_IMPORT = {
    "components": set[str](),
    "kube": set[str](),
    "spec": {"kube"},
    "picture": {"spec"},
    "preflight": {"spec", "kube"},
    "stacks": {"components", "kube", "spec", "picture", "preflight"},
    "checks": {"spec", "kube", "picture", "preflight"},
    "policy": set[str](),
    "lab": {"spec", "kube", "preflight"},
    "bench": {"lab"},
}
OURS = {*MAY_IMPORT, "tests"}
NAMES = "components.names"
"""The one module of components that all packages may import: it imports nothing itself."""


def imports(file: Path) -> Iterator[str]:
    """Every module of this project that a file imports, in functions and for types too."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
            modules = [".".join([*_origin(file, node), name]) for name in names]
        else:
            continue
        yield from (m for m in modules if m.partition(".")[0] in OURS)


def _origin(file: Path, node: ast.ImportFrom) -> list[str]:
    """The module after `from`; the policies write it relative to their folder."""
    folders = file.relative_to(_PROJECT).parent.parts
    above = folders[: len(folders) - node.level + 1] if node.level else ()
    return [*above, *([node.module] if node.module else [])]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_comes_before_it(package: str) -> None:
    files = sorted(f for f in (_PROJECT / package).rglob("*.py") if _is_ours(f))
    assert files
    wrong = [
        f"{file.relative_to(_PROJECT)}: {module}"
        for file in files
        for module in imports(file)
        if module.partition(".")[0] not in {package, *MAY_IMPORT[package]}
        and f"{module}.".partition(f"{NAMES}.")[0]
    ]
    assert wrong == []


def test_the_names_that_all_packages_may_import_import_nothing() -> None:
    assert list(imports(_PROJECT / f"{NAMES.replace('.', '/')}.py")) == []


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Modules of which each imports the next, from one to itself; none if there are no such."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1][::-1]
    return []


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Not even inside a function or for types."""
    files = [f for p in MAY_IMPORT for f in (_PROJECT / p).rglob("*.py") if _is_ours(f)]
    # The index of components names them all, and imports one when it is first used.
    modules = {_module(f): f for f in files if f != _PROJECT / "components/__init__.py"}
    graph = {
        name: {i if i in modules else i.rpartition(".")[0] for i in imports(file)}
        for name, file in modules.items()
    }
    assert circle(graph) == []


def test_a_circle_of_three_modules_is_found() -> None:
    graph = {"a": {"b", "d"}, "b": {"c"}, "c": {"a"}, "d": set[str]()}
    found = circle(graph)
    assert found[0] == found[-1]
    assert set(found) == {"a", "b", "c"}
    assert all(there in graph[here] for here, there in pairwise(found))


def _is_ours(file: Path) -> bool:
    """Whether it is not part of the environment of the policies."""
    return ".venv" not in file.parts


def _module(file: Path) -> str:
    path = file.relative_to(_PROJECT).with_suffix("")
    return ".".join(path.parts).removesuffix(".__init__")
