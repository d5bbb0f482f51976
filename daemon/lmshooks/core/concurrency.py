"""How many requests may a lane have under way? Two, or one that is full; and one more with each that is answered while
more would go, as long as answers take no longer for it.

What is under way to an endpoint that stops answering must be sent again, though it may have been taken: so no more goes
than answers say is of use (decision 22). TCP begins so, too, and draws back so; and what only waits in the endpoint's
own queue is of no use.
"""

from __future__ import annotations

from collections.abc import Container
from math import inf

FIRST = 2
"""Requests that may be under way before one was answered; a full one alone."""
PATIENCE = 1.0
"""Seconds without an answer after which one event more may go: not every account's requests need hang."""
TWICE = 2.0
"""So many times longer than usual an answer takes where more under way are of no use."""
TRIFLE = 0.02
"""Seconds that it may take longer whatever is usual: as long as there are between commits (`commits.PAUSE`)."""
MEMORY = 8
"""Answers over which what is usual is averaged."""
KNOWN = 0.25
"""Seconds for which an endpoint that took a request is believed to take the next one."""


class Concurrency:
    """Of one lane."""

    __slots__ = ("limit", "short", "since", "usual")

    def __init__(self) -> None:
        self.limit = FIRST
        """Requests under way, at most; the subscription's `max_in_flight` stands above it."""
        self.short = False
        """Whether more would have gone, when it was last looked at."""
        self.since = 0.0
        """When something last went out."""
        self.usual = 0.0
        """Seconds that an answer takes with few under way."""

    def delivered(self, out: int, took: float) -> None:
        """A request was taken after `took` seconds; so many others are under way."""
        if out < FIRST:
            self.usual += (took - self.usual) / MEMORY if self.usual else took
        useless = took > self.usual * TWICE + TRIFLE
        if self.short and not useless:
            self.limit += 1
        elif self.limit > FIRST and (useless or out < self.limit >> 1):
            self.limit -= 1

    def failed(self) -> None:
        """A request was not taken: half as many; where none of them is, so few as at first."""
        self.limit = max(FIRST, self.limit >> 1)

    def impatient(self, now: float) -> bool:
        """Whether nothing could go out for so long that one more is tried beside what is under way."""
        return now - self.since >= PATIENCE


class Endpoints:
    """Of which endpoints was an answer heard lately, to whichever partition's request? By their subscriptions."""

    def __init__(self) -> None:
        self._taken_at: dict[str, float] = {}
        """When it last took a request; long ago if it did not take the last one."""

    def keep(self, subscriptions: Container[str]) -> None:
        """Forget all others."""
        self._taken_at = {one: at for one, at in self._taken_at.items() if one in subscriptions}

    def took(self, subscription_id: str, now: float) -> None:
        """It took a request."""
        self._taken_at[subscription_id] = now

    def failed(self, subscription_id: str) -> None:
        """It did not take one."""
        self._taken_at[subscription_id] = -inf

    def doubtful(self, subscription_id: str, now: float, burst: bool) -> bool:
        """Whether one event is enough to begin with: it did not take the last request, or a burst begins."""
        taken_at = self._taken_at.get(subscription_id, 0.0)
        return now - taken_at > KNOWN and (burst or taken_at == -inf)
