"""Claims about the words of the project: messages, documents, comments."""

import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_CONTRIBUTING = _ROOT / "CONTRIBUTING.md"
_WIDTH = 100
_GENERATED = ("docs/configuration.md", "docs/refusals.md", "docs/topologies.md")
_EXAMPLES = "tests/unit/test_english.py"
"""This file, which has refused words as examples."""


def _tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=_ROOT, capture_output=True, text=True, timeout=30, check=True
    )
    return [name for name in listed.stdout.splitlines() if (_ROOT / name).is_file()]


_FILES = _tracked()
_MARKDOWN = [n for n in _FILES if n.endswith(".md")]
_PROSE = [
    n
    for n in _FILES
    if n.endswith((".md", ".py", ".sh", ".yaml", ".yml", ".toml", ".in", "Makefile"))
    and n != _EXAMPLES
]


def _house_words() -> dict[str, str]:
    """Refused words and what to write instead, from the first table of CONTRIBUTING.md."""
    section = _CONTRIBUTING.read_text().partition("## House words")[2]
    table = section[section.index("\n|") :].lstrip().partition("\n\n")[0]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", table, re.MULTILINE)
    return {
        word.strip(): instead
        for words, instead in rows
        if words != "not" and not words.startswith("---")
        for word in words.split(",")
    }


_HOUSE_WORDS = _house_words()
_REFUSED = re.compile(r"\b(" + "|".join(map(re.escape, _HOUSE_WORDS)) + r")\b", re.IGNORECASE)


def _sentences(name: str) -> Iterator[tuple[int, str]]:
    """What a person reads in a file, with line numbers: not code, not quoted names."""
    text = (_ROOT / name).read_text()
    if name == "CONTRIBUTING.md":
        text = re.sub(r"^\|.*$", "", text, flags=re.MULTILINE)
    if name.endswith(".py"):
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in (tokenize.STRING, tokenize.COMMENT):
                text = re.sub(r"`[^`\n]*`|\{[^{}\n]*\}", "", token.string)
                yield from enumerate(text.splitlines(), token.start[0])
    else:
        if name.endswith(".md"):
            # Output that is quoted has the words of the program, which are checked there.
            text = re.sub(
                r"^```.*?^```", lambda m: "\n" * m[0].count("\n"), text, flags=re.M | re.S
            )
        text = re.sub(r"`[^`\n]*`", "", text)
        yield from enumerate(text.splitlines(), 1)


def _dialect(name: str) -> list[str]:
    return [
        f"{name}:{number}: {word!r}: write {_HOUSE_WORDS[word.lower()]}"
        for number, text in _sentences(name)
        for word in _REFUSED.findall(text)
    ]


def test_the_table_of_house_words_is_read() -> None:
    assert _HOUSE_WORDS["mend"] == "fix"
    assert len(_HOUSE_WORDS) > 20


def test_a_refused_word_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("It is good.\nTo mend it, run `mend`.\n")
    assert _dialect(str(page)) == [f"{page}:2: 'mend': write fix"]
    program = tmp_path / "program.py"
    program.write_text('mend = 1\nprint(f"cure: {mend}")  # for ever\n')
    assert [line.split(": ")[1] for line in _dialect(str(program))] == ["'cure'", "'for ever'"]


@pytest.mark.parametrize("name", _PROSE)
def test_no_word_has_a_house_word_for_it(name: str) -> None:
    assert not _dialect(name), "\n".join(_dialect(name))


def _too_wide(text: str) -> list[str]:
    """Lines that could be wrapped. Tables, code blocks and long addresses cannot."""
    fenced = False
    wide = list[str]()
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif line.lstrip().startswith("|"):
            continue
        elif len(line) > _WIDTH and not fenced and not line.startswith("    "):
            words = [w for w in line.split() if len(w) < _WIDTH - 20]
            if len(" ".join(words)) > _WIDTH - 20:
                wide.append(line)
    return wide


def test_a_wide_line_is_found_and_a_table_is_not() -> None:
    sentence = "word " * 25
    assert _too_wide(f"short\n{sentence}\n") == [sentence]
    assert not _too_wide(f"| {sentence} |\n```\n{sentence}\n```\n")


@pytest.mark.parametrize("name", [n for n in _MARKDOWN if n not in _GENERATED])
def test_markdown_is_wrapped(name: str) -> None:
    wide = _too_wide((_ROOT / name).read_text())
    assert not wide, f"wrap at {_WIDTH}:\n" + "\n".join(wide)


def test_spelling() -> None:
    checked = subprocess.run(
        [Path(sys.executable).parent / "codespell", *_FILES],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
