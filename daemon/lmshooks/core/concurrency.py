"""How many requests may a lane have under way? Two, and one more with each that is answered while more would go.

What is under way to an endpoint that stops answering must be sent again, though it may have been taken: so no more goes
than answers say is of use (decision 22). TCP begins so, too, and draws back so.
"""

from __future__ import annotations

FIRST = 2
"""Requests that may be under way before one was answered."""
PATIENCE = 1.0
"""Seconds without an answer after which one event more may go: not every account's requests need hang."""


class Concurrency:
    """Of one lane."""

    __slots__ = ("limit", "short", "since")

    def __init__(self) -> None:
        self.limit = FIRST
        """Requests under way, at most; the subscription's `max_in_flight` stands above it."""
        self.short = False
        """Whether more would have gone, when it was last looked at."""
        self.since = 0.0
        """When something last went out."""

    def delivered(self, out: int) -> None:
        """A request was taken; so many others are under way."""
        if self.short:
            self.limit += 1
        elif self.limit > FIRST and out < self.limit >> 1:
            self.limit -= 1

    def failed(self) -> None:
        """A request was not taken: half as many; where none of them is, so few as at first."""
        self.limit = max(FIRST, self.limit >> 1)

    def impatient(self, now: float) -> bool:
        """Whether nothing could go out for so long that one more is tried beside what is under way."""
        return now - self.since >= PATIENCE
