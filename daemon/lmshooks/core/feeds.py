"""Who reads the log, and for whom? The live feed, the windows' feeds and the sweeps of one partition.

    live feed      hands every event to the lanes attached to it; never waits: a full lane is left behind (detached)
    window's feed  reads [done, to) once the window's end is durable; waits for a full lane that makes progress
    sweep          an elevator for detached lanes, one a pace class, at most three; waits for its full riders likewise

A pace class is floor(log4(the reader's rate / the lane's pace)), at most 2.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from lmshooks.core.events import Event, Record
from lmshooks.core.held import Rider
from lmshooks.core.lanes import Lane
from lmshooks.core.positions import Position, start_of

PATIENCE = 10.0
"""Seconds without a settled event after which a sweep leaves a full rider behind."""
CLASSES = 3
FACTOR = 4.0
RECENT_RECORDS = 4000
"""Records of the live feed kept while sweeps run, so that a sweep that has come this near can reach the feed."""
RECENT_BYTES = 4 * 1024 * 1024
"""Of them, at most; the last batch is kept whatever its size."""
HEADS = 4096
"""Of `Wanted.heads`, at most; beyond that they are taken apart anew."""
TURN_BACK = 60.0
"""Seconds after which a sweep turns back for lanes that wait behind it."""

_offset = attrgetter("offset")


class Wanted(NamedTuple):
    """Which records may concern those who read with a pass."""

    accounts: Mapping[str | None, int]
    """Account -> the offset before which none of its lanes wants anything.

    None among the accounts: it is not told by the first bytes.
    """
    every: int
    """The offset before which no lane of all accounts wants anything."""
    offsets: frozenset[int]
    """And these, whatever their account: positions below a horizon."""
    riders: int
    """How many rode when this was asked: with fewer, less is wanted."""
    heads: dict[bytes, int]
    """A record's bytes up to its first comma -> the offset of its account, so that they are taken apart once."""


class Stream:
    """One reading pass: a sweep of a pace class, or a window's feed."""

    def __init__(self, number: int, position: Position, window: str | None, pace_class: int = 0) -> None:
        self.number = number
        self.position = position
        """Everything before it was offered to whom it concerns."""
        self.window = window
        self.pace_class = pace_class
        self.riders: dict[tuple[str, ...], Rider] = {}
        self.exact: dict[Position, list[Lane]] = {}
        """Positions below their horizons that riders still want."""
        self.of_accounts = False
        """Whether a held account may ride."""
        self.records: Sequence[Record] = ()
        """What was read last: bytes, parsed when their turn comes."""
        self.seen = 0
        """So many of them were passed over, or parsed onto `chunk`."""
        self.chunk: deque[Event] = deque()
        """Events that are parsed and not offered yet."""
        self.chunk_end = position[0]
        """Where reading goes on after `records`."""
        self.wanted: Wanted | None = None
        """Whose records are parsed; None when it has to be asked anew."""
        self.reading = False
        self.awaited = False
        """Whether it reads no further when what it asked for is here: it turns back then."""
        self.waits_for: Lane | None = None
        """The full lane that it waits for; an account's where that is held."""
        self.asked_at = 0.0
        self.turned_at = 0.0
        self.rate = 0.0
        """Log records a second, moving average over its reads."""

    def board(self, rider: Rider, limit: Position, now: float) -> None:
        """A detached lane, or a held account, rides from its position on, to `limit` at most.

        The limit holds for the whole ride: a window that closes meanwhile raises it for what was already gone by.
        """
        self.riders[rider.identity] = rider
        self.of_accounts = self.of_accounts or rider is not rider.lane
        rider.limit = limit
        rider.boarded = (now, max(rider.next, self.position)[0])
        self.wanted = None
        for position in (*rider.missing, *rider.needed):
            self.exact.setdefault(position, []).append(rider.lane)

    def leave(self, rider: Rider, now: float) -> None:
        """It rides no longer; what was learnt of its pace stays with it."""
        self.riders.pop(rider.identity, None)
        learn_pace(rider, self.position[0], now)
        rider.boarded = None
        if self.waits_for is rider.lane:
            self.waits_for = None

    def rewind(self, position: Position) -> None:
        """Turn back: go on reading from an earlier place."""
        self.position = position
        self.hand(())
        self.chunk.clear()
        self.chunk_end = position[0]

    def hand(self, records: Sequence[Record]) -> None:
        """Records that the pass goes on with, when nothing is left in hand; those before its place do not count."""
        self.records = records
        self.seen = bisect_left(records, self.position[0], key=_offset)

    def look_again(self) -> None:
        """Somebody else may want something now: what was passed over, and lies past the pass's place, among it."""
        self.chunk.clear()
        self.hand(self.records)


def learn_pace(rider: Rider, offset: int, now: float) -> None:
    """Update a rider's pace (log records a second) once it has ridden long enough to tell."""
    if rider.boarded is None:
        return
    since, origin = rider.boarded
    if now - since >= 1.0:
        seen = max(0.0, (offset - origin) / (now - since))
        rider.pace = seen if rider.pace is None else 0.5 * rider.pace + 0.5 * seen


def pace_class(rider: Rider, rate: float) -> int:
    """Which sweep suits the lane? Unknown is fastest."""
    if rider.pace is None or rate <= 0:
        return 0
    ratio = rate / max(rider.pace, 1e-9)
    found = 0
    while ratio >= FACTOR and found < CLASSES - 1:
        ratio /= FACTOR
        found += 1
    return found


def worth_waiting(rider: Rider, stream: Stream, now: float) -> bool:
    """Does the stream wait for this full rider? Only while it settles, and only if it is of the stream's class."""
    if rider.failures or rider.blocked:
        return False
    boarded = rider.boarded[0] if rider.boarded else stream.asked_at
    if now - max(rider.settled_at, boarded) >= PATIENCE:
        return False
    learn_pace(rider, stream.position[0], now)
    if rider.boarded and now - rider.boarded[0] >= 1.0:
        rider.boarded = (now, stream.position[0])
    return pace_class(rider, stream.rate) <= stream.pace_class


class Recent:
    """The live feed's last records, for sweeps that have nearly reached it."""

    def __init__(self) -> None:
        self.batches: deque[tuple[int, Sequence[Record], int, int]] = deque()
        """(offset it begins at, records, offset it ends before, bytes)"""
        self.count = 0
        self.size = 0

    def keep(self, start: int, records: Sequence[Record], end: int) -> None:
        """Remember a batch that the live feed has passed."""
        if self.batches and self.batches[-1][2] != start:
            self.clear()
        size = sum(len(record.value or b"") for record in records)
        self.batches.append((start, records, end, size))
        self.count += len(records)
        self.size += size
        while (self.count > RECENT_RECORDS or self.size > RECENT_BYTES) and len(self.batches) > 1:
            _, oldest, _, size = self.batches.popleft()
            self.count -= len(oldest)
            self.size -= size

    def clear(self) -> None:
        """Nobody needs it now."""
        self.batches.clear()
        self.count = self.size = 0

    def since(self, offset: int) -> tuple[list[Record], int] | None:
        """Everything from `offset` to the live feed's, with that offset; None where it reaches not so far back."""
        if not self.batches or self.batches[0][0] > offset:
            return None
        found = [record for _, records, _, _ in self.batches for record in records if record.offset >= offset]
        return found, self.batches[-1][2]


class WindowFeed:
    """One window in one partition: its durable range and how far it is read."""

    def __init__(self, name: str, done: int, to: int, closed_at: float) -> None:
        self.name = name
        self.done = done
        """Durable: everything before it is settled or covered by lane records."""
        self.to = to
        """The end of the range that may be read: durable."""
        self.closed_at = closed_at
        """The last close that was looked after: also one of an empty range, which is no reason to write."""
        self.durable_close = closed_at
        self.read: Position = start_of(done)
        self.target: Position = start_of(done)
        """Where the feed stood when the last checkpoint began: the next one's `done`, and how far into that record."""
        self.closing: tuple[int, float] | None = None
        """(end, scheduled close) that is decided but not yet durable."""
        self.asked_at: float | None = None
        """When the log's end was asked for, for a close."""
        self.next_look = 0.0
        self.stream: Stream | None = None
