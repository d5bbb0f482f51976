"""What stands around a measurement? One broker, one listener, topics that are filled once, and the senders.

Kafka, the listener and the sender that is measured are each a process of its own, so that the CPU of each can be told.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.filling import fill
from tests.bench.listening import Listening
from tests.bench.probes import Others, cpu_of, peak_of
from tests.kafka.brokers import ApacheKafka
from tests.kafka.daemons import Daemon
from tests.kafka.records import create_topic

PARTITIONS = 4
BUSY = ("sender", "listener", "broker")
ACCOUNTS = 100

Sender = contextlib.AbstractAsyncContextManager[int]
"""A process that sends, as its pid."""


class Scale(NamedTuple):
    """How much of everything."""

    rounds: int
    events: int
    """At full rate, many a POST."""
    seconds: float
    """Of a latency run."""
    backlog: int
    """Events of the backlog and the window."""
    owed: int
    """Events owed to dead endpoints."""


class Seen(NamedTuple):
    """What a run at full rate showed."""

    rate: float
    """Events a second, from the first arrival to the last."""
    cpu: float
    """Microseconds an event: user and system, all of the process, from the first arrival to the last."""
    memory: float
    """MiB resident, at the most."""
    a_post: float
    """Events a POST."""
    others: float
    """Cores busy with other work."""
    busy: tuple[float, float, float]
    """Cores kept busy by the sender, the listener and the broker: which of them is the limit?"""


class Rig:
    """Makes senders and measures them."""

    def __init__(self, kafka: ApacheKafka, listening: Listening, folder: Path, scale: Scale) -> None:
        self.kafka = kafka.bootstrap
        self.listening = listening
        self.folder = folder
        self.scale = scale
        self.broker = [node.process.pid for node in kafka.nodes if node.process is not None]
        self.data = [node.data for node in kafka.nodes]
        self.pictures = Path(".cache/bench")
        """The folder for what is drawn."""
        self._topics: dict[tuple[Any, ...], str] = {}
        self._numbers = itertools.count(1)  # also those of a rig beside: no two groups have one name

    async def topic(
        self, events: int = 0, accounts: int = ACCOUNTS, size: int = 600, partitions: int = PARTITIONS
    ) -> str:
        """A topic with so many events in it, of so many bytes each; the same one when it is asked for again."""
        asked = (events, accounts, size, partitions)
        if events and asked in self._topics:
            return self._topics[asked]
        name = await create_topic(self.kafka, f"bench-{next(self._numbers)}", partitions)
        await fill(self.kafka, name, events, accounts, size)
        self._topics[asked] = name
        return name

    def beside(self, listening: Listening) -> Rig:
        """The same rig with another listener."""
        other = copy.copy(self)
        other.listening = listening
        other.folder = self.folder / f"beside-{listening.pid}"
        return other

    def size_of(self, topic: str) -> int:
        """Bytes that its log takes on the brokers' disks."""
        return sum(one.stat().st_size for data in self.data for one in data.glob(f"{topic}-*/*.log"))

    # senders

    def url(self, path: str) -> str:
        return f"{self.listening.url}/{path}/"

    @contextlib.asynccontextmanager
    async def naive(
        self, topic: str, per_post: int, path: str = "hook", group: str = "", *, apart: bool = False
    ) -> AsyncIterator[int]:
        """The loop that promises nothing; `apart`: with one account's events a POST."""
        command = [sys.executable, "-m", "tests.bench.baselines", "apart" if apart else "naive"]
        process = subprocess.Popen([*command, self.kafka, topic, str(per_post), self.url(path), group])
        try:
            yield process.pid
        finally:
            process.kill()
            process.wait()

    async def alone(self, what: str, *given: object) -> dict[str, float]:
        """What one of the baselines that end by themselves tells: consume (TOPIC, EVENTS), post (URL, POSTS, BYTES)."""
        arguments = [self.kafka, *given] if what == "consume" else given
        command = [sys.executable, "-m", "tests.bench.baselines", what, *map(str, arguments)]
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        out, _ = await process.communicate()
        told: dict[str, float] = json.loads(out)
        return told

    def subscriptions(self, count: int, path: str = "hook", copies: int = 1, **more: Any) -> list[dict[str, Any]]:
        """One subscription an account (or so many `copies`), all signed; `{}` in the path is the account's number."""
        return [
            {
                "id": f"s{at}.{copy}", "account": f"account-{at}", "events": ["*"], "url": self.url(path.format(at)),
                "auth": {"signature": {"secrets": [{"env": "SECRET"}]}}, **more,
            }
            for at in range(count)
            for copy in range(copies)
        ]  # fmt: skip

    def make(self, topic: str, subscriptions: list[dict[str, Any]], **more: Any) -> Daemon:
        """A daemon that is not started yet; `kafka` among `more` adds to its section of that name."""
        number = next(self._numbers)
        one = f"{topic}.{number}"
        kafka = {
            "bootstrap_servers": self.kafka, "topics": [topic], "group_id": one, "replication_factor": 1,
            "state_topic": f"{one}.state", "dead_letter_topic": f"{one}.dead", "instance_id": "one",
            **more.pop("kafka", {}),
        }  # fmt: skip
        made = Daemon(self.folder / str(number), kafka, [], **more)
        # One entry a line, as JSON is YAML too: the writer of YAML takes seconds for ten thousand.
        lines = ",\n".join(json.dumps(one) for one in subscriptions)
        (made.folder / "subscriptions" / "all.yaml").write_text(f'{{"subscriptions": [\n{lines}\n]}}\n')
        return made

    @contextlib.asynccontextmanager
    async def daemon(self, topic: str, subscriptions: list[dict[str, Any]], **more: Any) -> AsyncIterator[int]:
        """A daemon that is ready."""
        async with started(self.make(topic, subscriptions, **more)) as made:
            yield pid_of(made)

    # measuring

    async def arrived(self, events: int, timeout: float = 300.0) -> None:
        """Wait until so many have come since the last `take`."""
        async with asyncio.timeout(timeout):
            while self.listening.arrived < events:
                await asyncio.sleep(0.005)

    async def full(self, sender: Sender, events: int) -> Seen:
        """A whole topic at full rate, until so many deliveries of an event have come."""
        self.listening.take()
        with Others([*self.broker, self.listening.pid]) as others:
            async with sender as pid:
                await self.arrived(1)
                first, began, began_at = self.listening.arrived, self._spent(pid), time.monotonic()
                await self.arrived(events)
                spent, seconds = self._spent(pid), self.listening.last - began_at
                memory, a_post = peak_of(pid), self.listening.arrived / self.listening.posts
        counted = events - first
        ours, listener, broker = (after - before for before, after in zip(began, spent, strict=True))
        busy = (ours / seconds, listener / seconds, broker / seconds)
        return Seen(counted / seconds, ours / counted * 1e6, memory, a_post, others.cores, busy)

    def _spent(self, sender: int) -> tuple[float, float, float]:
        """Seconds of CPU so far: the sender's, the listener's, the broker's."""
        return cpu_of(sender), cpu_of(self.listening.pid), sum(map(cpu_of, self.broker))

    async def rounds(self, kinds: Mapping[str, Callable[[], Awaitable[Seen]]]) -> dict[str, list[Seen]]:
        """Every kind once a round, in turn: what lies side by side is compared."""
        seen: dict[str, list[Seen]] = {kind: [] for kind in kinds}
        for _ in range(self.scale.rounds):
            for kind, run in kinds.items():
                seen[kind].append(await run())
                print(f"    {kind:<28} {_tell(seen[kind][-1])}", file=sys.stderr, flush=True)
        return seen


@contextlib.asynccontextmanager
async def started(daemon: Daemon) -> AsyncIterator[Daemon]:
    """The daemon, ready; stopped at the end. It may take its time: ten thousand subscriptions on a busy machine do."""
    try:
        daemon.spawn()
        await daemon.ready(timeout=180.0)
        yield daemon
    finally:
        await daemon.__aexit__()


def _tell(seen: Seen) -> str:
    return (
        f"{seen.rate:>10,.0f}/s {seen.cpu:>7.1f} us {seen.memory:>6.1f} MiB {seen.a_post:>6.1f} a POST"
        f"   {cores(seen)}, others {seen.others:.2f}, load {os.getloadavg()[0]:.1f}"
    )


def cores(seen: Seen) -> str:
    """Who kept how many cores busy."""
    return "cores " + " ".join(f"{name} {one:.2f}" for name, one in zip(BUSY, seen.busy, strict=True))


def pid_of(daemon: Daemon) -> int:
    assert daemon.process is not None
    return daemon.process.pid


def others_of(seen: Mapping[str, list[Seen]]) -> float:
    """The most that other work took in any of the runs."""
    return max(one.others for runs in seen.values() for one in runs)
