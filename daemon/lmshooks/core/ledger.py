"""What does the state topic say? Its entries in order, claims obeyed, what is void remembered.

Rules (R3, R5, R6): a claim's own offset is its tenure. A value counts when its tenure is not below the newest claim
before it and its stamp is not below the accepted one's. Compaction keeps the last value of a key, which may be a void
one: such keys are remembered until the owner has written the accepted value again.

A value without a stamp is void, too: nobody who may write one writes it so. Where no accepted value stands before it,
what the key said is unknown, which is remembered as damage: whoever takes the partition over must not go on as if there
were nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from operator import itemgetter
from typing import Any, NamedTuple

import orjson

from lmshooks.core.commands import Entry
from lmshooks.core.positions import Partition
from lmshooks.core.records import Key, LaneRecord, RosterEntry, decode_roster, parse_key, read_record


class Accepted(NamedTuple):
    """The value of a key that counts."""

    tenure: int
    sequence: int
    value: bytes
    dropped: bool
    written_at: float
    offset: int = -1


class Seen(NamedTuple):
    """What one entry turned out to be."""

    key: Key
    raw_key: bytes
    offset: int
    stamp: tuple[int, int] | None
    """Of a value that counts; None for claims, commands, tombstones and what is void."""
    nonce: str = ""
    """Of a claim."""


class Damage(NamedTuple):
    """A key of a known kind, of which nothing that counts can be read."""

    offset: int
    why: str


class Ledger:
    """The follower's view of the whole state topic."""

    def __init__(self) -> None:
        self.end = 0
        """Just past the last entry that was read."""
        self.claims: dict[Partition, int] = {}
        self.values: dict[Partition, dict[bytes, Accepted]] = {}
        self.void: dict[Partition, dict[bytes, float]] = {}
        """Keys whose last value in the log is void, with the time of that value."""
        self.damaged: dict[bytes, Damage] = {}
        self.rosters: dict[str, dict[str, RosterEntry]] = {}
        self.rosters_written: dict[str, float] = {}
        self.applied: dict[Partition, str] = {}
        """The digest of the roster that each partition record names."""
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
            seen = self._apply(key, entry)
        except (LookupError, TypeError, AttributeError, OverflowError, ValueError) as error:
            self._spoilt(key, entry, f"{type(error).__name__}: {error}")
            return None if key.partition is None else Seen(key, entry.key, entry.offset, None)
        self.damaged.pop(entry.key, None)
        return seen

    def _spoilt(self, key: Key, entry: Entry, why: str) -> None:
        """An entry of a known kind that cannot be read at all."""
        self.unreadable += 1
        if key.partition is not None and entry.key in self.values.get(key.partition, {}):
            self.void.setdefault(key.partition, {})[entry.key] = entry.timestamp
        elif key.what in ("part", "lane", "window", "roster"):
            self.damaged[entry.key] = Damage(entry.offset, why)

    def _apply(self, key: Key, entry: Entry) -> Seen | None:
        if key.what == "roster":
            if entry.value is None:
                self.rosters.pop(key.name, None)
                self.rosters_written.pop(key.name, None)
            else:
                self.rosters[key.name] = decode_roster(entry.value)
                self.rosters_written[key.name] = entry.timestamp
            return Seen(key, entry.key, entry.offset, None)
        if key.what in ("suspend", "resume"):
            self._operate(key, entry)
            return Seen(key, entry.key, entry.offset, None)
        assert key.partition is not None
        if entry.value is None:
            if key.what != "claim":
                self._bury(key, key.partition, entry)
            return Seen(key, entry.key, entry.offset, None)
        if key.what == "claim":  # whatever is in it: its place in the log is what it says
            self.claims[key.partition] = entry.offset
            return Seen(key, entry.key, entry.offset, None, _nonce(entry.value))
        value: dict[str, Any] = orjson.loads(entry.value)
        stamp = (int(value["t"]), int(value["s"]))
        if not self.accept(key.partition, entry, stamp, bool(value.get("dropped", False))):
            return Seen(key, entry.key, entry.offset, None)
        if key.what == "part":
            self.applied[key.partition] = str(value.get("r", ""))
        return Seen(key, entry.key, entry.offset, stamp)

    def accept(self, partition: Partition, entry: Entry, stamp: tuple[int, int], dropped: bool) -> bool:
        """R5: does the value count?

        A tenure above the newest claim is of no claim in this log (a topic that was restored, a hand): what it said
        counts until the owner writes the key.
        """
        values = self.values.setdefault(partition, {})
        void = self.void.setdefault(partition, {})
        before = values.get(entry.key)
        claim = self.claims.get(partition, -1)
        if stamp[0] < claim or (before and before.tenure <= claim and stamp < (before.tenure, before.sequence)):
            void[entry.key] = entry.timestamp
            return False
        assert entry.value is not None
        values[entry.key] = Accepted(*stamp, entry.value, dropped, entry.timestamp, entry.offset)
        void.pop(entry.key, None)
        return True

    def _bury(self, key: Key, partition: Partition, entry: Entry) -> None:
        """A tombstone counts only over a `dropped` value: nobody who may write one writes it over anything else.

        And over one that cannot be read: so an operator says that what it said is given up.
        """
        values = self.values.setdefault(partition, {})
        before = values.get(entry.key)
        if before is not None and not before.dropped and _readable(key, before.value):
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

    def orphans(self) -> list[tuple[str, float]]:
        """(subscription, since when it is in no file), as the lane records of all partitions say, ascending by time."""
        found = []
        for values in self.values.values():
            for raw, accepted in values.items():
                if b'"x":' not in accepted.value or accepted.dropped:  # few are: do not read a hundred thousand others
                    continue
                key = parse_key(raw)
                if key is None or key.what != "lane":
                    continue
                with suppress(ValueError):  # it holds its own partition, and no other
                    record = read_record(key, accepted.value)
                    if isinstance(record, LaneRecord) and record.orphan_since is not None:
                        found.append((key.name, record.orphan_since))
        return sorted(found, key=itemgetter(1))

    def idle_rosters(self, before: float) -> list[str]:
        """Digests of rosters written before that moment which no partition record names any more."""
        named = set(self.applied.values())
        return [digest for digest, when in self.rosters_written.items() if when < before and digest not in named]


def _nonce(value: bytes) -> str:
    """Whose claim it is; empty where it cannot be read, which is nobody's here."""
    try:
        return str(orjson.loads(value)["n"])
    except (LookupError, TypeError, ValueError):
        return ""


def _readable(key: Key, value: bytes) -> bool:
    try:
        read_record(key, value)
    except ValueError:
        return False
    return True
