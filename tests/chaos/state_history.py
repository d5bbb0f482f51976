"""What did the state topic say, and since when? Read by rules of our own, from the entries alone.

A claim's offset is the tenure. A value counts when its tenure is not below the newest claim before it, and its stamp is
not below the one that counted before. What counted is kept as a timeline of every key.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import orjson

from tests.chaos.histories import Recorded
from tests.chaos.specs import WINDOWED

Position = tuple[int, int]
KEPT = 2000
"""Values kept parsed, of the many that a long run leaves."""


class Claim(NamedTuple):
    """Somebody took a partition over."""

    at: float
    offset: int
    by: str
    since: float
    """When the tenure before it began its fourth-last write to the state topic: what was settled earlier must not
    come again. Law 9 allows three checkpoints, and the last one in the log may not have been acknowledged. A checkpoint
    that only commits leaves nothing in the topic and is not counted: the allowance is wider then than the law's."""


class StateHistory:
    """Timelines of everything that counted."""

    def __init__(self, recorded: Iterable[Recorded]) -> None:
        self.claims: dict[int, list[Claim]] = defaultdict(list)
        self.ranges: dict[tuple[int, str], list[tuple[float, int, int, float]]] = defaultdict(list)
        """(partition, window) -> (when, done, to, closed at), in order."""
        self._reached: dict[tuple[int, str], tuple[list[int], list[float]]] = {}
        """The same: how far it reached, only growing, and since when."""
        self.topic = ""
        self._epochs: dict[int, dict[int, dict[str, str]]] = defaultdict(dict)
        self._values: dict[str, tuple[list[int], list[str | None]]] = {}
        """Key -> where the topic ended when a value began to count, and its text."""
        self._read: dict[tuple[str, int], dict[str, Any] | None] = {}
        self._lanes: dict[tuple[str, int], tuple[Position, Position, set[Position], dict[str, Position]]] = {}
        self._stamps: dict[str, tuple[int, int]] = {}
        self._writes: dict[int, list[float]] = defaultdict(list)
        self._write: dict[int, tuple[int, int]] = {}
        seen = -1
        for entry in recorded:
            if entry.offset > seen:  # a follower that began anew may have read some twice
                seen = entry.offset
                self._take(entry)
        self._begins = {partition: sorted(epochs) for partition, epochs in self._epochs.items()}

    def value(self, key: str, end: int) -> dict[str, Any] | None:
        """What counted for a key where the topic ended at `end`."""
        return self._at(key, self._place(key, end))

    def windowed(self, partition: int, offset: int, name: str) -> bool:
        """Whether an event is windowed, by the epoch of its offset."""
        begins = self._begins.get(partition, [])
        place = bisect_right(begins, offset)
        if place:
            for pattern, cadence in self._epochs[partition][begins[place - 1]].items():
                if fnmatchcase(name, pattern):
                    return cadence == "windowed"
        return name in WINDOWED

    def claim_before(self, partition: int, at: float) -> Claim | None:
        """The newest claim at a time."""
        claims = self.claims.get(partition, [])
        place = bisect_right(claims, at, key=lambda claim: claim.at)
        return claims[place - 1] if place else None

    def claim_after(self, partition: int, at: float) -> Claim | None:
        """The first claim after a time: it ended the tenure of that time."""
        claims = self.claims.get(partition, [])
        place = bisect_right(claims, at, key=lambda claim: claim.at)
        return claims[place] if place < len(claims) else None

    def claimed_between(self, partition: int, begin: float, end: float) -> bool:
        """Whether the partition was taken over in a time."""
        claim = self.claim_before(partition, end)
        return claim is not None and claim.at > begin

    def covered_at(self, partition: int, window: str, offset: int) -> float | None:
        """When a range of the window first reached past an offset."""
        key = partition, window
        if key not in self._reached:
            ends: list[int] = []
            times: list[float] = []
            for at, _, to, _ in self.ranges.get(key, ()):
                if not ends or to > ends[-1]:
                    ends.append(to)
                    times.append(at)
            self._reached[key] = ends, times
        ends, times = self._reached[key]
        place = bisect_right(ends, offset)
        return times[place] if place < len(times) else None

    def owed(self, partition: int, kind: str, name: str, account: str, position: Position, end: int) -> bool:
        """Whether the lane's record covered an event of an account where the topic ended at `end`."""
        key = f"lane|{self.topic}|{partition}|{kind}|{name}"
        place = self._place(key, end)
        known = self._lanes.get((key, place))
        if known is None:
            lane = self._at(key, place)
            if lane is None:
                return False
            listed = set(_unpack(lane.get("o", []), lane["h"][0]))
            for pending in lane.get("p", []):
                listed.update(_unpack(pending[1], lane["h"][0]))
            if len(self._lanes) >= KEPT:
                self._lanes.clear()
            held = {account: (offset, index) for account, (offset, index) in lane.get("k", ())}
            known = self._lanes[key, place] = (tuple(lane["h"]), tuple(lane["z"]), listed, held)
        head, horizon, listed, held = known
        return position >= head and (position >= held.get(account, horizon) or position in listed)

    def _place(self, key: str, end: int) -> int:
        """How many values of a key had come to count where the topic ended at `end`."""
        found = self._values.get(key)
        return bisect_right(found[0], end - 1) if found else 0

    def _at(self, key: str, place: int) -> dict[str, Any] | None:
        if not place:
            return None
        text = self._values[key][1][place - 1]
        if text is None:
            return None
        known = self._read.get((key, place))
        if known is None:
            if len(self._read) >= KEPT:
                self._read.clear()
            known = self._read[key, place] = orjson.loads(text)
        return known

    def _take(self, entry: Recorded) -> None:
        what, *rest = entry.key.split("|")
        if what not in ("claim", "part", "lane", "window") or entry.value is None:
            return
        partition = int(rest[1])
        value = orjson.loads(entry.value)
        if what == "claim":
            writes = self._writes.pop(partition, [])
            since = writes[-4] if len(writes) >= 4 else 0.0
            self.claims[partition].append(Claim(entry.at, entry.offset, value["i"], since))
            return
        stamp = (value["t"], value["s"])
        claims = self.claims.get(partition)
        if (claims and stamp[0] < claims[-1].offset) or stamp < self._stamps.get(entry.key, (-1, -1)):
            return  # void
        self._stamps[entry.key] = stamp
        if self._write.get(partition) != stamp:
            self._write[partition] = stamp
            self._writes[partition].append(entry.at)
        offsets, values = self._values.setdefault(entry.key, ([], []))
        offsets.append(entry.offset)
        values.append(None if value.get("dropped") else entry.value)
        if what == "window":
            self.ranges[partition, rest[2]].append((entry.at, value["d"], value["to"], value["at"]))
        elif what == "part":
            self.topic = rest[0]
            for offset, overrides in value["e"]:
                self._epochs[partition][offset] = overrides


def _unpack(flat: list[int], origin: int) -> list[Position]:
    found, last = [], origin
    for place in range(0, len(flat), 2):
        last += flat[place]
        found.append((last, flat[place + 1]))
    return found
