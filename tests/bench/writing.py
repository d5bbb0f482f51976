"""How much does a running daemon write into the state topic, and how long does a start take after a day of it?

The topic is compacted, but not before `min.compaction.lag.ms` (24 h in topics that the daemon makes): whoever starts
reads all that was written in the last day. What such a day adds to a start is reckoned from so many as can be tried.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.bench.figures import Figure, figure
from tests.bench.filling import fill
from tests.bench.listening import SLOW
from tests.bench.recovery import fill_state, ready_in, state_topic_of
from tests.bench.rig import ACCOUNTS, PARTITIONS, Rig, started
from tests.kafka.daemons import Daemon
from tests.kafka.records import create_topic

RATE = 500
"""Events a second."""
WARM = 5
"""Seconds until its lanes have come and gone a few times."""
MOST = 1_000_000
"""Records that a start is measured with."""
HOUR = 3600


class Wrote(NamedTuple):
    """Into the state topic, in a stretch of time."""

    records: int
    size: int
    """Bytes of the broker's file: keys, values, and what Kafka adds."""
    seconds: float


async def state(rig: Rig) -> list[Figure]:
    """What goes into the state topic at 500/s: all healthy, some dead, all slow; at full rate; a start after a day."""
    kinds = {
        f"{RATE}/s": lambda: _steady(rig, {}),
        f"{RATE}/s, 10 % dead": lambda: _steady(rig, dict.fromkeys(range(ACCOUNTS // 10), "dead")),
        f"{RATE}/s, answers take {SLOW:g} s": lambda: _steady(rig, dict.fromkeys(range(ACCOUNTS), "slow")),
        "full rate": lambda: _full(rig),
    }
    figures, days = [], {}
    for kind, measure in kinds.items():
        one = await measure()
        print(f"    {kind:<28} {one.records:,} records in {one.seconds:.0f} s", file=sys.stderr, flush=True)
        days[kind] = int(one.records / one.seconds * HOUR * 24)
        figures += [
            figure(f"{kind}, written", "records an hour", [one.records / one.seconds * HOUR],
                   note=f"{one.records:,} in {one.seconds:.0f} s"),
            figure(f"{kind}, written", "MiB an hour", [one.size / one.seconds * HOUR / 2**20],
                   note=f"{one.size / max(1, one.records):.0f} bytes a record"),
        ]  # fmt: skip
    kept = min(MOST, rig.scale.backlog)
    starts = [await _starts(rig, kept) for _ in range(rig.scale.rounds)]
    walls, spent = zip(*starts, strict=True)
    figures.append(
        figure(f"ready, {kept:,} records of {ACCOUNTS} lanes", "s", [full for _, full in walls],
               theirs=[empty for empty, _ in walls], baseline="empty")
    )  # fmt: skip
    for kind, day in days.items():
        whole = [empty + (full - empty) * day / kept for empty, full in spent]
        note = f"reckoned: {day:,} records a day"
        figures.append(figure(f"start after a day: {kind}", "s of CPU", whole, note=note))
    return figures


async def _starts(rig: Rig, records: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """(without records, with so many) of two starts: seconds until ready, and of CPU."""
    topic = await create_topic(rig.kafka, f"day-{time.monotonic_ns()}", PARTITIONS)
    daemon = rig.make(topic, rig.subscriptions(ACCOUNTS))
    wall, cpu = await ready_in(daemon)
    await fill_state(rig.kafka, state_topic_of(daemon), records, keys=ACCOUNTS)
    wall_full, cpu_full = await ready_in(daemon)
    return (wall, wall_full), (cpu, cpu_full)


async def _steady(rig: Rig, other: Mapping[int, str]) -> Wrote:
    """At a steady rate, with other paths for some of the endpoints."""
    topic, seconds = await rig.topic(), 2 * int(rig.scale.seconds)
    entries = rig.subscriptions(ACCOUNTS)
    for at, path in other.items():
        entries[at]["url"] = rig.url(path)
    dead = sum(path == "dead" for path in other.values())
    rig.listening.take()
    daemon = rig.make(topic, entries)
    async with started(daemon):
        numbers = (RATE, WARM + seconds, ACCOUNTS, 600)
        command = [sys.executable, "-m", "tests.bench.filling", rig.kafka, topic, *map(str, numbers)]
        producer = subprocess.Popen(command)
        try:
            healthy = ACCOUNTS - dead
            await rig.arrived(RATE * WARM * healthy // ACCOUNTS, timeout=WARM + 120.0)
            async with _writing(rig, daemon) as wrote:
                await rig.arrived(RATE * (WARM + seconds) * healthy // ACCOUNTS, timeout=seconds + 120.0)
        finally:
            producer.kill()
            producer.wait()
    return wrote[0]


async def _full(rig: Rig) -> Wrote:
    """A topic that is full, from its first event to its last."""
    topic, events = await rig.topic(), rig.scale.events
    rig.listening.take()
    daemon = rig.make(topic, rig.subscriptions(ACCOUNTS))
    async with started(daemon):
        await fill(rig.kafka, topic, ACCOUNTS, ACCOUNTS, 600)
        await rig.arrived(ACCOUNTS)
        async with _writing(rig, daemon) as wrote:
            await fill(rig.kafka, topic, events, ACCOUNTS, 600)
            await rig.arrived(ACCOUNTS + events)
    return wrote[0]


@asynccontextmanager
async def _writing(rig: Rig, daemon: Daemon) -> AsyncIterator[list[Wrote]]:
    """What is written meanwhile; known at the end."""
    found: list[Wrote] = []
    topic, at = state_topic_of(daemon), time.monotonic()
    count, size = await _end(rig.kafka, topic), rig.size_of(topic)
    yield found
    count, size = await _end(rig.kafka, topic) - count, rig.size_of(topic) - size
    found.append(Wrote(count, size, time.monotonic() - at))


async def _end(kafka: str, topic: str) -> int:
    """The offset of the next record."""
    only = TopicPartition(topic, 0)
    settings: dict[str, Any] = {"bootstrap_servers": kafka, "enable_auto_commit": False}
    async with AIOKafkaConsumer(**settings) as consumer:
        return int((await consumer.end_offsets([only]))[only])
