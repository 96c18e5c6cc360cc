"""Claims about what the documents show: commands, keys, outputs, files and links exist."""

import ast
import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from checks.__main__ import main as checks
from checks.run import CHECKS
from lab.__main__ import main as lab
from lab.live import LiveMesh
from spec import config, reference
from tests.documents import (
    PAGES,
    ROOT,
    Command,
    blocks,
    command_blocks,
    commands,
    headings,
    links,
    marks,
    name,
    spans,
)
from tests.unit.test_layout import MAY_IMPORT
from tests.unit.test_reference import paths

_EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=name)
_CLICK: dict[str, click.Command] = {"lab": lab, "checks": checks}
_FOLDERS = re.compile(
    r"(spec|kube|preflight|picture|components|stacks|checks|lab|policy|bench|docs|examples|tests"
    r"|\.github)/[\w./-]+"
)


def shown(*programs: str) -> list[Command]:
    return [c for page in PAGES for c in commands(page, frozenset(programs))]


@cache
def targets() -> set[str]:
    written = re.findall(r"^([\w$()./-]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return {target.replace("$(VENV)", ".venv") for target in written}


@pytest.mark.parametrize("command", shown("make"), ids=str)
def test_a_target_of_make_exists(command: Command) -> None:
    wanted = {a for a in command.arguments if not a.startswith("-") and "=" not in a}
    assert wanted <= targets()


@pytest.mark.parametrize("command", shown("python", "python3"), ids=str)
def test_a_module_and_its_options_exist(command: Command) -> None:
    assert command.arguments[0] == "-m"
    module, *rest = command.arguments[1:]
    if module == "pytest":
        assert all((ROOT / a).exists() for a in rest if not a.startswith("-"))
    elif module in _CLICK:
        assert not unknown(_CLICK[module], rest)
    else:
        assert importlib.util.find_spec(module)
        assert not [a for a in rest if a.startswith("-")]


def unknown(command: click.Command, arguments: list[str]) -> list[str]:
    """Subcommands and options that a command line does not have."""
    if isinstance(command, click.Group):
        subcommand = next((a for a in arguments if not a.startswith("-")), "")
        if subcommand not in command.commands:
            return [subcommand]
        command = command.commands[subcommand]
    options = {option for parameter in command.params for option in parameter.opts}
    return [a for a in arguments if a.startswith("-") and a.partition("=")[0] not in options]


def test_an_option_that_does_not_exist_is_found() -> None:
    assert unknown(checks, ["--wait", "3", "--no-such"]) == ["--no-such"]
    assert unknown(lab, ["no-such"]) == ["no-such"]


@cache
def output_keys() -> frozenset[str]:
    """Names of the outputs: the keys of the dictionaries that these functions return."""
    keys = set[str]()
    for file in ("stacks/outputs.py", "stacks/cluster_stack.py"):
        for node in ast.walk(ast.parse((ROOT / file).read_text())):
            if isinstance(node, ast.Return) and isinstance(node.value, ast.Dict):
                keys |= {k.value for k in node.value.keys if isinstance(k, ast.Constant)}
    return frozenset(str(key) for key in keys)


def test_the_outputs_are_read_from_the_program() -> None:
    assert {"clusters", "mesh", "handover", "picture", "verified"} <= output_keys()


@pytest.mark.parametrize(
    "command", [c for c in shown("pulumi") if c.arguments[:2] == ("stack", "output")], ids=str
)
def test_an_output_of_the_stack_exists(command: Command) -> None:
    assert {a for a in command.arguments[2:] if not a.startswith("-")} <= output_keys()


@pytest.mark.parametrize("command", [c for c in shown("pulumi") if "config" in c.words], ids=str)
def test_a_key_that_is_set_exists(command: Command) -> None:
    for key in (a for a in command.arguments if a.startswith("isthmus:")):
        assert exists(key)


@cache
def keys() -> tuple[frozenset[str], frozenset[str]]:
    """All paths of the configuration, and those below which users write any keys."""
    page = reference.page()
    return (
        frozenset(re.findall(r"^(?:\| |## )`([^`]+)`", page, re.MULTILINE)),
        frozenset(re.findall(r"^\| `([^`]+)` \| map to", page, re.MULTILINE)),
    )


def exists(key: str) -> bool:
    """Whether a path, or what it is a part of, is in the configuration."""
    known, free = keys()
    key = re.sub(r"\[\d*\]", "[]", key).rstrip(":")
    return (
        key in known
        or any(k.startswith((f"{key}.", f"{key}[]")) for k in known)
        or any(key.startswith(f"{k}.") for k in free)
        or key == "isthmus:meshStack"
    )


def test_a_key_that_does_not_exist_is_found() -> None:
    assert exists("isthmus:clusters[1].primary")
    assert exists("isthmus:clusters")
    assert not exists("isthmus:clusters[1].secondary")


@_EVERY_PAGE
def test_a_key_that_is_named_exists(page: Path) -> None:
    named = {
        key
        for span in spans(page)
        for key in re.findall(r"^isthmus:(?!index:)[\w.\[\]]+", span)
        if not key.endswith(".")
    }
    assert not {key for key in named if not exists(key)}


@_EVERY_PAGE
def test_a_configuration_that_is_shown_has_only_keys_that_exist(page: Path) -> None:
    known, free = keys()
    for block in blocks(page, "yaml"):
        given: dict[str, Any] = (yaml.safe_load(block) or {}).get("config", {})
        for key, value in given.items():
            assert exists(key)
            assert paths(key, value, set(free)) <= known


@_EVERY_PAGE
def test_a_file_that_is_named_exists(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        return  # it names what was removed
    named = {span for span in spans(page) if _FOLDERS.fullmatch(span)}
    assert not {path for path in named if not (ROOT / path).exists()}


@_EVERY_PAGE
def test_a_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in headings(target), link


@_EVERY_PAGE
def test_a_check_that_is_shown_exists(page: Path) -> None:
    shown = {
        claim
        for block in blocks(page, "")
        for claim in re.findall(r"^ [✓✗] +(\S.*?) {2,}", block, re.MULTILINE)
    }
    assert shown <= {check.claim for check in CHECKS}


def test_the_healthy_mesh_that_is_shown_is_stack_dev() -> None:
    spec = config.parse(LiveMesh.read(ROOT / "Pulumi.dev.yaml"))
    scopes = {c.claim: [k.name for k in spec.clusters if c.scope(spec, k)] for c in CHECKS}
    (shown,) = (b for b in blocks(ROOT / "docs/checks.md", "") if b.startswith("clusters\n"))
    rows = re.findall(r"^ ✓ +(\S.*?) {2,}(\w+(?:, \w+)*) {2,}", shown, re.MULTILINE)
    assert dict(rows) == {claim: ", ".join(names) for claim, names in scopes.items() if names}
    count = sum(map(len, scopes.values()))
    assert re.search(rf"^{count} checks in .* s: {count} ok$", shown, re.MULTILINE)
    assert f"| `make check`, {count} checks" in (ROOT / "README.md").read_text()


@_EVERY_PAGE
def test_every_block_of_commands_runs_on_a_mesh_or_says_why_not(page: Path) -> None:
    """tests/mesh/test_two_networks.py runs what is marked as run by line."""
    text = page.read_text()
    found = command_blocks(text)
    assert not [b.script for b in found if not (b.runs_by_line or b.test or b.reason)]
    assert [b.mark for b in found] == marks(text), "a mark is above no block"


@_EVERY_PAGE
def test_the_test_that_a_mark_names_runs_the_block(page: Path) -> None:
    for block in command_blocks(page.read_text()):
        if block.test:
            assert f'documented("{name(page)}"' in (ROOT / block.test).read_text()


def test_a_block_without_a_mark_is_found() -> None:
    text = "One:\n\n<!-- not run: why -->\n\n    make up\n\nTwo:\n\n```sh\npulumi up\n```\n"
    one, two = command_blocks(text)
    assert (one.script, one.reason) == ("make up\n", "why")
    assert (two.script, two.mark) == ("pulumi up\n", "")


def test_the_page_of_components_has_every_component() -> None:
    table = (ROOT / "docs/components.md").read_text().partition("## The components")[2]
    rows = re.findall(r"^\| (`.+?`) \|", table, re.MULTILINE)
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    sources = "".join(path.read_text() for path in (ROOT / "components").glob("*.py"))
    assert sorted(listed) == sorted(re.findall(r'__init__\(\s*"isthmus:index:(\w+)"', sources))


def test_the_package_map_of_contributors_is_the_one_that_is_checked() -> None:
    rows = re.findall(
        r"^\| `(\w+)/` \| .+ \| (.+) \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE
    )
    shown = {name: set(re.findall(r"`(\w+)`", imports)) for name, imports in rows}
    assert {name: shown[name] for name in MAY_IMPORT} == MAY_IMPORT
