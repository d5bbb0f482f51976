"""What is to be done? The machine's orders to the shell, and what it is told in return.

Every command that has an answer carries a `ticket`: the shell hands the command itself back with the answer. An answer
to a command of an earlier tenure changes nothing; the shell need not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from lmshooks.core.events import LetterReason
from lmshooks.core.positions import Partition
from lmshooks.core.subscriptions import Endpoint


class Post(NamedTuple):
    """POST this body. Answered by `attempted(post, outcome, now)`, exactly once."""

    ticket: Any
    subscription_id: str
    endpoint: Endpoint
    delivery_id: str
    attempt: int
    """Counted from 1."""
    body: bytes
    events: int


class Entry(NamedTuple):
    """One entry of the state topic, as it was read back."""

    offset: int
    timestamp: float
    """Seconds since the epoch."""
    key: bytes
    value: bytes | None


class WriteState(NamedTuple):
    """Write these to the state topic, in this order, in one record batch. Its success is seen by `followed` alone.

    A write that certainly failed, or whose fate is unknown, is told by `write_failed(write, now)`.
    """

    ticket: Any
    partition: Partition | None
    entries: tuple[tuple[bytes, bytes | None], ...]


class Commit(NamedTuple):
    """Commit the group's offset. Answered by `committed(commit, ok, now)`."""

    ticket: Any
    partition: Partition
    offset: int
    metadata: str


class Read(NamedTuple):
    """Read one chunk of a partition for a sweep or a window: records from `offset` on, none at or past `end`.

    Answered by `swept(read, records, next_offset, now)`, where `next_offset` is where reading goes on (past gaps), or
    by `expired(read, log_start, now)` when the log no longer holds `offset`, or by `read_failed(read, now)`.
    """

    ticket: Any
    partition: Partition
    stream: int
    """Reads of one stream of a partition follow one another: the reader may stay where it is between them."""
    offset: int
    end: int


@dataclass(frozen=True, slots=True)
class Bury:
    """Write a dead letter. Answered by `buried(bury, ok, now)`."""

    ticket: Any
    partition: Partition
    offset: int
    index: int
    reason: LetterReason
    why: str
    subscription_id: str | None
    delivery_id: str | None
    value: bytes | None
    """The event's, or the record's, bytes as they were written; None where the log no longer has them."""
    headers: tuple[tuple[str, bytes], ...]


class AskEnd(NamedTuple):
    """Where does the partition's log end now? Answered by `ended(ask, log_end, now)`, or not at all."""

    ticket: Any
    partition: Partition


class Start(NamedTuple):
    """The claim is read back: hand the partition's live records to the machine, from `offset` on."""

    partition: Partition
    offset: int


class Hold(NamedTuple):
    """Stop (or go on with) handing the live records of a partition to the machine."""

    partition: Partition
    held: bool


Command = Post | WriteState | Commit | Read | Bury | AskEnd | Start | Hold
