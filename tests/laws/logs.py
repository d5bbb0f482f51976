"""What does Kafka keep? A source log, the state topic with its compaction, and the group's offsets, with plain numbers.

Everything here is deterministic: what happens, and when, is decided by the operations.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from lmshooks.core.commands import Entry
from lmshooks.core.positions import Partition, Position
from lmshooks.core.records import Key, read_record


@dataclass(slots=True)
class SourceRecord:
    """One record of a source partition."""

    offset: int
    timestamp: int
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class Fact(NamedTuple):
    """An event as its producer knows it."""

    partition: Partition
    position: Position
    account: str
    learner: str
    name: str
    id: str
    number: int
    poison: bool
    """Whether every listener refuses it for ever."""


@dataclass
class SourceLog:
    """One partition: records with gaps between them."""

    partition: Partition
    records: list[SourceRecord] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    end: int = 0
    start: int = 0
    """What lies before it is no longer in the log."""

    def expire(self, start: int) -> None:
        """Retention removes everything before an offset."""
        self.start = max(self.start, start)
        kept = bisect_left(self.offsets, self.start)
        del self.records[:kept], self.offsets[:kept]

    def append(self, value: bytes, now: float) -> int:
        """The new record's offset."""
        self.records.append(SourceRecord(self.end, int(now * 1000), value))
        self.offsets.append(self.end)
        self.end += 1
        return self.end - 1

    def read(self, offset: int, end: int, limit: int) -> tuple[list[SourceRecord], int]:
        """At most `limit` records from `offset` on, none at or past `end`; and where reading goes on."""
        begin = bisect_left(self.offsets, offset)
        stop = min(bisect_left(self.offsets, end), begin + limit)
        found = self.records[begin:stop]
        more = stop < len(self.records) and self.offsets[stop] < end
        return found, found[-1].offset + 1 if more and found else max(offset, end)


class View:
    """What the state topic says to whoever reads it from its beginning; written without the machine's own follower."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.claims: dict[str, int] = {}
        self.accepted: dict[bytes, tuple[tuple[int, int], dict[str, Any]]] = {}
        for entry in entries:
            self.apply(entry)

    def apply(self, entry: Entry) -> None:
        """The next entry."""
        what, _, rest = entry.key.decode().partition("|")
        if what == "claim":
            self.claims[rest] = entry.offset
        elif what in ("lane", "window", "part"):
            before = self.accepted.get(entry.key)
            if entry.value is None:
                if before is None or before[1].get("dropped") or not _whole(what, before[1]):
                    self.accepted.pop(entry.key, None)
                return
            try:
                value = orjson.loads(entry.value)
                stamp = (int(value["t"]), int(value["s"]))
            except (ValueError, LookupError, TypeError):
                return
            claim = self.claims.get("|".join(rest.split("|")[:2]), -1)
            if stamp[0] >= claim and (before is None or stamp >= before[0] or before[0][0] > claim):
                self.accepted[entry.key] = (stamp, value)

    def value(self, key: bytes) -> dict[str, Any] | None:
        """What counts for a key."""
        found = self.accepted.get(key)
        return None if found is None or found[1].get("dropped") else found[1]


def _whole(what: str, value: dict[str, Any]) -> bool:
    """Whether it can be read as what its key says."""
    try:
        read_record(Key(what), orjson.dumps(value))
    except ValueError:
        return False
    return True


@dataclass
class StateLog:
    """The state topic: one partition, compacted."""

    entries: list[Entry] = field(default_factory=list)
    end: int = 0
    view: View = field(default_factory=View)

    def append(self, batch: Sequence[tuple[bytes, bytes | None]], now: float) -> None:
        """A batch lands whole."""
        for key, value in batch:
            self.entries.append(Entry(self.end, now, key, value))
            self.view.apply(self.entries[-1])
            self.end += 1

    def after(self, offset: int, limit: int | None = None) -> list[Entry]:
        """What a follower that stands at `offset` reads next."""
        begin = bisect_left(self.entries, offset, key=lambda entry: entry.offset)
        return self.entries[begin : None if limit is None else begin + limit]

    def compact(self, before: float) -> None:
        """Keep the last value of every key among those written before; tombstones that old go too."""
        last = {entry.key: entry.offset for entry in self.entries if entry.timestamp < before}
        self.entries = [
            entry
            for entry in self.entries
            if entry.timestamp >= before or (last[entry.key] == entry.offset and entry.value is not None)
        ]
        self.view = View(self.entries)

    def live_lanes(self) -> dict[bytes, dict[str, Any]]:
        """The lane records that count."""
        lanes = [(key, self.view.value(key)) for key in self.view.accepted if key.startswith(b"lane|")]
        return {key: value for key, value in lanes if value is not None}
