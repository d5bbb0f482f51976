"""What do a dead endpoint, a hanging one and an absent broker cost? Three small scenes on one real Kafka.

isolation   100 endpoints, then one of them dead and one hanging: the others' p99, as a ratio
backlog     a million events owed to a dead endpoint: memory meanwhile, and their order once it is back
outage      the broker gone for half a minute: readiness says so, nothing is lost, no restart
"""

from __future__ import annotations

import asyncio
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.chaos.answering import Mood
from tests.chaos.checker import Checker
from tests.chaos.histories import Weighed
from tests.chaos.measures import quantile, real_time
from tests.chaos.specs import SPECS, Spec
from tests.chaos.verdicts import Wrong
from tests.chaos.world import Setting, World
from tests.kafka.brokers import ApacheKafka

ENDPOINTS = 100
SPELL = 20.0
"""Seconds of each half of the isolation scene."""
OUTAGE = 30.0
FAST = 8000.0
"""Events a second at which a backlog is made."""


async def backlog(folder: Path, count: int) -> int:
    """All three, one after the other; 1 where a law was broken."""
    broken = 0
    kafka = await asyncio.to_thread(lambda: ApacheKafka().start())
    try:
        broken += await isolation(folder / "isolation", kafka)
        broken += await owed(folder / "backlog", kafka, count)
        broken += await outage(folder / "outage", kafka)
    finally:
        kafka.close()
    return int(broken > 0)


async def isolation(folder: Path, kafka: ApacheKafka) -> int:
    """The p99 of 98 endpoints with and without two bad ones beside them, in one run."""
    specs = tuple(Spec(f"s{number:02}", account=number) for number in range(ENDPOINTS))
    setting = Setting(1, 1000.0, (True,), partitions=4, specs=specs, accounts=ENDPOINTS)
    async with World(folder, kafka.bootstrap, setting) as world:
        world.load()
        await asyncio.sleep(SPELL / 4)
        began = time.time()
        await asyncio.sleep(SPELL)
        turned = time.time()
        await world.listeners["s00"].set(Mood.REFUSES)
        await world.listeners["s01"].set(Mood.HANGS)
        await asyncio.sleep(SPELL)
        ended = time.time()
        for name in ("s00", "s01"):
            await world.listeners[name].set(None)
        await world.unload()
        await world.settle(120)
        await world.gather()
    checker = Checker(world.book.histories())
    judgement = checker.run()
    events = [event for spec in specs[2:] for event in real_time(checker, spec.id)]
    before, after = (
        quantile(sorted(taken - written for written, taken in events if first <= written < last), 0.99)
        for first, last in ((began, turned), (turned, ended))
    )
    print(
        f"isolation: p99 of {ENDPOINTS - 2} endpoints {before * 1000:.1f} ms, a dead and a hanging one beside them "
        f"{after * 1000:.1f} ms: {after / max(before, 1e-9):.2f} times; {judgement.duplicates} repeated"
    )
    return _verdict(judgement.lines(), bool(judgement.wrong))


async def owed(folder: Path, kafka: ApacheKafka, count: int) -> int:
    """So many events owed to one dead endpoint while another keeps up, then all of them in order."""
    specs = (Spec("every"), SPECS[0])
    setting = Setting(2, FAST, (True,), partitions=4, specs=specs)
    async with World(folder, kafka.bootstrap, setting) as world:
        await world.listeners["every"].set(Mood.REFUSES)
        await asyncio.sleep(2)
        quiet = time.time()
        await world.producing.run(count)
        await world.unload()
        while not _committed(world):
            world.check()
            await asyncio.sleep(0.5)
        await asyncio.sleep(5)
        full = time.time()
        await world.listeners["every"].set(None)
        settled = await world.settle(count / 1000 + 120)
        drained = time.time()
        await world.gather()
    judgement = Checker(world.book.histories()).run()
    spans = {"before": (0.0, quiet), "while owed": (quiet, full), "while sent": (full, drained)}
    weighed = list(world.book.read(Weighed))
    peaks = {
        name: max((line.resident for line in weighed if first <= line.at < last), default=0) / 1024 / 1024
        for name, (first, last) in spans.items()
    }
    print(
        f"backlog: {judgement.logged} events owed to a dead endpoint; resident memory at most, MiB: "
        + ", ".join(f"{name} {peak:.0f}" for name, peak in peaks.items())
        + f"; all sent {settled and round(settled)} s after it came back, {judgement.wrong[Wrong.LOST]} lost, "
        f"{judgement.wrong[Wrong.DISORDERED]} disordered, {judgement.duplicates} repeated"
    )
    return _verdict(judgement.lines(), bool(judgement.wrong) or settled is None)


def _committed(world: World) -> bool:
    """Whether the live feed stands at the log's end, whatever is owed."""
    ends = world.sampler.ends
    return bool(ends) and all(world.sampler.committed.get(number, 0) >= end for number, end in ends.items())


async def outage(folder: Path, kafka: ApacheKafka) -> int:
    """The broker is away for OUTAGE seconds."""
    setting = Setting(3, 300.0, (True,), partitions=4, specs=(Spec("every"), SPECS[0]))
    async with World(folder, kafka.bootstrap, setting) as world:
        (instance,) = world.instances
        world.load()
        await asyncio.sleep(5)
        kafka.kill()
        await asyncio.sleep(OUTAGE)
        said = await asyncio.to_thread(_readiness, instance.daemon.port.number)
        await asyncio.to_thread(kafka.start)
        back = time.time()
        await asyncio.sleep(10)
        await world.unload()
        settled = await world.settle(120)
        await world.gather()
        restarts = len(instance.exits)
    checker = Checker(world.book.histories())
    judgement = checker.run()
    first = min((taken for _, taken in real_time(checker, "every") if taken > back), default=back)
    print(
        f"outage: {OUTAGE:.0f} s without the broker, /readyz said {said} meanwhile, delivering again "
        f"{first - back:.1f} s after it served; {judgement.wrong[Wrong.LOST]} lost, "
        f"{judgement.wrong[Wrong.DISORDERED]} disordered, {judgement.duplicates} repeated, {restarts} restarts"
    )
    return _verdict(judgement.lines(), bool(judgement.wrong) or settled is None or restarts > 0 or said == 200)


def _readiness(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def _verdict(lines: list[str], broken: bool) -> int:
    if broken:
        print("\n".join(lines))
    return int(broken)
