"""Which events are there, and who was to get them? The log by event number, in few bytes each; versions in time."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from tests.chaos.histories import Logged, Versioned
from tests.chaos.specs import NAMES, Event, Spec, Version

LINGERS = 60.0
"""Seconds for which an earlier version may still be in effect somewhere: rolling restarts, sleeping instances."""


class LogIndex:
    """Events by number; a number that is not in the log has the offset -1."""

    def __init__(self, logged: Iterable[Logged]) -> None:
        self.malformed: list[tuple[int, int]] = []
        """(partition, offset) of records that are no events."""
        self.twice: list[int] = []
        """Numbers that the log holds twice: the producer's doing, and not to happen."""
        self.partition = array("b")
        self.offset = array("q")
        self.place = array("b")
        self.at = array("d")
        self.digest = array("Q")
        self.traits = array("i")
        """By event: equal for events that nothing tells apart but their place."""
        self._wide: dict[tuple[Event, bool], int] = {}
        self.events: list[tuple[Event, bool]] = []
        for line in logged:
            self._take(line)

    def __len__(self) -> int:
        return len(self.offset)

    def has(self, number: int) -> bool:
        """Whether the log holds it."""
        return 0 <= number < len(self.offset) and self.offset[number] >= 0

    def position(self, number: int) -> tuple[int, int]:
        return self.offset[number], self.place[number]

    def event(self, number: int) -> Event:
        return self.events[self.traits[number]][0]

    def poison(self, number: int) -> bool:
        return self.events[self.traits[number]][1]

    def trait(self, number: int) -> int:
        """Equal for events that nothing tells apart but their place."""
        return self.traits[number]

    def _take(self, line: Logged) -> None:
        if line.number < 0:
            self.malformed.append((line.partition, line.offset))
            return
        while len(self.offset) <= line.number:
            self.partition.append(-1)
            self.offset.append(-1)
            self.place.append(0)
            self.at.append(0.0)
            self.digest.append(0)
            self.traits.append(0)
        if self.offset[line.number] >= 0:
            self.twice.append(line.number)
            return
        name = NAMES[NAMES.index(line.name)] if line.name in NAMES else line.name
        key = (Event(line.account, name, line.learner, line.level), line.poison)
        trait = self._wide.get(key)
        if trait is None:
            trait = self._wide[key] = len(self.events)
            self.events.append(key)
        number = line.number
        self.partition[number] = line.partition
        self.offset[number] = line.offset
        self.place[number] = line.place
        self.at[number] = line.at
        self.digest[number] = line.digest
        self.traits[number] = trait


def owed(log: LogIndex, wants: Wants) -> Iterator[int]:
    """The numbers of the events that a subscription must get."""
    always = [wants.always(event) for event, _ in log.events]
    ever = [any(spec.wants(event) for spec in wants.specs) for event, _ in log.events]
    for number, trait in enumerate(log.traits):
        if log.offset[number] < 0 or not ever[trait]:
            continue
        if always[trait] or wants.must(log.event(number), log.at[number]):
            yield number


class Wants:
    """What a subscription wanted over time: what it must get, and what it may."""

    def __init__(self, name: str, versioned: Sequence[Versioned]) -> None:
        self._begins: list[float] = []
        self.specs: list[Spec] = []
        for line in versioned:
            spec = Version.of(line.said).find(name)
            if not self.specs or self.specs[-1] != spec:
                self._begins.append(line.at)
                self.specs.append(spec)
        self._always: dict[Event, bool] = {}
        self._must: dict[tuple[int, Event], bool] = {}
        self._may: dict[tuple[int, int, Event], bool] = {}
        self._windows: dict[tuple[int, int], set[str]] = {}

    def must(self, event: Event, written: float) -> bool:
        """Whether every version that can have been in effect from its writing on wants it.

        An earlier version lingers, and a later one may be what a lane that lags is read by.
        """
        first = self._last_before(written - LINGERS)
        key = (first, event)
        known = self._must.get(key)
        if known is None:
            known = self._must[key] = all(spec.wants(event) for spec in self.specs[first:])
        return known

    def steadily(self, event: Event, written: float, sent: float) -> bool:
        """Whether every version that can have been in effect from its writing to its sending wants it.

        What only some of them want may come out of its order: after a crash it is read again under other rules.
        """
        first, last = self._last_before(written - LINGERS), self._last_before(sent)
        return all(spec.wants(event) for spec in self.specs[first : last + 1])

    def may(self, event: Event, written: float, sent: float) -> bool:
        """Whether any version that can have been in effect from its writing to its sending wants it."""
        first, last = self._last_before(written - LINGERS), self._last_before(sent)
        key = (first, last, event)
        known = self._may.get(key)
        if known is None:
            known = self._may[key] = any(spec.wants(event) for spec in self.specs[first : last + 1])
        return known

    def windows(self, written: float, sent: float) -> set[str]:
        """The windows it can have been in."""
        key = self._last_before(written - LINGERS), self._last_before(sent)
        known = self._windows.get(key)
        if known is None:
            known = self._windows[key] = {spec.window for spec in self.specs[key[0] : key[1] + 1]}
        return known

    def always(self, event: Event) -> bool:
        """Whether every version wants it."""
        known = self._always.get(event)
        if known is None:
            known = self._always[event] = all(spec.wants(event) for spec in self.specs)
        return known

    def _last_before(self, at: float) -> int:
        if len(self._begins) == 1:
            return 0
        return max(0, bisect_right(self._begins, at) - 1)
