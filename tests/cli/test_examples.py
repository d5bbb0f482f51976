"""Commands that people are told to type: in the pages and in every --help. Each is one that the command line takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from lmshooks.cli import group

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ENDS = {"|", "||", "&&", ";", ">", "<", "#"}


def commands(command: click.Command, names: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with its words, groups' commands included."""
    yield names, command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            inner = command.get_command(click.Context(command), name)
            assert inner is not None, name
            yield from commands(inner, (*names, name))


def typed(text: str) -> Iterator[str]:
    """What is to be typed: lines that begin with the command, perhaps after a prompt or inside a pipe."""
    for line in text.splitlines():
        found = re.match(r"\s+(?:\$ )?(?:.* \| )?(lmshooks .*)", line)
        if found and not line.lstrip().startswith(("#", "next:")):
            yield found[1]


def words_of(line: str) -> list[str]:
    """The words of the first command of a line, `lmshooks` left out."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if word in ENDS:
            break
        words.append(word)
    return words[1:]


def take(words: list[str]) -> None:
    """Raises click.UsageError where a command or an option is none."""
    command: click.Command = group
    while isinstance(command, click.Group):
        context = click.Context(command)
        inner = command.get_command(context, words[0])
        if inner is None:
            raise click.UsageError(f"no command {words[0]}")
        command, words = inner, words[1:]
    context = click.Context(command)
    command.make_parser(context).parse_args([word for word in words if word != "..."])


HELPS = [" ".join(names) for names, _ in commands(group) if names]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_is_taken(page: Path) -> None:
    lines = list(typed(page.read_text()))
    assert len(lines) > 10 or page.name not in ("commands.md", "first-subscription.md")
    for line in lines:
        try:
            take(words_of(line))
        except click.UsageError as wrong:
            raise AssertionError(f"{page.name}: {line}: {wrong.format_message()}") from None


@pytest.mark.parametrize("name", HELPS)
def test_every_help_has_examples_that_are_taken_and_says_its_exit_codes(name: str) -> None:
    command = {" ".join(names): command for names, command in commands(group)}[name]
    told = f"{command.help or ''}\n{command.epilog or ''}"
    examples = list(typed(command.epilog or command.help or ""))
    for line in examples:
        take(words_of(line))
    assert examples, f"{name} has no example"
    assert isinstance(command, click.Group) or "Exit status: 0" in told


def test_a_command_or_an_option_that_is_none_is_seen() -> None:
    for line in ("lmshooks plans", "lmshooks plan --nope", "lmshooks secret mak", "lmshooks status --watchful | jq ."):
        with pytest.raises(click.UsageError):
            take(words_of(line))
    assert list(typed("    $ lmshooks plan\n    kcat -C | lmshooks explain --file -\nlmshooks is\n")) == [
        "lmshooks plan",
        "lmshooks explain --file -",
    ]
