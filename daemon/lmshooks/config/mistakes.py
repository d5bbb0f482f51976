"""What is wrong, where, and what should stand there? One mistake is one line; a load tells all of them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake. Lines and columns count from 1; neither `found` nor `source` ever holds a secret."""

    file: str
    line: int
    column: int
    path: str
    found: str
    expected: str
    hint: str = ""
    source: str = ""
    """The line of the file, with what may be secret struck out; empty where there is none."""
    caret: int = 0
    """Where in `source` the spot is, from 0."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}: {self.path + ': ' if self.path else ''}"
        text = f"{where}found {self.found}, expected {self.expected}{'; ' + self.hint if self.hint else ''}"
        # One line, and nothing in it that nobody sees: a byte order mark within a key is the mistake itself.
        return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)

    def shown(self) -> str:
        """For a terminal: the sentence, then the line with a caret under the spot."""
        if not self.source:
            return str(self)
        margin = re.sub(r"[^\t]", " ", self.source[: self.caret])
        return f"{self}\n    {self.source}\n    {margin}^"


class ConfigurationMistakes(Exception):
    """The configuration has these mistakes; as text, one a line."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = mistakes

    def shown(self) -> str:
        """For a terminal: each with its line."""
        return "\n".join(mistake.shown() for mistake in self.mistakes)


class Wrong(ValueError):
    """A value is not what it should be. Who reads it raises this; the place is added by who knows it."""

    def __init__(self, expected: str, found: str = "", hint: str = "", at: tuple[str | int, ...] = ()) -> None:
        super().__init__(f"{found or 'something else'}, expected {expected}")
        self.expected, self.found, self.hint = expected, found, hint
        self.at = at
        """Where, from the value on."""


class Several(ValueError):
    """A value has more than one mistake."""

    def __init__(self, wrongs: list[Wrong]) -> None:
        super().__init__("; ".join(map(str, wrongs)))
        self.wrongs = wrongs


def nearest(word: object, known: Collection[str]) -> str:
    """The known word that is closest, if any is close."""
    return next(iter(difflib.get_close_matches(str(word)[:100], known, 1)), "")


def did_you_mean(word: object, known: Collection[str]) -> str:
    """`did you mean X?`, or nothing."""
    close = nearest(word, known)
    return f"did you mean {close}?" if close else ""
