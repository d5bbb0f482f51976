"""How do positions look in the state topic? Keys and values, to bytes and back.

A value is a JSON object that opens with its stamp, (tenure, sequence); what follows is its content. Positions are
delta-coded: an offset as the distance from the one before it, the index behind it where it is not 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from lmshooks.core.positions import Partition, Position


class Kind(StrEnum):
    """Which of a subscription's two lanes?"""

    REAL_TIME = "real-time"
    WINDOWED = "windowed"


_LETTER = {Kind.REAL_TIME: "r", Kind.WINDOWED: "w"}
_KIND = {letter: kind for kind, letter in _LETTER.items()}


class Key(NamedTuple):
    """A state key, taken apart."""

    what: str
    """claim, part, lane, window, roster, suspend, resume"""
    partition: Partition | None = None
    name: str = ""
    """The subscription, window or digest."""
    kind: Kind | None = None


def claim_key(partition: Partition) -> bytes:
    """Who owns the partition?"""
    return f"claim|{partition.topic}|{partition.number}".encode()


def part_key(partition: Partition) -> bytes:
    """The partition record."""
    return f"part|{partition.topic}|{partition.number}".encode()


def lane_key(partition: Partition, kind: Kind, subscription_id: str) -> bytes:
    """The record of one lane (R10: the window's name is no part of it)."""
    return f"lane|{partition.topic}|{partition.number}|{_LETTER[kind]}|{subscription_id}".encode()


def window_key(partition: Partition, name: str) -> bytes:
    """The record of one window's range."""
    return f"window|{partition.topic}|{partition.number}|{name}".encode()


def roster_key(digest: str) -> bytes:
    """Which subscriptions a configuration had."""
    return f"roster|{digest}".encode()


def suspend_key(subscription_id: str) -> bytes:
    """The daemon stopped the subscription."""
    return f"suspend|{subscription_id}".encode()


def resume_key(subscription_id: str) -> bytes:
    """The operator's command to go on."""
    return f"resume|{subscription_id}".encode()


def parse_key(key: bytes) -> Key | None:
    """Take a key apart; None where it is of no kind known here (a newer version's, or not ours)."""
    try:
        what, _, rest = key.decode().partition("|")
        if what in ("roster", "suspend", "resume"):
            return Key(what, None, rest)
        if what in ("claim", "part"):
            topic, number = rest.split("|")
            return Key(what, Partition(topic, int(number)))
        if what == "lane":
            topic, number, letter, name = rest.split("|", 3)
            return Key(what, Partition(topic, int(number)), name, _KIND[letter])
        if what == "window":
            topic, number, name = rest.split("|", 2)
            return Key(what, Partition(topic, int(number)), name)
    except (ValueError, KeyError):
        return None
    return None


def stamped(tenure: int, sequence: int, content: bytes) -> bytes:
    """A value: its stamp, then its content (a JSON object, `{}` at least)."""
    if content == b"{}":
        return b'{"t":%d,"s":%d}' % (tenure, sequence)
    return b'{"t":%d,"s":%d,' % (tenure, sequence) + content[1:]


def content_of(value: Mapping[str, Any]) -> bytes:
    """The content of a value that was read: what `stamped` was given."""
    return orjson.dumps({name: field for name, field in value.items() if name not in ("t", "s")})


DROPPED = b'{"dropped":true}'
"""The content that says: no record here (a tombstone that carries a stamp)."""


def pack(positions: Iterable[Position], origin: int) -> list[int]:
    """Positions, sorted, as flat (offset distance, index) pairs."""
    flat: list[int] = []
    last = origin
    for offset, index in positions:
        flat += (offset - last, index)
        last = offset
    return flat


def unpack(flat: list[int], origin: int) -> list[Position]:
    """The reverse of `pack`."""
    found: list[Position] = []
    last = origin
    for place in range(0, len(flat), 2):
        last += flat[place]
        found.append((last, flat[place + 1]))
    return found


class PendingRecord(NamedTuple):
    """A delivery that was attempted or split."""

    id: str
    members: tuple[Position, ...]
    keys: tuple[str, ...]
    attempts: int
    refusals: int


class LaneRecord(NamedTuple):
    """What a lane is owed (R7)."""

    head: Position
    horizon: Position
    owed: tuple[Position, ...] = ()
    pending: tuple[PendingRecord, ...] = ()
    orphan_since: float | None = None
    failing_since: float | None = None
    head_at: float | None = None
    """When the oldest owed event was written, as far as known."""

    def encode(self) -> bytes:
        """As content."""
        fields: dict[str, Any] = {"h": self.head, "z": self.horizon}
        if self.owed:
            fields["o"] = pack(self.owed, self.head[0])
        if self.pending:
            fields["p"] = [
                [one.id, pack(one.members, self.head[0]), one.keys, one.attempts, one.refusals] for one in self.pending
            ]
        if self.orphan_since is not None:
            fields["x"] = self.orphan_since
        if self.failing_since is not None:
            fields["f"] = self.failing_since
        if self.head_at is not None:
            fields["a"] = self.head_at
        return orjson.dumps(fields)

    def essence(self) -> LaneRecord:
        """Without what alone is no reason to write: attempt counts and since when it fails."""
        return self._replace(
            pending=tuple(one._replace(attempts=0) for one in self.pending), failing_since=None, head_at=None
        )

    @classmethod
    def decode(cls, value: Mapping[str, Any]) -> LaneRecord:
        """From a value read back. Raises KeyError, TypeError or ValueError where it is not one."""
        head = (int(value["h"][0]), int(value["h"][1]))
        return cls(
            head,
            (int(value["z"][0]), int(value["z"][1])),
            tuple(unpack(value.get("o", []), head[0])),
            tuple(
                PendingRecord(one[0], tuple(unpack(one[1], head[0])), tuple(one[2]), one[3], one[4])
                for one in value.get("p", [])
            ),
            value.get("x"),
            value.get("f"),
            value.get("a"),
        )


class PartRecord(NamedTuple):
    """What holds for the whole partition (R8)."""

    roster: str
    """The digest of the configuration's roster that is applied."""
    committed: int
    """The target that is committed once this is durable."""
    epochs: tuple[tuple[int, Mapping[str, str]], ...] = ()
    """(offset, cadence overrides from there on), ascending."""
    letters: tuple[tuple[int, int], ...] = ()
    """Malformed events whose dead letters are not yet written."""

    def encode(self) -> bytes:
        """As content."""
        return orjson.dumps({"r": self.roster, "c": self.committed, "e": self.epochs, "l": self.letters})

    @classmethod
    def decode(cls, value: Mapping[str, Any]) -> PartRecord:
        """From a value read back."""
        return cls(
            value["r"],
            value["c"],
            tuple((offset, dict(overrides)) for offset, overrides in value["e"]),
            tuple((offset, index) for offset, index in value["l"]),
        )


class WindowRecord(NamedTuple):
    """A window's range: [done, to) is owed."""

    done: int
    to: int
    closed_at: float

    def encode(self) -> bytes:
        """As content."""
        return orjson.dumps({"d": self.done, "to": self.to, "at": self.closed_at})

    @classmethod
    def decode(cls, value: Mapping[str, Any]) -> WindowRecord:
        """From a value read back."""
        return cls(value["d"], value["to"], value["at"])


class RosterEntry(NamedTuple):
    """What must be known of a subscription of an earlier configuration."""

    window: str
    skips: bool
    """Inactive with `resume: now`: what comes meanwhile is not owed."""


def encode_roster(entries: Mapping[str, RosterEntry]) -> bytes:
    """All subscriptions of a configuration, as a value without a stamp: its key is its digest."""
    return orjson.dumps({name: [entry.window, entry.skips] for name, entry in sorted(entries.items())})


def decode_roster(value: bytes) -> dict[str, RosterEntry]:
    """The reverse of `encode_roster`."""
    return {name: RosterEntry(window, skips) for name, (window, skips) in orjson.loads(value).items()}


def roster_digest(encoded: bytes) -> str:
    """What a roster is known by."""
    return blake2b(encoded, digest_size=12).hexdigest()


def resume_entry(subscription_id: str, now: float) -> tuple[bytes, bytes]:
    """The state entry of an operator's `resume`: whichever instance owns a partition carries it out."""
    return resume_key(subscription_id), orjson.dumps({"at": now})
