"""What is set up for a run? Topics, listeners, instances, a producer, and whoever writes the histories.

    producer ──> source topic ──> instances ──> proxy ──> listeners ──> taken
                     │ doors        (each its own door to every broker, a proxy of its own in it)
                     └──> acknowledged, recorded, sampled, lettered: read from the brokers' own ports

The same world serves the short tests with one broker and the long runs with three.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
import uuid
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from tests.chaos.answering import Answering, Mood
from tests.chaos.histories import Book, Versioned
from tests.chaos.instances import Instance
from tests.chaos.producing import Producing
from tests.chaos.proxy import Proxy
from tests.chaos.recording import Follower, Sampler, read_logs
from tests.chaos.specs import ACCOUNTS, SECRET, SPECS, Spec, Version
from tests.kafka.brokers import ApacheKafka
from tests.kafka.records import create_topic

SESSION = 6.0
REQUEST = 3.0
MOODS = {"slow": Mood.SLOW}
HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Setting:
    """How large a run is."""

    seed: int
    rate: float = 300.0
    """Events a second."""
    instances: Sequence[bool] = (True, True, False)
    """One each: whether it has a stable instance id."""
    partitions: int = 6
    replicas: int = 1
    specs: Sequence[Spec] = SPECS
    accounts: int = ACCOUNTS
    session: float = SESSION
    bug: str | None = None
    """A bug to put into the daemons (tests.chaos.bugs)."""


class World:
    """One run; `async with`. `bootstrap` is the brokers' own; with a `cluster` that has doors, instances use these."""

    def __init__(self, folder: Path, bootstrap: str, setting: Setting, cluster: ApacheKafka | None = None) -> None:
        self.setting = setting
        self.rng = random.Random(setting.seed)
        self.bootstrap = bootstrap
        self.cluster = cluster
        self.topic = f"events-{uuid.uuid4().hex[:8]}"
        self.state = f"{self.topic}.state"
        self.letters = f"{self.topic}.dead"
        self.book = Book(folder / "histories")
        self.version = Version(tuple(setting.specs))
        write = self.book.write
        self.listeners = {
            spec.id: Answering(
                spec.id, write, random.Random(f"{setting.seed}/{spec.id}"), MOODS.get(spec.id, Mood.WELL),
                spec.id == "strict", SECRET if spec.signed else None,
            )
            for spec in setting.specs
        }  # fmt: skip
        self.producing = Producing(
            bootstrap, self.topic, write, random.Random(f"{setting.seed}/events"), setting.rate, setting.accounts
        )
        self.follower = Follower(bootstrap, self.state, write)
        self.sampler = Sampler(bootstrap, self.topic, self.topic, self.state, write)
        self.doors: list[list[Proxy]] = []
        """By instance, then by broker."""
        if cluster is not None and cluster.nodes[0].doors:
            self.doors = [
                [Proxy(node.doors[place][1].number, node.doors[place][0].number) for node in cluster.nodes]
                for place in range(len(setting.instances))
            ]
        self.folder = folder
        self.environ = {**os.environ, "SECRET": SECRET}
        self.instances: list[Instance] = []
        self._stack = contextlib.AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._recorders: list[asyncio.Task[None]] = []
        self._load: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for instance in self.instances:
            await instance.close()
        await self.unload()
        self.follower.ending = self.sampler.ending = True
        if self._recorders:
            await asyncio.wait(self._recorders, timeout=20)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()
        self.book.close()

    async def _open(self) -> None:
        setting = self.setting
        replicas = setting.replicas
        await create_topic(self.bootstrap, self.topic, setting.partitions, replicas)
        await create_topic(
            self.bootstrap, self.state, 1, replicas, cleanup_policy="compact", min_compaction_lag_ms=str(HOUR_MS),
            max_message_bytes="16777216", segment_bytes="1048576", min_cleanable_dirty_ratio="0.01",
            message_timestamp_type="LogAppendTime",  # the histories go by one clock, whatever an instance's says
        )  # fmt: skip
        for listener in self.listeners.values():
            await self._stack.enter_async_context(listener)
        for proxy in [proxy for row in self.doors for proxy in row]:
            await self._stack.enter_async_context(proxy)
        urls = {name: listener.url for name, listener in self.listeners.items()}
        for place, stable in enumerate(setting.instances):
            name = "abcdefgh"[place]
            kafka: dict[str, Any] = {
                "bootstrap_servers": self.cluster.through(place) if self.cluster and self.doors else self.bootstrap,
                "topics": [self.topic], "group_id": self.topic, "state_topic": self.state,
                "dead_letter_topic": self.letters, "replication_factor": setting.replicas,
                "session_timeout": f"{setting.session:g}s", "request_timeout": f"{REQUEST:g}s",
            }  # fmt: skip
            if stable:
                kafka["instance_id"] = name
            instance = Instance(name, self.folder / name, kafka, urls, self.book.write, self.version)
            instance.command(setting.bug)
            self.instances.append(instance)
        self.book.write(Versioned(time.time(), asdict(self.version)))
        self._recorders.append(self.background(self.follower.run()))
        for instance in self.instances:
            instance.start()
        for instance in self.instances:
            await instance.daemon.ready(60)
            self.background(instance.supervise())
        self._recorders.append(self.background(self.sampler.run()))

    def background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run until the world ends."""
        task = asyncio.create_task(work)
        self._tasks.append(task)
        task.add_done_callback(_complain)
        return task

    def check(self) -> None:
        """Raises what ended a part of the harness that was to go on: a history with a hole proves nothing."""
        for task in (*self._tasks, *filter(None, [self._load])):
            if task.done() and not task.cancelled():
                task.result()
                raise AssertionError(f"{task.get_coro()} ended")

    def load(self) -> None:
        """Begin to produce."""
        self._load = asyncio.create_task(self.producing.run())

    async def unload(self) -> None:
        """Stop producing, and see what is under way acknowledged."""
        if self._load is not None:
            self._load.cancel()
            await asyncio.gather(self._load, return_exceptions=True)
        await self.producing.stop()

    def decide(self, version: Version) -> None:
        """The files are to say something else; who writes them is another matter."""
        self.version = version
        self.book.write(Versioned(time.time(), asdict(version)))
        for instance in self.instances:
            if not instance.alive:
                instance.version = version

    def owed(self) -> Iterator[str]:
        """What is left to do; nothing (law 5) once all is committed, no lane is owed anything, every range is sent."""
        ends, latest = self.sampler.ends, self.follower.latest
        used = {spec.window for spec in self.version.specs}
        if not ends:
            yield "where the logs end is not known"
        for number, end in ends.items():
            if (committed := self.sampler.committed.get(number, 0)) < end:
                yield f"partition {number} is committed up to {committed} of {end}"
        for key, value in latest.items():
            what = key.partition("|")[0]
            if value is None or value.get("dropped"):
                continue
            if what == "lane" and not value.get("x"):
                yield f"{key} is owed from {value['h']} on"
            if what == "window":
                _, _, partition, name = key.split("|")
                if value["d"] < value["to"] or (name in used and value["to"] < ends.get(int(partition), 0)):
                    yield f"{key} is sent up to {value['d']}, closed up to {value['to']}"

    async def settle(self, timeout: float) -> float | None:
        """Wait until all is done; the seconds it took, None where it did not come to that."""
        began = time.monotonic()
        while time.monotonic() - began < timeout:
            self.check()
            if next(self.owed(), None) is None:
                return time.monotonic() - began
            await asyncio.sleep(0.5)
        print("still owed: " + "; ".join(self.owed()))
        return None

    async def gather(self) -> None:
        """Stop the instances, and read what Kafka holds in the end."""
        for instance in self.instances:
            await instance.stop()
        await asyncio.sleep(1.0)  # the follower and the sampler see the last of it
        await read_logs(self.bootstrap, self.topic, self.letters, self.book)


def _complain(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        print(f"the harness broke: {error!r}", flush=True)
