"""What is known to be durable of one partition? The records in the log, and the one write under way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import orjson

from lmshooks.core.commands import WriteState
from lmshooks.core.lanes import Lane
from lmshooks.core.ledger import Accepted
from lmshooks.core.positions import Partition, Position, start_of
from lmshooks.core.records import Kind, LaneRecord, PartRecord, WindowRecord, content_of, lane_key, part_key, stamped

SOFT_AGE = 600.0
"""Seconds after which attempt counts alone are a reason to write a record again."""
MIRROR_AGE = 10.0
"""Seconds after which a commit that moved on is a reason to write the partition record again. It is all that is left
where the group's own offset is lost: what was settled meanwhile comes again then."""


class Recorded(NamedTuple):
    """What lies in the log for a key, as far as acknowledged."""

    content: bytes
    written_at: float
    lane: LaneRecord | None = None
    part: PartRecord | None = None


class Flight(NamedTuple):
    """The one state write that is under way."""

    write: WriteState
    stamp: tuple[int, int]
    last_key: bytes
    contents: dict[bytes, Recorded | None]
    target: int
    windows: dict[str, int]
    closings: dict[str, tuple[int, float]]
    lives: tuple[Lane, ...]
    """The lanes whose records it holds: an acknowledgement counts only for the life it was written for."""
    epochs: int
    begun_at: float
    final: bool
    """The last one of a release: with it everything is written that has to be."""


class Store:
    """What is known to be durable of one partition in one tenure."""

    def __init__(self, partition: Partition, tenure: int, committed: int) -> None:
        self.partition = partition
        self.tenure = tenure
        self.sequence = 0
        self.recorded: dict[bytes, Recorded] = {}
        self.unknown: set[bytes] = set()
        """Keys of which the log may hold anything: written again whatever memory believes (R4)."""
        self.flight: Flight | None = None
        self.acknowledged = committed
        """The group's committed offset, as acknowledged."""
        self.written = tenure
        """The state topic's offset of the last write that landed; before the first, the claim's."""

    def adopt(self, key: bytes, accepted: Accepted, record: LaneRecord | PartRecord | WindowRecord) -> None:
        """What the ledger accepted before this tenure began."""
        content = content_of(orjson.loads(accepted.value))
        lane = record if isinstance(record, LaneRecord) else None
        part = record if isinstance(record, PartRecord) else None
        self.recorded[key] = Recorded(content, accepted.written_at, lane, part)

    def must_write(self, key: bytes, content: bytes, lane: LaneRecord | None, now: float) -> bool:
        """Whether the log does not already say this; attempt counts alone wait until they are old."""
        known = self.recorded.get(key)
        if known is None or key in self.unknown:
            return True
        if known.content == content:
            return False
        if lane is None or known.lane is None or known.lane.head != lane.head or known.lane.horizon != lane.horizon:
            return True
        if known.lane.essence() == lane.essence():
            return now - known.written_at >= SOFT_AGE
        return True

    def part_differs(self, part: PartRecord) -> bool:
        """Whether the log's partition record says something else, be the commit where it may."""
        known = self.recorded.get(self.part_key())
        if known is None or known.part is None or self.part_key() in self.unknown:
            return True
        return part._replace(committed=known.part.committed) != known.part

    def must_write_part(self, part: PartRecord, now: float, exact: bool) -> bool:
        """Whether it is to be written; that only the commit has moved on waits until it is old, unless `exact`."""
        if self.part_differs(part):
            return True
        known = self.recorded[self.part_key()]
        return part != known.part and (exact or now - known.written_at >= MIRROR_AGE)

    def knows_beyond(self, key: bytes, target: Position) -> bool:
        """Whether a lane's record says of events from the target on that they are settled: who starts there needs it.

        Such a lane was ahead of its feed when the record was written; that the feed has caught up since is not enough.
        """
        known = self.recorded.get(key)
        return known is not None and known.lane is not None and known.lane.horizon > target

    def may_drop(self, lane: Lane | None, recorded: LaneRecord, target: Position, feed: Position, durable: int) -> bool:
        """R2: a lane's record goes only when the lane is attached, its head is at or past the target, nothing in the
        record is pending, and neither its position nor its horizon is past what is acknowledged as durable (`durable`):
        who started there would send again what the record says is settled."""
        if lane is None:
            return recorded.head <= start_of(durable)
        if not lane.attached or lane.orphan_since is not None or lane.head(feed) < target:
            return False
        still = {delivery.id for delivery in lane.pending}
        if any(one.id in still for one in recorded.pending) or lane.missing or lane.needed:
            return False
        return max(recorded.head, recorded.horizon) <= start_of(durable)

    def owes(self, lane: Lane) -> bool:
        """Whether a record in the log says what the lane is owed: who takes over starts there, be the commit where it
        may."""
        key = self.lane_key(lane.kind, lane.subscription.id)
        return lane.alive and lane.durable and key in self.recorded and key not in self.unknown

    def compose(self, contents: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes | None]]:
        """Stamp the contents of one write; every value gets the write's own sequence."""
        self.sequence += 1
        return [(key, stamped(self.tenure, self.sequence, content)) for key, content in contents]

    def lost(self, flight: Flight) -> None:
        """R4: the fate of a write is unknown."""
        self.unknown.update(flight.contents)

    def foreign(self, stamp: tuple[int, int], key: bytes) -> bool:
        """A value of this tenure, or of none that began, which is not ours: its key is written again."""
        if stamp <= (self.tenure, self.sequence):
            return False
        if stamp[0] == self.tenure:
            self.sequence = stamp[1]
        self.unknown.add(key)
        return True

    def is_last(self, stamp: tuple[int, int] | None, key: bytes) -> bool:
        """Whether an entry that was read back is the last one of the write under way."""
        return self.flight is not None and stamp == self.flight.stamp and key == self.flight.last_key

    def landed(self, flight: Flight) -> None:
        """The write was read back: it lies in the log as written."""
        for key, recorded in flight.contents.items():
            self.unknown.discard(key)
            if recorded is None:
                self.recorded.pop(key, None)
            else:
                self.recorded[key] = recorded

    def part_key(self) -> bytes:
        """The partition record's key."""
        return part_key(self.partition)

    def lane_key(self, kind: Kind, subscription_id: str) -> bytes:
        """A lane record's key."""
        return lane_key(self.partition, kind, subscription_id)


def needs_record(lane: Lane, target: Position, feed: Position) -> bool:
    """R1: a head below the target, a detached lane, a lane ahead of its feed, one that holds accounts; and every lane
    that is not durable yet (R9)."""
    if lane.held or not lane.attached or not lane.durable or lane.orphan_since is not None or lane.next > feed:
        return True
    return lane.head(feed) < target
