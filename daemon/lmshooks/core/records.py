"""How do positions look in the state topic? Keys and values, to bytes and back.

A value is a JSON object that opens with its stamp, (tenure, sequence), whatever the version that wrote it; what follows
is its content. Positions are delta-coded: an offset as the distance from the one before it, the index behind it.

What is read back is believed only where it has exactly the shape that this version writes: a record half understood
would lose what it says. `read_record` raises ValueError for everything else, with what was found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from hashlib import blake2b
from itertools import chain
from operator import sub
from typing import Any, NamedTuple

import orjson

from lmshooks.core.catalogue import Cadence
from lmshooks.core.positions import Partition, Position

FORMAT, WITH_HELD = 1, 2
"""Versions of the records' shape, the second with held accounts. A value that names another one (`v`) is not read here:
one that says nothing of them would lose what they are owed."""


class Kind(StrEnum):
    """Which of a subscription's two lanes?"""

    REAL_TIME = "real-time"
    WINDOWED = "windowed"
    __hash__ = str.__hash__  # Enum's own is written in Python, and lanes are looked up by it for every event


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


def pack(positions: Sequence[Position], origin: int) -> list[int]:
    """Positions, sorted, as flat (offset distance, index) pairs."""
    offsets = [offset for offset, _ in positions]
    flat = [0] * (2 * len(offsets))
    flat[0::2] = map(sub, offsets, chain((origin,), offsets))
    flat[1::2] = [index for _, index in positions]
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
    begin: Position | None = None
    """Where accounts are held: the first position that is not settled of the others."""
    held: tuple[tuple[str, Position], ...] = ()
    """(account, where what it is owed begins, beside what is named above), ascending."""

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
        if self.held:
            fields |= {"v": WITH_HELD, "b": self.begin, "k": self.held}
        return orjson.dumps(fields)

    def essence(self) -> LaneRecord:
        """Without what alone is no reason to write: attempt counts and since when it fails."""
        return self._replace(
            pending=tuple(one._replace(attempts=0) for one in self.pending), failing_since=None, head_at=None
        )

    @classmethod
    def decode(cls, value: Mapping[str, Any]) -> LaneRecord:
        """From a value read back. Raises ValueError, TypeError or LookupError where it is not one."""
        head, horizon = _position(value["h"]), _position(value["z"])
        owed = _positions(value.get("o", []), head)
        pending = []
        for name, members, keys, attempts, refusals in value.get("p", []):
            if not members or not keys:
                raise ValueError("a delivery without members or keys")
            pending.append(
                PendingRecord(
                    _text(name), _positions(members, head), tuple(_text(key) for key in keys),
                    _count(attempts), _count(refusals),
                )
            )  # fmt: skip
        held = [*owed, *(member for one in pending for member in one.members)]
        if len(set(held)) < len(held) or horizon < head:
            raise ValueError("positions that are named twice, or a horizon before the head")
        stuck: tuple[tuple[str, Position], ...] = ()
        begin = None
        if value.get("v", FORMAT) == WITH_HELD:
            stuck = tuple((_text(account), _position(place)) for account, place in value["k"])
            begin = _position(value["b"])
            if not stuck or len(dict(stuck)) < len(stuck) or not head <= min(begin, *dict(stuck).values()):
                raise ValueError("no account that is held, one that is twice, or one before the head")
            if begin > horizon:
                raise ValueError("a horizon before what is not settled")
        return cls(
            head, horizon, owed, tuple(pending), _moment(value.get("x")), _moment(value.get("f")),
            _moment(value.get("a")), begin, stuck,
        )  # fmt: skip


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
        """From a value read back. Raises ValueError, TypeError or LookupError where it is not one."""
        epochs = tuple(
            (_count(offset), {_text(name): str(Cadence(one)) for name, one in overrides.items()})
            for offset, overrides in value["e"]
        )
        if not epochs or [offset for offset, _ in epochs] != sorted(offset for offset, _ in epochs):
            raise ValueError("cadence epochs that are missing or out of order")
        return cls(
            _text(value["r"]), _count(value["c"]), epochs, tuple(_position(letter) for letter in value["l"])
        )  # fmt: skip


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
        """From a value read back. Raises ValueError, TypeError or LookupError where it is not one."""
        done, to, closed_at = _count(value["d"]), _count(value["to"]), _moment(value["at"])
        if closed_at is None or to < done:
            raise ValueError("a range that ends before it begins, or no close")
        return cls(done, to, closed_at)


def read_record(key: Key, raw: bytes) -> LaneRecord | PartRecord | WindowRecord:
    """The record in a stamped value. Raises ValueError with what was found where it is none that is known here."""
    try:
        value = orjson.loads(raw)
        known = (FORMAT, WITH_HELD) if key.what == "lane" else (FORMAT,)
        if value.get("v", FORMAT) not in known:
            raise ValueError(f"format {value['v']!r}, where this version knows {' and '.join(map(str, known))}")
        if key.what == "lane":
            return LaneRecord.decode(value)
        return PartRecord.decode(value) if key.what == "part" else WindowRecord.decode(value)
    except (LookupError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError(f"{value!r:.60} where an offset or a count is expected")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.60} where a text is expected")
    return value


def _moment(value: object) -> float | None:
    if value is not None and type(value) not in (int, float):
        raise ValueError(f"{value!r:.60} where a time is expected")
    return None if value is None else float(value)  # type: ignore[arg-type]


def _position(value: Any) -> Position:
    offset, index = value
    return _count(offset), _count(index)


def _positions(flat: list[int], head: Position) -> tuple[Position, ...]:
    """Delta-coded positions, counted from `head`."""
    return tuple(_position(one) for one in unpack(flat, head[0]))


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
    return {name: RosterEntry(_text(window), bool(skips)) for name, (window, skips) in orjson.loads(value).items()}


def roster_digest(encoded: bytes) -> str:
    """What a roster is known by."""
    return blake2b(encoded, digest_size=12).hexdigest()


def resume_entry(subscription_id: str, now: float) -> tuple[bytes, bytes]:
    """The state entry of an operator's `resume`: whichever instance owns a partition carries it out."""
    return resume_key(subscription_id), orjson.dumps({"at": now})
