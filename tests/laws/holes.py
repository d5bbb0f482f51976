"""What would break without a rule? The table of plays, each with the rule that it needs and the laws that hang on it.

The numbers are those of the table in the design's model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.laws import mutations as off


class Hole(NamedTuple):
    """A play, the rule that it needs, and the laws that are broken without it."""

    number: str
    rule: str
    laws: str
    switch: off.Switch
    play: Callable[[], None]


HOLES: list[Hole] = []


def hole(number: str, rule: str, laws: str, switch: off.Switch) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Enter a play into the table."""

    def enter(play: Callable[[], None]) -> Callable[[], None]:
        HOLES.append(Hole(number, rule, laws, switch, play))
        return play

    return enter
