"""How long did it take? Delays of events, recovery after faults, and memory, from a run's histories."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from tests.chaos.checker import Checker
from tests.chaos.histories import Faulted, Weighed

STEP = 0.25
"""Seconds between two looks at what is undelivered."""
WELL = 1.0
"""Seconds: a subscription has recovered when no real-time event that is older is undelivered."""
BUCKET = 5.0
"""Seconds of events whose delays are put together."""


class Delays(NamedTuple):
    """Of the events written in one bucket."""

    at: float
    median: float
    p99: float
    most: float


def quantile(values: Sequence[float], share: float) -> float:
    """Of sorted values; 0 of none."""
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0.0


def real_time(checker: Checker, name: str) -> list[tuple[float, float]]:
    """(written, first taken) of the real-time events that a subscription was sent, in the order of writing."""
    log, sub = checker.log, checker.subscribers[name]
    found = [
        (log.at[number], sub.first[number])
        for number in range(len(log))
        if sub.first[number] and not checker.windowed(number)
    ]
    return sorted(found)


def delays(events: Iterable[tuple[float, float]]) -> list[Delays]:
    """Bucket by bucket."""
    buckets: dict[int, list[float]] = defaultdict(list)
    for written, taken in events:
        buckets[int(written // BUCKET)].append(taken - written)
    found = []
    for bucket, values in sorted(buckets.items()):
        values.sort()
        found.append(Delays(bucket * BUCKET, quantile(values, 0.5), quantile(values, 0.99), values[-1]))
    return found


def well_since(events: Sequence[tuple[float, float]], end: float) -> list[float]:
    """The times, STEP apart, at which nothing older than WELL was undelivered."""
    if not events:
        return []
    waiting: list[tuple[float, float]] = []
    found, place, now = [], 0, events[0][0]
    while now < end:
        while place < len(events) and events[place][0] <= now:
            heappush(waiting, events[place])
            place += 1
        while waiting and waiting[0][1] <= now:
            heappop(waiting)
        if not waiting or now - waiting[0][0] <= WELL:
            found.append(now)
        now += STEP
    return found


def recoveries(checker: Checker, faults: Sequence[Faulted]) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Fault kind -> seconds from each one's end until the subscription it hits (or the one of all) had recovered.

    Of all; and of those alone during whose recovery no other fault was on that could delay the same subscription.
    """
    end = max((fault.ended for fault in faults), default=0.0) + 300.0
    times = {name: well_since(real_time(checker, name), end) for name in checker.subscribers}
    found: dict[str, list[float]] = defaultdict(list)
    alone: dict[str, list[float]] = defaultdict(list)
    for fault in faults:
        listener = fault.target if fault.target in times else "every"
        well = times[listener]
        place = bisect_left(well, fault.ended)
        if place == len(well):
            continue
        found[fault.kind].append(well[place] - fault.ended)
        if not any(
            other.began <= well[place] and other.ended >= fault.ended
            for other in faults
            if other is not fault and (other.target == listener or other.target not in times)
        ):
            alone[fault.kind].append(well[place] - fault.ended)
    return _sorted(found), _sorted(alone)


def _sorted(found: dict[str, list[float]]) -> dict[str, list[float]]:
    return {kind: sorted(values) for kind, values in found.items()}


def memory(weighed: Iterable[Weighed]) -> dict[str, list[tuple[float, float]]]:
    """Instance -> (when, MiB)."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for line in weighed:
        found[line.sender.partition(".")[0]].append((line.at, line.resident / 1024 / 1024))
    return found
