"""Where in the log? A partition, and a place between two of its events.

A position is (offset, index): the index counts events inside one Kafka record, because one record may hold many. Feeds
read whole records and therefore stand at (offset, 0); lanes may stand in the middle of one.
"""

from __future__ import annotations

from typing import NamedTuple

Position = tuple[int, int]
"""(offset, index): sorts as the log does."""


class Partition(NamedTuple):
    """One partition of a source topic."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.number}"


def start_of(offset: int) -> Position:
    """The position just before the first event of the record at `offset`."""
    return (offset, 0)


def just_past(position: Position) -> Position:
    """The position just past the event at `position`."""
    return (position[0], position[1] + 1)
