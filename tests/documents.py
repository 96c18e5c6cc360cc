"""What tests read in the project's documents: code blocks, commands, links."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("lab/*/*.md")])

_FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?<=\n\n)((?: {4,}\S.*\n)+)")
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_MARK = re.compile(r"^ *<!-- (each line runs|runs|not run)\b(.*) -->$", re.MULTILINE)
_SHELL_WORDS = {"for", "do", "done", "then", "if", "fi"}


@dataclass(frozen=True)
class Block:
    """A block of commands, with the words of the mark above it that say where it runs."""

    script: str
    mark: str
    """Empty if there is no mark."""

    @property
    def runs_by_line(self) -> bool:
        return self.mark == "each line runs on a mesh"

    @property
    def test(self) -> str:
        """The file that runs the block as a whole, on its own mesh; empty if there is none."""
        return self.mark.partition("runs on a mesh in ")[2]

    @property
    def reason(self) -> str:
        """Why no test runs it; empty if one does."""
        return self.mark.partition("not run: ")[2]


@dataclass(frozen=True)
class Command:
    """One simple command: without pipes, variables and redirections."""

    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"

    @property
    def program(self) -> str:
        return self.words[0].rpartition("/")[2]

    @property
    def arguments(self) -> tuple[str, ...]:
        return self.words[1:]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    """Texts of the fenced code blocks of a language; "" is one without."""
    return [m[3] for m in _FENCED.finditer(page.read_text()) if m[2] == language]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCED.sub("", page.read_text())


def spans(page: Path) -> list[str]:
    """Code between backticks in the prose of a page."""
    return _SPAN.findall(prose(page))


def indented(page: Path) -> list[str]:
    return [m[1] for m in _INDENTED.finditer(prose(page))]


def scripts(page: Path) -> list[str]:
    """Shell scripts of a page: `sh` blocks, indented blocks, lines with a prompt."""
    prompted = [
        line.removeprefix("$ ")
        for block in blocks(page, "")
        for line in block.splitlines()
        if line.startswith("$ ")
    ]
    return [*blocks(page, "sh"), *indented(page), *prompted]


def marks(text: str) -> list[str]:
    return [m[1] + m[2] for m in _MARK.finditer(text)]


def command_blocks(text: str) -> list[Block]:
    """`sh` blocks, indented blocks, and outputs below their command, in the order of the page."""
    found = [
        (m.start(), m[3])
        for m in _FENCED.finditer(text)
        if m[2] == "sh" or (not m[2] and m[3].startswith("$ "))
    ]
    without_fenced = _FENCED.sub(lambda m: "`" * len(m[0]), text)
    found += [(m.start(), m[1]) for m in _INDENTED.finditer(without_fenced)]
    return [Block(dedent(script), _mark_above(text[:start])) for start, script in sorted(found)]


def _mark_above(text: str) -> str:
    last = text.rstrip().rpartition("\n")[2]
    return "".join(marks(last))


def on_a_mesh() -> list[str]:
    """Lines of the blocks that run line by line on the mesh of stack dev.

    `make` and `eval` are left out: they are about a lab in the project's folder, and
    tests/unit/test_commands.py looks for their targets and modules.
    """
    return [
        line
        for page in PAGES
        for block in command_blocks(page.read_text())
        if block.runs_by_line
        for line in block.script.splitlines()
        if not line.startswith(("make ", "eval "))
    ]


def documented(page: str, word: str) -> str:
    """The block of a page that a test runs as a whole: the one with the word."""
    found = command_blocks((ROOT / page).read_text())
    (script,) = (block.script for block in found if block.test and word in block.script)
    return script


def commands(page: Path, programs: frozenset[str]) -> list[Command]:
    """Simple commands of these programs, in scripts and between backticks."""
    found = list[Command]()
    for text in (*scripts(page), *spans(page)):
        for words in _simple(text):
            command = Command(name(page), tuple(words))
            if command.program in programs and command.arguments:
                found.append(command)
    return found


def _simple(script: str) -> list[list[str]]:
    """Words of each simple command of a script; nothing of what is not shell."""
    script = re.sub(r"\\\n\s*", " ", script)
    script = re.sub(r"(?:^|(?<=\s))#.*$", "", script, flags=re.MULTILINE)
    inner = re.findall(r"\$\(([^()]*)\)", script)
    found = [words for text in inner for words in _simple(text)]
    lexer = shlex.shlex(
        re.sub(r"\$\(([^()]*)\)", "VALUE", script), posix=True, punctuation_chars="|;&\n"
    )
    lexer.whitespace = " \t"
    lexer.commenters = ""
    lexer.whitespace_split = True
    words = list[str]()
    try:
        tokens = list(lexer)
    except ValueError:  # an apostrophe: prose
        return found
    for token in [*tokens, "\n"]:
        if set(token) <= set("|;&\n"):
            if words:
                found.append(words)
            words = []
        elif not (token in _SHELL_WORDS or (not words and re.match(r"\w+=", token))):
            words.append(token)
    return found


def headings(page: Path) -> set[str]:
    """Anchors of a page, as GitHub makes them."""
    anchors = set[str]()
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        anchors.add(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-"))
    return anchors


def links(page: Path) -> list[str]:
    """Relative addresses that a page links to."""
    found = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    return [x for x in found if not re.match(r"[a-z]+:", x)]
