"""How fast is the daemon, what does an event cost, how late is it, against a naive loop in the same run? One table.

    python -m tests.bench [--quick] [--events N] [--profile FILE]

Everything is a process of its own: Kafka, the sender that is measured, the listener. Nothing here passes or fails: the
table has what the design wants beside what this run saw.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from aiokafka import AIOKafkaProducer

from tests.bench.listening import Listening
from tests.kafka.brokers import ApacheKafka, NoKafka
from tests.kafka.daemons import SECRET, Daemon
from tests.kafka.records import create_topic

ACCOUNTS = 100
DEAD = 10
PARTITIONS = 4
RATE = 500
TICK = os.sysconf("SC_CLK_TCK")


class Profiled(Daemon):
    """The daemon under cProfile."""

    output = ""

    def spawn(self) -> None:
        command = [sys.executable, "-m", "cProfile", "-o", self.output, "-m", "lmshooks", "run"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--config", str(self.folder)], env={**os.environ, "SECRET": SECRET}, stderr=log
            )


class Seen(NamedTuple):
    """What a run at full rate showed."""

    rate: float
    cpu: float
    """Microseconds an event."""
    memory: float
    """MiB, at the most."""


class Bench:
    """One broker, one listener, and the senders that are measured."""

    def __init__(self, kafka: str, listening: Listening, folder: Path, profile: str) -> None:
        self.kafka = kafka
        self.listening = listening
        self.folder = folder
        self.profile = profile
        self.runs = 0

    @contextlib.asynccontextmanager
    async def naive(self, topic: str, per_post: int, path: str = "hook") -> AsyncIterator[int]:
        url = f"{self.listening.url}/{path}/"
        command = [sys.executable, "-m", "tests.bench.naive", self.kafka, topic, str(per_post), url]
        process = subprocess.Popen(command)
        try:
            yield process.pid
        finally:
            process.kill()
            process.wait()

    @contextlib.asynccontextmanager
    async def daemon(self, topic: str, path: str = "hook", dead: int = 0, **more: int) -> AsyncIterator[int]:
        self.runs += 1
        one = f"{topic}.{self.runs}"
        kafka = {
            "bootstrap_servers": self.kafka, "topics": [topic], "group_id": one, "replication_factor": 1,
            "state_topic": f"{one}.state", "dead_letter_topic": f"{one}.dead", "instance_id": "one",
        }  # fmt: skip
        paths = [("hang" if at % 2 else "dead") if at < dead else path for at in range(ACCOUNTS)]
        subscriptions = [
            {
                "id": f"s{at}", "account": f"account-{at}", "events": ["*"],
                "url": f"{self.listening.url}/{paths[at]}/{at}",
                "auth": {"signature": {"secrets": [{"env": "SECRET"}]}}, **more,
            }
            for at in range(ACCOUNTS)
        ]  # fmt: skip
        kind = Profiled if self.profile else Daemon
        made = kind(self.folder / str(self.runs), kafka, subscriptions)
        if isinstance(made, Profiled):
            made.output = self.profile
        async with made:
            assert made.process is not None
            yield made.process.pid

    async def idle(self, sender: contextlib.AbstractAsyncContextManager[int]) -> float:
        """Seconds of CPU that a sender takes to start."""
        async with sender as pid:
            await asyncio.sleep(2)
            return cpu_of(pid)

    async def full(self, sender: contextlib.AbstractAsyncContextManager[int], events: int, idle: float) -> Seen:
        """The whole topic. The rate counts from the first arrival; the CPU is all of it but the start's.

        Less than all would not do: the daemon reads ahead, and what it read and did not send yet has cost already.
        """
        self.listening.take()
        first = began = 0.0
        async with sender as pid, asyncio.timeout(150):
            while (arrived := self.listening.arrived) < events:
                if arrived and not began:
                    first, began = arrived, time.monotonic()
                await asyncio.sleep(0.01)
            rate = (arrived - first) / (time.monotonic() - began) if began else math.nan
            return Seen(rate, (cpu_of(pid) - idle) / arrived * 1e6, memory_of(pid))

    async def late(
        self, sender: contextlib.AbstractAsyncContextManager[int], topic: str, seconds: float
    ) -> list[float]:
        """Milliseconds from the produce to the listener, sorted, at a steady rate; the first two seconds warm up."""
        self.listening.take()
        async with sender, producing(self.kafka) as producer, asyncio.timeout(seconds + 60):
            number = 0
            while self.listening.arrived < ACCOUNTS // 2:  # it takes part in the group
                for _ in range(ACCOUNTS):
                    await producer.send(topic, event(number), key=key(number))
                    number += 1
                await asyncio.sleep(1)
            began = time.monotonic()
            for turn in range(int((seconds + 2) * RATE)):
                await asyncio.sleep(max(0.0, began + turn / RATE - time.monotonic()))
                await producer.send(topic, event(number), key=key(number))
                number += 1
            await asyncio.sleep(1.5)
        return sorted(late for sent, late in self.listening.take() if sent >= (began + 2) * 1e9)


def producing(kafka: str, linger: int = 0) -> AIOKafkaProducer:
    return AIOKafkaProducer(bootstrap_servers=kafka, linger_ms=linger, max_batch_size=256 * 1024)


def event(number: int) -> bytes:
    """600 bytes, in ALM's envelope."""
    made = {
        "eventId": f"e{number}", "eventName": "COURSE_ENROLLMENT", "timestamp": "2026-01-20T05:48:10.000Z",
        "eventInfo": "x", "data": {"userId": str(number % 5000), "loId": f"course:{number % 700}", "fill": ""},
    }  # fmt: skip
    text = json.dumps({"accountId": f"account-{number % ACCOUNTS}", "events": [made]}, separators=(",", ":"))
    sent = f'"sent":{time.monotonic_ns()},"fill":"'
    return text.replace('"fill":"', sent + "x" * (600 - len(text) - len(sent) + 8)).encode()


def key(number: int) -> bytes:
    return f"account-{number % ACCOUNTS}".encode()


async def fill(kafka: str, topic: str, events: int) -> None:
    async with producing(kafka, linger=20) as producer:
        for number in range(events):
            last = await producer.send(topic, event(number), key=key(number))
            if number % 2000 == 1999:
                await last
        await producer.flush()


def cpu_of(pid: int) -> float:
    """Seconds of CPU, user and system, of all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory_of(pid: int) -> float:
    """MiB resident, at the most so far."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return math.nan


def share(of: list[float], part: float) -> float:
    return of[min(len(of) - 1, int(len(of) * part))] if of else math.nan


def middle(runs: list[Seen]) -> Seen:
    return Seen(*(median(column) for column in zip(*runs, strict=True)))


ROW = "{:<44} {:>10} {:>10} {:>8}  {:<18} {}"


def line(what: str, ours: float, naive: float | None, goal: str, met: bool | None) -> None:
    ratio = f"{ours / naive:.2f}" if naive else ""
    theirs = f"{naive:,.1f}" if naive else ""
    print(ROW.format(what, f"{ours:,.1f}", theirs, ratio, goal, "" if met is None else "met" if met else "NOT MET"))


async def measure(bench: Bench, events: int, rounds: int, seconds: float) -> None:
    topic = await create_topic(bench.kafka, "bench", PARTITIONS)
    await fill(bench.kafka, topic, events)
    few = events // 5
    single = await create_topic(bench.kafka, "bench-single", PARTITIONS)
    await fill(bench.kafka, single, few)
    if bench.profile:
        print("default", await bench.full(bench.daemon(topic), events, 0.0))
        bench.profile += ".1"
        print("max_events 1", await bench.full(bench.daemon(single, max_events=1), few, 0.0))
        return
    empty = await create_topic(bench.kafka, "bench-empty", PARTITIONS)
    loop, ours = await bench.idle(bench.naive(empty, 1)), await bench.idle(bench.daemon(empty))
    kinds = {
        "naive, 1 a POST": lambda: bench.full(bench.naive(single, 1), few, loop),
        "daemon, max_events 1": lambda: bench.full(bench.daemon(single, max_events=1), few, ours),
        "naive, 100 a POST": lambda: bench.full(bench.naive(topic, 100), events, loop),
        "daemon, default": lambda: bench.full(bench.daemon(topic), events, ours),
    }
    seen: dict[str, list[Seen]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, run in kinds.items():
            seen[kind].append(await run())
            print(f"  {kind:<22} {seen[kind][-1]}", file=sys.stderr)
    n1, d1, n100, d100 = (middle(runs) for runs in seen.values())
    print(f"{events} events of 600 bytes, {ACCOUNTS} accounts, {rounds} rounds (medians), {os.cpu_count()} cores, "
          f"load {os.getloadavg()[0]:.1f}\n")  # fmt: skip
    print(ROW.format("", "daemon", "naive", "ratio", "goal", ""))
    line("default: events/s (naive: 100 a POST)", d100.rate, n100.rate, ">= 100,000/s", d100.rate >= 100_000)
    line("default: CPU us an event", d100.cpu, n100.cpu, "<= 8 us", d100.cpu <= 8)
    line("default: MiB resident at most", d100.memory, n100.memory, "<= 80 MiB", d100.memory <= 80)
    line("max_events 1: events/s", d1.rate, n1.rate, "", None)
    line("max_events 1: CPU us an event", d1.cpu, n1.cpu, "ratio <= 1.15", d1.cpu <= 1.15 * n1.cpu)
    line("max_events 1: MiB resident at most", d1.memory, n1.memory, "", None)
    sys.stdout.flush()
    lates = []
    for name in ("naive", "ours", "dead"):
        topic = await create_topic(bench.kafka, f"late-{name}", PARTITIONS)
        sender = (
            bench.naive(topic, 1, "at")
            if name == "naive"
            else bench.daemon(topic, "at", dead=DEAD if name == "dead" else 0)
        )
        lates.append(await bench.late(sender, topic, seconds))
    bare, calm, dead = ((share(one, 0.5), share(one, 0.99)) for one in lates)
    line(f"{RATE}/s: median ms, produce to listener", calm[0], bare[0], "ratio <= 1.3", calm[0] <= 1.3 * bare[0])
    line(f"{RATE}/s: p99 ms", calm[1], bare[1], "ratio <= 1", calm[1] <= bare[1])
    line("10 % dead (naive column: none dead): p99 ms", dead[1], calm[1], "ratio <= 1.2", dead[1] <= 1.2 * calm[1])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--quick", action="store_true", help="a minute: one round, short latency runs")
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument(
        "--profile", default="", help="run the daemon under cProfile: FILE, and FILE.1 for max_events 1"
    )
    chosen = parser.parse_args()
    try:
        kafka = ApacheKafka().start()
    except NoKafka as why:
        print(f"no Apache Kafka: {why}", file=sys.stderr)
        return 2
    rounds, seconds = (1, 6.0) if chosen.quick else (3, 20.0)
    try:
        with tempfile.TemporaryDirectory(prefix="lmshooks-bench-") as folder, Listening() as listening:
            bench = Bench(kafka.bootstrap, listening, Path(folder), chosen.profile)
            asyncio.run(measure(bench, chosen.events, rounds, seconds))
    finally:
        kafka.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
