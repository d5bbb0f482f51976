"""What is wrong, where, and what should stand there? One mistake is one line; a load tells all of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake. Lines and columns count from 1; `found` never holds a secret."""

    file: str
    line: int
    column: int
    path: str
    found: str
    expected: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}: {self.path + ': ' if self.path else ''}"
        return f"{where}found {self.found}, expected {self.expected}{'; ' + self.hint if self.hint else ''}"


class ConfigurationMistakes(Exception):
    """The configuration has these mistakes; as text, one a line."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = mistakes
