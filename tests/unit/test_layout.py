"""Claims about the packages: data flows one way, and imports follow it."""

import ast
from collections.abc import Iterator
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
}
OURS = {*MAY_IMPORT, "lab", "tests", "bench", "policy"}
NAMES = "components.names"
"""The one module of components that all packages may import: it imports nothing itself."""


def imports(file: Path) -> Iterator[str]:
    """Every module of this project that a file imports, in functions and for types too."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (m for m in modules if m.partition(".")[0] in OURS)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_comes_before_it(package: str) -> None:
    files = sorted((_PROJECT / package).rglob("*.py"))
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


def test_no_two_modules_import_each_other() -> None:
    """Not even inside a function or for types."""
    files = [f for p in MAY_IMPORT for f in (_PROJECT / p).rglob("*.py")]
    # The index of components names them all, and imports one when it is first used.
    modules = {_module(f): f for f in files if f != _PROJECT / "components/__init__.py"}
    graph = {
        name: {i if i in modules else i.rpartition(".")[0] for i in imports(file)}
        for name, file in modules.items()
    }
    circles = {
        f"{a} <-> {b}"
        for a, needs in graph.items()
        for b in needs
        if a in graph.get(b, ()) and a < b
    }
    assert circles == set()


def _module(file: Path) -> str:
    path = file.relative_to(_PROJECT).with_suffix("")
    return ".".join(path.parts).removesuffix(".__init__")
