"""Claims about the messages that the documents quote: the program prints them, word for word."""

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from importlib import import_module
from textwrap import dedent

import pytest
import yaml

from checks.run import CHECKS
from kube.api import ClusterApi, UnansweredError
from kube.kubeconfig import Connection
from preflight.ask import ask
from preflight.facts import Holder
from preflight.identity import Expected
from spec import config
from spec.problems import MeshRefusedError, Problem
from spec.rules import certificates
from stacks.build import build_mesh
from stacks.identity import MeshIdentity
from tests.authorities import Authority, certificate, new_key, text
from tests.documents import PAGES, ROOT, blocks, name
from tests.unit import meshes
from tests.unit.meshes import cluster, configuration, refused, two_networks
from tests.unit.recorder import record

_GENERATED = ROOT / "docs/refusals.md"
_QUOTING = [
    (name(page), block)
    for page in PAGES
    if page != _GENERATED
    for block in blocks(page, "")
    if re.search(r"ISM\d{4}", block)
]
_REFUSALS = [(page, block) for page, block in _QUOTING if re.search(r"ISM0\d{3}", block)]
_FAILURES = [(page, block) for page, block in _QUOTING if re.search(r"ISM1\d{3}", block)]


def unknown_primary(written: str) -> Sequence[Problem]:
    """What the configuration in the README is refused for, with another primary of west."""
    given = yaml.safe_load(blocks(ROOT / "README.md", "yaml")[0])["config"]
    given["isthmus:clusters"][1]["primary"] = written
    return refused({key.removeprefix("isthmus:"): value for key, value in given.items()})


def broken_chain() -> Sequence[Problem]:
    """A CA is missing from the middle of east's chain, and west has no intermediate."""
    root = Authority("Root of the test")
    east = root.below("Issuing CA").below("east")
    written = two_networks()
    written["mesh"]["ca"] = {"root": {"certificate": root.certificate}}
    chain = east.certificate + root.certificate
    written["clusters"][0]["ca"] = {"certificate": chain, "key": text(east.key)}
    return refused(written)


def former_root_in_use() -> Sequence[Problem]:
    """The former root is removed while east still has certificates under it."""
    key = new_key()
    former, new = (certificate(key, name=f"CN={n},O=mesh1") for n in ("Root CA", "Root CA next"))
    written = two_networks()
    written["mesh"]["ca"] = {"roots": [{"name": "next", "certificate": new, "key": text(key)}]}
    spec = config.parse(written)
    facts = {n: replace(f, root=former + new) for n, f in meshes.facts(spec).items()}
    (shown,) = certificates.read_pem(former)
    trusted = frozenset(certificates.read_pem(former + new))
    held = tuple(
        Holder(what, trusted, shown)
        for what in (
            "proxy of istio-system/istio-eastwestgateway-7c797bc446-dd4lm",
            "proxy of sample/helloworld-v1-7d5c55b5cc-5b494",
            "proxy of sample/load",
            "proxy of sample/sleep-57ffd86f4c-sq8pt",
            "istiod istiod-5b79945864-kgtbh",
        )
    )
    facts["east"] = replace(facts["east"], holders=held)
    with pytest.raises(MeshRefusedError) as refusal:
        record(lambda: build_mesh(spec, facts, MeshIdentity.create()))
    return refusal.value.problems


def unreachable() -> Sequence[Problem]:
    """The API server of east does not answer."""
    spec = config.parse(configuration(cluster("east", "n")))
    kubeconfig = {
        "clusters": [{"name": "east", "cluster": {"server": "https://east.test"}}],
        "users": [{"name": "east", "user": {"token": "abc"}}],
        "contexts": [{"name": "east", "context": {"cluster": "east", "user": "east"}}],
        "current-context": "east",
    }
    connection = Connection(yaml.safe_dump(kubeconfig), "https://east.test", None)
    return ask(spec, 0, spec.clusters[0], connection, Expected("isthmus/dev")).problems


_RENDERED: Mapping[tuple[str, str], Callable[[], Sequence[Problem]]] = {
    ("README.md", "ISM0205"): partial(unknown_primary, "esat"),
    ("docs/troubleshooting.md", "ISM0205"): partial(unknown_primary, "north"),
    ("docs/troubleshooting.md", "ISM0710"): unreachable,
    ("docs/trust.md", "ISM0409"): broken_chain,
    ("docs/life.md", "ISM0445"): former_root_in_use,
}
"""What prints each quoted refusal, by its page and first code."""


@pytest.mark.parametrize(("page", "quoted"), _REFUSALS, ids=[page for page, _ in _REFUSALS])
def test_a_refusal_that_is_quoted_is_that_of_the_program(
    page: str, quoted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole messages, or single problems; `…` is any text."""
    monkeypatch.setattr(ClusterApi, "get", _times_out)
    monkeypatch.setattr(import_module("preflight.ask"), "PAUSES_SECONDS", ())
    (code, *_) = re.findall(r"ISM\d{4}", quoted)
    problems = _RENDERED[page, code]()
    printed = (
        f"error: {MeshRefusedError(problems)}\n"
        if "the mesh is refused" in quoted
        else "".join(dedent(f"  {p}\n") for p in problems)
    )
    if quoted.startswith("the mesh"):
        printed = printed.removeprefix("error: ")
    assert re.fullmatch(_pattern(_plain(quoted)), _plain(printed)), printed


def _times_out(*_: object) -> None:
    raise UnansweredError(None, "timed out")


def _plain(message: str) -> str:
    """Without the fingerprints of certificates, which are new in each run."""
    return re.sub(r"\([0-9a-f]{12}\)", "(fingerprint)", message)


def _pattern(quoted: str) -> str:
    return re.escape(quoted).replace("…", ".*")


@pytest.mark.parametrize(("page", "quoted"), _FAILURES, ids=[page for page, _ in _FAILURES])
def test_a_failure_that_is_quoted_has_code_and_hint_of_its_check(page: str, quoted: str) -> None:
    shown = re.findall(
        r"^ ✗ +(\S.*?) {2,}\w+ +[\d.]+ s\n(?: {4}\S.*\n)+?    → ((?: {4}\S.*\n|\S.*\n)+?)"
        r" {6}(ISM\d+) docs/checks\.md#(\S+)$",
        quoted,
        re.MULTILINE,
    )
    assert len(shown) == quoted.count("ISM"), page
    codes = {check.claim: (check.code, check.id) for check in CHECKS}
    for claim, hint, *code in shown:
        assert codes[claim] == (*code,)
        said = " ".join(hint.split())
        assert any(re.fullmatch(pattern, said) for pattern in _hints()), said


@cache
def _hints() -> frozenset[str]:
    """A pattern for each text in the checks; where a value is put in, any."""
    texts = set[str]()
    for file in (ROOT / "checks").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            literal = [p.value if isinstance(p, ast.Constant) else None for p in parts]
            if any(isinstance(value, str) and len(value) > 20 for value in literal):
                texts.add("".join(".+" if v is None else re.escape(str(v)) for v in literal))
    return frozenset(texts)
