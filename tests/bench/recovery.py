"""What does a crash cost, and how long does a start take? kill -9 at full speed; an empty and a full state topic."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import NamedTuple

from aiokafka import AIOKafkaProducer

from lmshooks.core.positions import Partition
from lmshooks.core.records import Kind, LaneRecord, claim_key, lane_key, stamped
from tests.bench.figures import Figure, figure
from tests.bench.filling import BATCH
from tests.bench.probes import cpu_of
from tests.bench.rig import ACCOUNTS, Rig, pid_of, started
from tests.kafka.daemons import Daemon
from tests.kafka.records import create_topic

REPEATED = 1500
"""Three checkpoints' worth at one event a POST."""
FULL_STATE = 100_000
"""Records."""


class History(NamedTuple):
    """What the listener saw of a topic whose sender was killed in the middle."""

    repeated: int
    lost: int
    disordered: int
    """Events that first came after a later one of their account."""
    again: float
    """Seconds from the restart to the next delivery."""


def judge(numbers: list[int], events: int, accounts: int, again: float) -> History:
    """From the numbers in the order of their coming."""
    times = Counter(numbers)
    latest: dict[int, int] = {}
    disordered = 0
    for number in dict.fromkeys(numbers):
        account = number % accounts
        disordered += number < latest.get(account, -1)
        latest[account] = max(number, latest.get(account, -1))
    return History(len(numbers) - len(times), events - len(times), disordered, again)


async def kill(rig: Rig) -> list[Figure]:
    """kill -9 at full speed, one event a POST, and at once a successor with the same stable instance id."""
    events = rig.scale.events // 5
    topic = await rig.topic(events)
    ours: list[History] = []
    theirs: list[History] = []
    for _ in range(rig.scale.rounds):
        ours.append(await _killed_daemon(rig, topic, events))
        theirs.append(await _killed_naive(rig, topic, events))
    beside = {"baseline": "naive, 1 a POST"}
    return [
        figure("repeated events a kill", "events", [one.repeated for one in ours], most=REPEATED,
               theirs=[one.repeated for one in theirs], **beside),
        figure("lost a kill", "events", [one.lost for one in ours], most=0, theirs=[one.lost for one in theirs],
               **beside),
        figure("out of order a kill", "events", [one.disordered for one in ours], most=0,
               theirs=[one.disordered for one in theirs], **beside),
        figure("delivering again after the restart", "s", [one.again for one in ours], most=2.0,
               theirs=[one.again for one in theirs], baseline="naive, its session must time out"),
    ]  # fmt: skip


async def _killed_daemon(rig: Rig, topic: str, events: int) -> History:
    rig.listening.take()
    daemon = rig.make(topic, rig.subscriptions(ACCOUNTS, "seen", max_events=1))
    async with started(daemon):
        await rig.arrived(events // 3)
        daemon.kill()
        await daemon.ended()
        numbers = list(rig.listening.take().numbers)
        at = time.monotonic()
        daemon.spawn()
        await rig.arrived(1)
        again = rig.listening.first - at
        await _rest(rig, numbers, events)
    return judge(numbers, events, ACCOUNTS, again)


async def _killed_naive(rig: Rig, topic: str, events: int) -> History:
    rig.listening.take()
    group = f"{topic}.naive.{time.monotonic_ns()}"
    async with rig.naive(topic, 1, "seen", group):
        await rig.arrived(events // 3)
    numbers = list(rig.listening.take().numbers)
    at = time.monotonic()
    async with rig.naive(topic, 1, "seen", group):
        await rig.arrived(1)
        again = rig.listening.first - at
        await _rest(rig, numbers, events)
    return judge(numbers, events, ACCOUNTS, again)


async def _rest(rig: Rig, numbers: list[int], events: int) -> None:
    """Wait until every event has come, or nothing comes any more."""
    missing, quiet = set(range(events)) - set(numbers), time.monotonic()
    while missing and time.monotonic() - quiet < 30.0:
        await asyncio.sleep(0.2)
        if more := rig.listening.take().numbers:
            quiet = time.monotonic()
            numbers += more
            missing.difference_update(more)
    await asyncio.sleep(0.5)  # a repeat may come behind the last one
    numbers += rig.listening.take().numbers


async def start(rig: Rig) -> list[Figure]:
    """From the process's start to ready: with an empty state topic, and with 100,000 lane records in it."""
    empty: list[tuple[float, float]] = []
    full: list[tuple[float, float]] = []
    for _ in range(rig.scale.rounds):
        topic = await create_topic(rig.kafka, f"start-{time.monotonic_ns()}", 4)
        daemon = rig.make(topic, rig.subscriptions(ACCOUNTS))
        empty.append(await ready_in(daemon))
        await fill_state(rig.kafka, state_topic_of(daemon), FULL_STATE, keys=FULL_STATE)
        full.append(await ready_in(daemon))
    walls = [[wall for wall, _ in runs] for runs in (empty, full)]
    cpus = [f"{min(cpu for _, cpu in runs):.2g} s of CPU" for runs in (empty, full)]
    return [
        figure("ready, the state topic empty", "s", walls[0], most=1.5, note=cpus[0]),
        figure("ready, 100,000 records in the state topic", "s", walls[1], most=3.0, theirs=walls[0],
               baseline="empty", note=cpus[1]),
    ]  # fmt: skip


async def ready_in(daemon: Daemon) -> tuple[float, float]:
    """Seconds from its start, and of its CPU."""
    at = time.monotonic()
    async with started(daemon):
        return time.monotonic() - at, cpu_of(pid_of(daemon))


def state_topic_of(daemon: Daemon) -> str:
    """As its configuration names it."""
    return next(word for word in (daemon.folder / "daemon.yaml").read_text().split() if word.endswith(".state"))


async def fill_state(kafka: str, state: str, records: int, keys: int) -> None:
    """Records of so many lanes of another instance's partitions, each under its claim: what every instance follows."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka, max_batch_size=BATCH)
    async with producer:
        claims = []
        for number in range(4):
            claim = claim_key(Partition("elsewhere", number))
            claims.append(
                (await producer.send_and_wait(state, b'{"n":"other/1","i":"other"}', key=claim, partition=0)).offset
            )
        batch, waiting = producer.create_batch(), []
        for at in range(records):
            record = LaneRecord((at, 0), (at + 50, 0), ((at, 0), (at + 7, 0)), (), None, 1.8e9).encode()
            key = lane_key(Partition("elsewhere", at % 4), Kind.REAL_TIME, f"subscription-{at % keys}")
            value = stamped(claims[at % 4], 1 + at, record)
            if batch.append(key=key, value=value, timestamp=None) is None:
                waiting.append(await producer.send_batch(batch, state, partition=0))
                batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)
        waiting.append(await producer.send_batch(batch, state, partition=0))
        await asyncio.gather(*waiting)
