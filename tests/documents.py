"""What tests read in the project's documents: code blocks, commands, links."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("lab/*/*.md")])

_FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?<=\n\n)((?: {4,}\S.*\n)+)")
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_ON_A_MESH = re.compile(
    r"^<!-- each line runs on a mesh -->\n\n((?: {4}\S.*\n)+)(?=\n)", re.MULTILINE
)
_SHELL_WORDS = {"for", "do", "done", "then", "if", "fi"}


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


def on_a_mesh() -> list[str]:
    """Lines below the mark that a test of the mesh runs.

    `make` and `eval` are left out: they are about a lab in the project's folder, and
    tests/unit/test_commands.py looks for their targets and modules.
    """
    return [
        line.strip()
        for page in PAGES
        for block in _ON_A_MESH.findall(page.read_text())
        for line in block.splitlines()
        if not line.strip().startswith(("make ", "eval "))
    ]


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
