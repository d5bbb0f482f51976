"""What does the state topic say? Its entries in order, claims obeyed, what is void remembered.

Rules (R3, R5, R6): a claim's own offset is its tenure. A value counts when its tenure is not below the newest claim
before it and its stamp is not below the accepted one's. Compaction keeps the last value of a key, which may be a void
one: such keys are remembered until the owner has written the accepted value again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from lmshooks.core.commands import Entry
from lmshooks.core.positions import Partition
from lmshooks.core.records import Key, RosterEntry, decode_roster, parse_key


class Accepted(NamedTuple):
    """The value of a key that counts."""

    tenure: int
    sequence: int
    value: bytes
    dropped: bool
    written_at: float


class Seen(NamedTuple):
    """What one entry turned out to be."""

    key: Key
    raw_key: bytes
    offset: int
    stamp: tuple[int, int] | None
    """Of a value; None for claims, commands and tombstones."""
    nonce: str = ""
    """Of a claim."""


class Ledger:
    """The follower's view of the whole state topic."""

    def __init__(self) -> None:
        self.end = 0
        """Just past the last entry that was read."""
        self.claims: dict[Partition, int] = {}
        self.values: dict[Partition, dict[bytes, Accepted]] = {}
        self.void: dict[Partition, dict[bytes, float]] = {}
        """Keys whose last value in the log is void, with the time of that value."""
        self.rosters: dict[str, dict[str, RosterEntry]] = {}
        self.suspensions: dict[str, str] = {}
        """Subscription -> why it was stopped."""
        self.suspended_at: dict[str, float] = {}
        """Subscription -> when that was written."""
        self.resumes: dict[str, int] = {}
        """Subscription -> the offset of the last resume."""
        self.unreadable = 0
        """Entries of no known kind: a newer version's, or not ours."""

    def apply(self, entry: Entry) -> Seen | None:
        """Take in one entry; None where it is of no kind known here."""
        self.end = max(self.end, entry.offset + 1)
        key = parse_key(entry.key)
        if key is None:
            self.unreadable += 1
            return None
        try:
            return self._apply(key, entry)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            self.unreadable += 1
            return None

    def _apply(self, key: Key, entry: Entry) -> Seen | None:
        if key.what == "roster":
            if entry.value is None:
                self.rosters.pop(key.name, None)
            else:
                self.rosters[key.name] = decode_roster(entry.value)
            return Seen(key, entry.key, entry.offset, None)
        if key.what in ("suspend", "resume"):
            self._operate(key, entry)
            return Seen(key, entry.key, entry.offset, None)
        assert key.partition is not None
        if entry.value is None:
            self._bury(key.partition, entry)
            return Seen(key, entry.key, entry.offset, None)
        value: dict[str, Any] = orjson.loads(entry.value)
        if key.what == "claim":
            self.claims[key.partition] = entry.offset
            return Seen(key, entry.key, entry.offset, None, str(value["n"]))
        stamp = (int(value["t"]), int(value["s"]))
        self.accept(key.partition, entry, stamp, bool(value.get("dropped", False)))
        return Seen(key, entry.key, entry.offset, stamp)

    def accept(self, partition: Partition, entry: Entry, stamp: tuple[int, int], dropped: bool) -> None:
        """R5: does the value count?"""
        values = self.values.setdefault(partition, {})
        void = self.void.setdefault(partition, {})
        before = values.get(entry.key)
        if stamp[0] < self.claims.get(partition, -1) or (before and stamp < (before.tenure, before.sequence)):
            void[entry.key] = entry.timestamp
            return
        assert entry.value is not None
        values[entry.key] = Accepted(*stamp, entry.value, dropped, entry.timestamp)
        void.pop(entry.key, None)

    def _bury(self, partition: Partition, entry: Entry) -> None:
        """A tombstone counts only over a `dropped` value: nobody who may write one writes it over anything else."""
        values = self.values.setdefault(partition, {})
        before = values.get(entry.key)
        if before is not None and not before.dropped:
            self.void.setdefault(partition, {})[entry.key] = entry.timestamp
            return
        values.pop(entry.key, None)
        self.void.get(partition, {}).pop(entry.key, None)

    def _operate(self, key: Key, entry: Entry) -> None:
        """A suspension is void if a resume that its writer had not read stands before it."""
        if entry.value is None:
            if key.what == "suspend":
                self.suspensions.pop(key.name, None)
            return
        value = orjson.loads(entry.value)
        if key.what == "resume":
            self.resumes[key.name] = entry.offset
            self.suspensions.pop(key.name, None)
        elif self.resumes.get(key.name, -1) <= int(value["after"]):
            self.suspensions[key.name] = str(value["why"])
            self.suspended_at[key.name] = entry.timestamp

    def live(self, partition: Partition) -> Iterator[tuple[bytes, Accepted]]:
        """The partition's values that count and are not dropped."""
        for key, accepted in self.values.get(partition, {}).items():
            if not accepted.dropped:
                yield key, accepted
