"""What is done to a running world? Every kind of fault, with its length and its undoing.

A fault is a coroutine that begins, waits and ends what it does; who plans them (tests.chaos.plan) notes the times. Each
belongs to a resource (a broker, an instance, a listener, the files ...), of which only one fault holds at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import NamedTuple

from lmshooks.cli.embedded import BrokerError
from tests.chaos.answering import Mood
from tests.chaos.instances import Instance
from tests.chaos.proxy import Weather
from tests.chaos.specs import CHANGES, CHANGING, Version
from tests.chaos.topics import Topics
from tests.chaos.world import HOUR_MS, World

MOST_PARTITIONS = 40
STEPS = {"forward": (2.0, 30.0, 400.0, 3600.0), "back": (-2.0, -30.0, -400.0, -3600.0)}
"""Seconds by which a clock is set."""
COMPACTION_LAG_MS = 30_000
"""While it is compacted hard: longer than a partition goes without an owner here, far shorter than is allowed."""


class Kind(NamedTuple):
    """One kind of fault."""

    name: str
    resource: str
    """instance, clock, brokers, door, listener, files, data, state"""
    does: Callable[[str], Awaitable[None]]
    """Does it to a target: an instance's name, a listener's, or "" where all are meant."""


class Faults:
    """The faults of one world."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world = world
        self.rng = rng
        self.topics = Topics(world.bootstrap)
        self._changes = list(CHANGES)
        moods = [mood for mood in Mood if mood not in (Mood.WELL, Mood.SLOW)]
        self.kinds = [
            Kind("kill", "instance", self.kill),
            Kind("kill for long", "instance", self.kill_for_long),
            Kind("stop", "instance", self.stop),
            Kind("sleep", "instance", self.sleep),
            Kind("clock forward", "clock", self._clock("forward")),
            Kind("clock back", "clock", self._clock("back")),
            Kind("rolling restart", "files", self.roll),
            Kind("reload", "files", self.reload),
            Kind("cadence changed", "files", self.shift),
            Kind("poison", "data", self.poison),
            Kind("malformed", "data", self.malformed),
            Kind("resume", "state", self.resume),
            Kind("compaction", "state", self.compact),
            Kind("partition added", "state", self.partition),
            *(Kind(f"listener {mood.value}", "listener", self._mood(mood)) for mood in moods),
            *(Kind(f"listener's network {weather.value}", "listener", self._weather(weather)) for weather in WEATHERS),
        ]
        if world.doors:
            self.kinds += [Kind(f"Kafka's network {one.value}", "door", self._door(one)) for one in WEATHERS]
            self.kinds += [Kind("Kafka's network cut for all", "door", self.cut_all)]
        if world.cluster is not None:
            self.kinds += [
                Kind("broker killed", "brokers", self.broker_killed),
                Kind("controller killed", "brokers", self.controller_killed),
                Kind("broker asleep", "brokers", self.broker_asleep),
                Kind("all brokers gone", "brokers", self.all_gone),
            ]

    def target(self, kind: Kind) -> str:
        """Whom it hits."""
        if kind.resource in ("instance", "door", "clock") and not kind.name.endswith("for all"):
            return self.rng.choice(self.world.instances).name
        if kind.resource == "listener":
            if "413" in kind.name:
                return self.rng.choice(("every", "learner", "changing"))
            return self.rng.choice(list(self.world.listeners))
        return ""

    def _instance(self, name: str) -> Instance:
        return next(one for one in self.world.instances if one.name == name)

    async def _some(self, low: float, high: float) -> None:
        await asyncio.sleep(self.rng.uniform(low, high))

    # instances

    async def kill(self, name: str) -> None:
        """kill -9; its supervisor starts it again at once."""
        instance = self._instance(name)
        await instance.stop(signal.SIGKILL)
        await self._some(0.1, 1.0)
        instance.start()
        await self._ready(instance)

    async def kill_for_long(self, name: str) -> None:
        """kill -9, and gone for longer than its session."""
        instance = self._instance(name)
        await instance.stop(signal.SIGKILL)
        await asyncio.sleep(self.world.setting.session + self.rng.uniform(1, 3))
        instance.start()
        await self._ready(instance)

    async def stop(self, name: str) -> None:
        """SIGTERM."""
        instance = self._instance(name)
        await instance.stop()
        await self._some(0, 2)
        instance.start()
        await self._ready(instance)

    async def sleep(self, name: str) -> None:
        """SIGSTOP past its session: a zombie wakes."""
        instance = self._instance(name)
        if not instance.alive:
            return
        instance.pause()
        try:
            await asyncio.sleep(self.world.setting.session + self.rng.uniform(1, 4))
        finally:
            instance.resume()
        await self._some(1, 3)

    def _clock(self, way: str) -> Callable[[str], Awaitable[None]]:
        async def be(name: str) -> None:
            instance = self._instance(name)
            instance.step(self.rng.choice(STEPS[way]))
            try:
                await self._some(3, 10)
            finally:
                instance.step(0.0)
            await self._some(0, 2)

        return be

    async def _ready(self, instance: Instance) -> None:
        # Where Kafka is away, or the instance ends once more, the plan goes on without it.
        with contextlib.suppress(AssertionError, TimeoutError):
            await instance.daemon.ready(20)

    # the files

    def _changed(self, version: Version) -> Version:
        spec = version.find(CHANGING.id)
        if not spec.present or not spec.active:
            return version.with_spec(replace(spec, present=True, active=True))
        _, change = self.rng.choice(self._changes)
        return version.with_spec(change(spec))

    async def roll(self, _: str) -> None:
        """Other files, one instance after the other, each by a restart."""
        self.world.decide(self._changed(self.world.version))
        for instance in self.world.instances:
            await instance.stop()
            instance.version = self.world.version
            instance.start()
            await self._ready(instance)

    async def reload(self, _: str) -> None:
        """Other files, and SIGHUP; back again soon where it is paused or removed."""
        await self._reload(self._changed(self.world.version))
        spec = self.world.version.find(CHANGING.id)
        if not spec.present or not spec.active:
            await self._some(2, 6)
            await self._reload(self._changed(self.world.version))

    async def heal(self) -> None:
        """Everything as it should be: nothing paused or removed, nothing suspended."""
        spec = self.world.version.find(CHANGING.id)
        await self._reload(self.world.version.with_spec(replace(spec, present=True, active=True)))
        await self._resume("--all")

    async def shift(self, _: str) -> None:
        """The cadence of an event name changes."""
        await self._reload(replace(self.world.version, shifted=not self.world.version.shifted))

    async def _reload(self, version: Version) -> None:
        self.world.decide(version)
        for instance in self.world.instances:
            instance.configure(version)
            if instance.alive:
                instance.daemon.kill(signal.SIGHUP)
        await asyncio.sleep(1.0)

    # listeners and networks

    def _mood(self, mood: Mood) -> Callable[[str], Awaitable[None]]:
        async def be(name: str) -> None:
            listener = self.world.listeners[name]
            await listener.set(mood)
            try:
                await self._some(2, 8)
            finally:
                await listener.set(None)
            if mood is Mood.GONE:
                await self._some(0, 2)
                await self._resume(name)

        return be

    def _weather(self, weather: Weather) -> Callable[[str], Awaitable[None]]:
        async def be(name: str) -> None:
            proxy = self.world.listeners[name].proxy
            await proxy.set(weather)
            try:
                await self._some(2, 7)
            finally:
                await proxy.set(Weather.CLEAR)
            await asyncio.sleep(0.5)

        return be

    def _door(self, weather: Weather) -> Callable[[str], Awaitable[None]]:
        async def be(name: str) -> None:
            proxies = self.world.doors[[one.name for one in self.world.instances].index(name)]
            if self.rng.random() < 0.5:
                proxies = self.rng.sample(proxies, 1)
            for proxy in proxies:
                await proxy.set(weather)
            try:
                await self._some(2, self.world.setting.session + 6)
            finally:
                for proxy in proxies:
                    await proxy.set(Weather.CLEAR)
            await asyncio.sleep(1.0)

        return be

    async def cut_all(self, _: str) -> None:
        """No instance reaches any broker."""
        proxies = [proxy for row in self.world.doors for proxy in row]
        for proxy in proxies:
            await proxy.set(Weather.CUT)
        try:
            await self._some(2, 9)
        finally:
            for proxy in proxies:
                await proxy.set(Weather.CLEAR)
        await asyncio.sleep(1.0)

    # brokers

    async def broker_killed(self, _: str) -> None:
        """kill -9 of one broker."""
        await self._broker_killed(self.rng.randrange(3))

    async def controller_killed(self, _: str) -> None:
        """kill -9 of the broker that leads the quorum."""
        assert self.world.cluster is not None
        await self._broker_killed(self.world.cluster.controller())

    async def _broker_killed(self, node: int) -> None:
        cluster = self.world.cluster
        assert cluster is not None
        cluster.kill(node)
        try:
            await self._some(1, 6)
        finally:
            await self._started(node)

    async def _started(self, node: int | None) -> None:
        """Again where a broker does not come up: a machine that is busy may be too slow for it once."""
        cluster = self.world.cluster
        assert cluster is not None
        for _ in range(3):
            try:
                await asyncio.to_thread(cluster.start, node)
            except BrokerError as why:
                print(f"a broker did not start, again: {why}", flush=True)
                await asyncio.to_thread(cluster.kill, node)
            else:
                return
        raise BrokerError("a broker did not start in three times")

    async def broker_asleep(self, _: str) -> None:
        """SIGSTOP of one broker: its sockets stay open."""
        cluster, node = self.world.cluster, self.rng.randrange(3)
        assert cluster is not None
        cluster.pause(node)
        try:
            await self._some(2, 10)
        finally:
            cluster.resume(node)
        await asyncio.sleep(1.0)

    async def all_gone(self, _: str) -> None:
        """kill -9 of all brokers."""
        cluster = self.world.cluster
        assert cluster is not None
        cluster.kill()
        try:
            await self._some(1, 6)
        finally:
            await self._started(None)

    # what is written

    async def poison(self, _: str) -> None:
        """Events that the strict listener refuses."""
        self.world.producing.poison = 0.05
        try:
            await self._some(3, 8)
        finally:
            self.world.producing.poison = 0.0

    async def malformed(self, _: str) -> None:
        """Records that are no events."""
        self.world.producing.malformed = 0.03
        try:
            await self._some(3, 8)
        finally:
            self.world.producing.malformed = 0.0

    async def resume(self, _: str) -> None:
        """The operator's command, in the middle of everything."""
        await self._resume("--all")

    async def _resume(self, what: str) -> None:
        folder = self.world.instances[0].daemon.folder
        for _ in range(10):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "lmshooks", "resume", what, "--config", str(folder),
                stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
                env={**self.world.environ},
            )  # fmt: skip
            if await process.wait() == 0:
                return
            await asyncio.sleep(1.0)

    async def partition(self, _: str) -> None:
        """The source topic gets one more."""
        count = len(self.world.sampler.ends) or self.world.setting.partitions
        if count < MOST_PARTITIONS:
            await self.topics.widen(self.world.topic, count + 1)
        await asyncio.sleep(1.0)

    async def compact(self, _: str) -> None:
        """The state topic is compacted as hard as it goes for some seconds, then as before."""
        gentle = {
            "cleanup.policy": "compact", "min.compaction.lag.ms": str(HOUR_MS), "max.message.bytes": "16777216",
            "segment.bytes": "1048576", "min.cleanable.dirty.ratio": "0.01",
            "message.timestamp.type": "LogAppendTime",
        }  # fmt: skip
        hard = {**gentle, "min.compaction.lag.ms": str(COMPACTION_LAG_MS), "segment.ms": "1000"}
        await self.topics.alter(self.world.state, hard)
        try:
            await self._some(4, 8)
        finally:
            gently = False
            while not gently:
                await self.topics.alter(self.world.state, gentle)
                await asyncio.sleep(2.0)  # a broker that slept may do only now what it was asked to before
                is_now = await self.topics.configs(self.world.state)
                gently = is_now.get("min.compaction.lag.ms") == gentle["min.compaction.lag.ms"]


WEATHERS = (Weather.CUT, Weather.SILENT, Weather.DEAF, Weather.SLOW, Weather.DRIP)
