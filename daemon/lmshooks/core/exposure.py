"""What would be sent again if the partition changed hands now? Settled events that nothing durable says are settled.

How many that may be is bounded: with many, a commit or a checkpoint comes sooner; with more, posts wait (decision 21).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from sys import maxsize
from typing import NamedTuple, TypeAlias

from lmshooks.core.deliveries import Attempt, Delivery
from lmshooks.core.lanes import Lane

SOON = 10
"""With much exposed, posts go on for so much shorter a time while Kafka confirms nothing; or, where that is longer,
for TWICE as long as it usually takes."""
TWICE = 2.0
MEMORY = 8
"""Confirmations over which what is usual is averaged."""
LEAST, MOST = 2, 64
"""Times as much as is made durable sooner that may be exposed at once: from the one up to the other. With each
confirmation that comes soon twice as much, where half of it was used; half as much where a quarter was not."""
SLOW = 16
"""The most where confirmations take longer than a tenth of the patience."""
CRUMB = 4
"""A patient lane waits where less than this part of what is made durable sooner may go out: no tiny requests."""
YOUNG = 0.05
"""Seconds for which a request counts as if it were answered: it soon will be, unless its endpoint is slow."""


class Settled(NamedTuple):
    """A delivery that is over, and is not known to be durably so."""

    lane: Lane
    offset: int
    """Of its last event."""
    events: int
    number: int
    """How many deliveries were settled before it."""


Covers: TypeAlias = Callable[[Lane, int, bool], bool]
"""Whether whoever took over now would know that the lane has settled all up to the offset; and whether it had when what
was confirmed was ordered."""


class Exposure:
    """Of one partition, in one tenure."""

    def __init__(self, patience: float) -> None:
        """`patience`: seconds for which Kafka may confirm nothing before posts wait for it."""
        self._patience = patience
        self._soon = patience / SOON
        self._usual = 0.0
        """Seconds that a confirmation takes; no longer than the patience."""
        self.times = LEAST
        """How many times as much as is made durable sooner may be exposed."""
        self.events = 0
        """How many would be sent again."""
        self.left = 0
        """Those of them that were settled when the last confirmation was ordered, and are not covered by it."""
        self.since: float | None = None
        """When the write or commit was ordered since which none was confirmed."""
        self.full = self.patient_full = False
        """Whether posts wait until less is exposed; whether those of patient lanes do."""
        self._settled: list[Settled] = []
        self._count = self._ordered = 0
        """Deliveries that were ever settled; and how many had been when the last write or commit was ordered."""
        self._young = 0
        """Events of requests that went out just now."""
        self._most = 0.0
        """How many times as much as is made durable sooner was exposed at once since the last confirmation."""
        self._posted: deque[Attempt] = deque()

    def post(self, delivery: Delivery, now: float) -> None:
        """A delivery goes out."""
        delivery.attempt = Attempt(now, len(delivery.members))
        self._young += delivery.attempt.events
        self._posted.append(delivery.attempt)

    def answer(self, delivery: Delivery) -> None:
        """An attempt is over, however it went."""
        if delivery.attempt is not None:
            self._over(delivery.attempt)
            delivery.attempt = None

    def _over(self, attempt: Attempt) -> None:
        self._young -= attempt.events
        attempt.events = 0

    def settle(self, lane: Lane, delivery: Delivery) -> None:
        """A delivery is over."""
        count = len(delivery.members)
        self.events += count
        self._settled.append(Settled(lane, delivery.members[-1][0], count, self._count))
        self._count += 1

    def order(self, now: float) -> None:
        """A write or a commit is under way."""
        self._ordered = self._count
        if self.since is None:
            self.since = now

    @property
    def waits(self) -> bool:
        """Whether any posts wait until less is exposed."""
        return self.full or self.patient_full

    @property
    def grew(self) -> bool:
        """Whether anything was settled since the last write or commit was ordered."""
        return self._count > self._ordered

    def confirm(self, now: float, covers: Covers) -> None:
        """Kafka confirms what was ordered last."""
        if self.since is not None:
            self._adapt(now - self.since)
        self.since = None
        before = self._ordered
        self._settled = [one for one in self._settled if not covers(one.lane, one.offset, one.number < before)]
        self.events = self.left = 0
        for one in self._settled:
            self.events += one.events
            if one.number < before:
                self.left += one.events

    def accept(self) -> None:
        """All is durable that can be. What is exposed even so, no confirmation will cover: nothing waits for it."""
        self._settled.clear()
        self.events = self.left = 0

    def _adapt(self, waited: float) -> None:
        """As much may be exposed as the last confirmation, and what was sent until then, speak for."""
        if waited > self._in_time():
            self.times = LEAST
        elif self._most * 2 >= self.times:
            self.times = min(self.times * 2, MOST if waited <= self._soon else SLOW)
        elif self._most * 4 < self.times:
            self.times = max(self.times // 2, LEAST)
        self._most = 0.0
        self._usual += (min(waited, self._patience) - self._usual) / MEMORY

    def _in_time(self) -> float:
        """Seconds that a confirmation may take; a longer one is late."""
        return max(self._soon, self._usual * TWICE)

    def _late(self, now: float) -> bool:
        """Whether the one that is waited for is late."""
        return self.since is not None and now - self.since > self._in_time()

    def room(self, now: float, much: int, patient: bool = False) -> int:
        """How many events the next request may have, for what would be exposed then; 0 where it waits.

        `much`: how many are made durable sooner. What is `patient` (a window's) is cut to the room that is left, and
        waits for every confirmation that is late. Beside nothing it goes out whole.
        """
        posted = self._posted
        while posted and (not posted[0].events or now - posted[0].at > YOUNG):
            self._over(posted.popleft())
        exposed = self.events + self._young
        times = exposed / much
        if times > self._most:
            self._most = times
        if not patient:
            self.full = times >= self.times
            return 0 if self.full else maxsize
        left = int(self.times * much) - exposed
        self.patient_full = exposed > 0 and (self._late(now) or left * CRUMB < much)
        return 0 if self.patient_full else left if exposed else maxsize

    def grows(self, now: float, much: int) -> bool:
        """Whether Kafka has confirmed nothing for too long: what went out now would only be added to it."""
        if self.since is None:
            return False
        grows = now - self.since > self._patience or (self._late(now) and self.events > much)
        self.full = self.full or grows
        return grows
