"""What does it cost to be behind? A backlog swept from twenty places, what dead endpoints are owed, a window."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from statistics import median

from tests.bench.figures import Figure, figure
from tests.bench.filling import fill
from tests.bench.probes import cpu_of, received_by, resident_of
from tests.bench.rig import ACCOUNTS, Rig, pid_of, started
from tests.bench.throughput import against
from tests.kafka.daemons import Daemon

LANES = 20
TENTHS = 10
SOON = {"initial": "1s", "ceiling": "1s", "horizon": "7d", "jitter": 0}
"""A retry policy by which all lanes are due at once when their endpoints are back."""
WINDOW = "20s"


async def drain(rig: Rig) -> list[Figure]:
    """A backlog on one partition, 20 lanes detached at different places: how often is the partition read for it?"""
    events = rig.scale.backlog // LANES * LANES
    topic = await rig.topic(partitions=1)
    subscriptions = rig.subscriptions(LANES, "lane/{}", retry=SOON)
    rig.listening.down([])
    rig.listening.take()
    daemon = rig.make(topic, subscriptions)
    async with started(daemon):
        pid, chunk, came = pid_of(daemon), events // LANES, 0
        for lane in range(LANES):
            rig.listening.down(range(lane + 1))
            await fill(rig.kafka, topic, chunk, LANES, 600, first=lane * chunk)
            came = await _came(rig, came + chunk * (LANES - lane - 1) // LANES)
        await _caught_up(daemon, events)
        read, spent = received_by(pid), cpu_of(pid)
        rig.listening.take()
        rig.listening.down([])
        await rig.arrived(1)
        await rig.arrived(events - came, timeout=600.0)
        seconds = rig.listening.last - rig.listening.first
        read, spent = received_by(pid) - read, cpu_of(pid) - spent
    bare = [await rig.alone("consume", topic, events) for _ in range(rig.scale.rounds)]
    whole = median(one["received"] / one["events"] * events for one in bare)
    times = read / whole
    rate = [times * events / seconds]
    return [
        figure("the partition was read", "times", [times], most=3.0, note=f"{events:,} events, {LANES} lanes"),
        figure("sweep rate", "records/s", rate, theirs=[median(one["events"] / one["seconds"] for one in bare)],
               baseline="bare consume loop", goal="ratio >= 0.5",
               met=rate[0] >= 0.5 * median(one["events"] / one["seconds"] for one in bare)),
        figure("drained", "events/s", [(events - came) / seconds]),
        figure("CPU", "us a delivered event", [spent / (events - came) * 1e6]),
    ]  # fmt: skip


async def _came(rig: Rig, events: int) -> int:
    await rig.arrived(events, timeout=600.0)
    return rig.listening.arrived


async def owed(rig: Rig) -> list[Figure]:
    """Resident memory while more and more events, of 300 bytes each, are owed to dead endpoints."""
    events, found = rig.scale.owed, []
    topic = await rig.topic()
    rig.listening.down(range(ACCOUNTS))
    daemon = rig.make(topic, rig.subscriptions(ACCOUNTS, "lane/{}"))
    async with started(daemon):
        for tenth in range(TENTHS):
            await fill(rig.kafka, topic, events // TENTHS, ACCOUNTS, 300, first=tenth * (events // TENTHS))
            await _caught_up(daemon, (tenth + 1) * (events // TENTHS))
            found.append(resident_of(pid_of(daemon)))
    rig.listening.down([])
    series = " ".join(f"{one:.0f}" for one in found)
    half = found[TENTHS // 2 - 1]
    flat = found[-1] <= 1.1 * half
    return [
        figure(f"{events:,} events owed, resident", "MiB", [found[-1]], theirs=[half],
               baseline="half of them owed", goal="flat", met=flat, note=f"tenth by tenth: {series}", series=found),
    ]  # fmt: skip


async def million(rig: Rig) -> list[Figure]:
    """A million events at full rate: what they cost in all, and resident memory tenth by tenth."""
    events = rig.scale.backlog
    topic, found = await rig.topic(events), list[float]()
    naive = await rig.full(rig.naive(topic, 100, apart=True), events)
    rig.listening.take()
    async with rig.daemon(topic, rig.subscriptions(ACCOUNTS)) as pid:
        for tenth in range(1, TENTHS + 1):
            await rig.arrived(events * tenth // TENTHS)
            found.append(resident_of(pid))
        spent = cpu_of(pid)
    beside = {"baseline": "naive, an account a POST", "others": naive.others}
    return [
        figure(f"{events:,} events, start included", "s of CPU", [spent], theirs=[naive.cpu * events / 1e6], **beside),
        figure(f"{events:,} events, resident at the end", "MiB", found[-1:], theirs=[naive.memory], series=found,
               note="tenth by tenth: " + " ".join(f"{one:.0f}" for one in found), **beside),
    ]  # fmt: skip


async def window(rig: Rig) -> list[Figure]:
    """A window of many events: swept and sent when it closes, against the naive loop on the same topic."""
    events = rig.scale.backlog
    topic = await rig.topic(events)
    windowed = {"windows": {"default": {"every": WINDOW}}, "cadences": {"COURSE_ENROLLMENT": "windowed"}}
    entries = rig.subscriptions(ACCOUNTS)
    seen = await rig.rounds(
        {
            "naive, 100 a POST": lambda: rig.full(rig.naive(topic, 100), events),
            "lmshooks, a window": lambda: rig.full(rig.daemon(topic, entries, **windowed), events),
        }
    )
    theirs, ours = seen.values()
    what = f"a window of {events:,}"
    return [
        *against(what, ours, theirs, "naive, 100 a POST", max(one.others for runs in seen.values() for one in runs)),
        figure(f"{what}, resident at most", "MiB", [one.memory for one in ours],
               theirs=[one.memory for one in theirs], baseline="naive"),
    ]  # fmt: skip


async def _caught_up(daemon: Daemon, events: int) -> None:
    """Wait until the live feeds have read so many events."""
    async with asyncio.timeout(900):
        while (await metrics(daemon)).get("lmshooks_events_consumed_total", 0.0) < events:
            await asyncio.sleep(0.1)


async def metrics(daemon: Daemon) -> dict[str, float]:
    """What it tells of itself, by name, and by name and labels."""

    def ask() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{daemon.port.number}/metrics", timeout=60) as answer:
            text: str = answer.read().decode()
            return text

    lines = re.findall(r"^(\w+(?:\{.*\})?) (\S+)$", await asyncio.to_thread(ask), re.MULTILINE)
    return {name: float(value) for name, value in lines}


async def running(daemon: Daemon, partitions: int) -> None:
    """Wait until it has so many partitions in hand."""
    async with asyncio.timeout(120):
        while (await metrics(daemon)).get('lmshooks_partitions{state="running"}', 0) != partitions:
            await asyncio.sleep(0.1)
