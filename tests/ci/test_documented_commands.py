"""Commands of other programs that the documents show, as those programs' own help has them."""

import re
import subprocess
from functools import cache

import pytest

from lab import toolchain
from tests.documents import PAGES, Command, commands

_HISTORY = "docs/istio-documents.md"
"""Quotes the commands of old documents."""
_PROGRAMS = frozenset({"pulumi", "kubectl", "istioctl", "helm"})
SHOWN = sorted(
    {
        c.words: c
        for page in PAGES
        for c in commands(page, _PROGRAMS)
        if c.page != _HISTORY and "…" not in c.words
    }.values(),
    key=str,
)


@cache
def printed(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [toolchain.ensure().bin / program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


def help_of(words: list[str]) -> str:
    return printed(*words, "--help")


def subcommand(command: Command) -> list[str]:
    """The words that name the subcommand, as the usage in its help has them."""
    words = [command.program]
    arguments = iter(command.arguments)
    for word in arguments:
        if word in ("--context", "--kube-context", "-n", "-i"):
            next(arguments)
        elif word.startswith("-"):
            break
        else:
            words.append(word)
    while len(words) > 1 and not is_subcommand(words):
        words.pop()
    return words


def is_subcommand(words: list[str]) -> bool:
    """Whether the help of these words is theirs: a program shows its parent's for a wrong word."""
    text = help_of(words)
    aliases = re.search(r"^Aliases:\n(.+)$", text, re.MULTILINE)
    names = set(re.findall(r"[\w-]+", aliases[1])) if aliases else set[str]()
    return any(
        re.search(rf"^  {re.escape(' '.join([*words[:-1], name]))}\b", text, re.MULTILINE)
        for name in {words[-1], *(names if words[-1] in names else ())}
    )


@pytest.mark.parametrize("command", SHOWN, ids=str)
def test_a_subcommand_and_its_options_exist(command: Command) -> None:
    words = subcommand(command)
    assert len(words) > 1, "no such subcommand"
    known = help_of(words) + (printed("kubectl", "options") if words[0] == "kubectl" else "")
    for option in (a.partition("=")[0] for a in command.arguments if re.match(r"--?\w", a)):
        assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", known), option


def test_an_option_that_does_not_exist_is_found() -> None:
    for wrong in (("pulumi", "up", "--no-such"), ("pulumi", "no-such")):
        with pytest.raises(AssertionError):
            test_a_subcommand_and_its_options_exist(Command("page", wrong))
