"""What surrounds the machine? Instances of the real dispatcher, and everything they asked for that is still under way.

A command becomes something pending; an operation decides when, and how, it ends. A crash loses the instance and its
answers, not what was already on the wire: a write may still land, a request may still arrive.
"""

from __future__ import annotations

import random
import traceback
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from lmshooks.core.commands import AskEnd, Bury, Command, Commit, Hold, Post, Read, Start, WriteState
from lmshooks.core.configuration import Configuration, Limits
from lmshooks.core.dispatcher import Dispatcher
from lmshooks.core.facts import Checkpointed
from lmshooks.core.positions import Partition
from tests.laws.checker import Checker
from tests.laws.endpoints import Request
from tests.laws.logs import SourceLog, StateLog
from tests.laws.violation import Violation

LARGEST = 150
"""Bytes of an event that a producer here writes, at most."""


@dataclass
class Feed:
    """Where the live records of one partition are handed over."""

    position: int | None = None
    """None until the machine says where to start."""
    held: bool = False


@dataclass(eq=False)
class Instance:
    """One life of one process."""

    name: str
    machine: Dispatcher
    configuration: Configuration
    follower: int = 0
    alive: bool = True
    skew: float = 0.0
    """Seconds by which its clock is ahead of the world's."""
    heard: list[tuple[float, float]] = field(default_factory=list)
    """(its time, the world's) of its inputs, in order: its time never goes back, whatever its clock does."""
    feeds: dict[Partition, Feed] = field(default_factory=dict)
    """The partitions that it believes to own."""
    writes: deque[WriteState] = field(default_factory=deque)
    commits: list[Commit] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    letters: list[Bury] = field(default_factory=list)
    asks: list[AskEnd] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)


@dataclass(frozen=True)
class Bounds:
    """How large a world is, and what may happen in it."""

    partitions: int = 1
    instances: int = 2
    lag: float = 1500.0
    """Seconds for which the state topic keeps every value."""
    earliest: bool = True
    """Whether a group without commits starts at the beginning."""
    topics: int = 1
    memory: int = 4000
    """Bytes of events that an instance may hold."""
    records: int = 2000
    """State records in one checkpoint, at most."""
    patience: float = 0.5
    """Seconds without a confirmation after which nothing is posted, and the feed waits."""


class World:
    """One run's state; the operations act on it."""

    def __init__(self, seed: int, bounds: Bounds, configuration: Configuration) -> None:
        self.rng = random.Random(seed)
        self.bounds = bounds
        self.now = 1_000_000.0
        self.skew = 0.0
        """By how much the clock of the next instance to start is ahead."""
        self.latest = 0.0
        """The latest time that any clock ever told: windows have closed until then, for all who come after."""
        self.tick = 0.001
        """Seconds that every input takes."""
        self.log: list[str] = []
        self.tracing = False
        topics = ("events", "events.more")[: bounds.topics]
        self.partitions = [Partition(topics[one % bounds.topics], one) for one in range(bounds.partitions)]
        self.added: set[Partition] = set()
        """Partitions that the topic did not have when the group began."""
        self.sources = {partition: SourceLog(partition) for partition in self.partitions}
        self.state = StateLog()
        self.group: dict[Partition, tuple[int, str]] = {}
        self.owner: dict[Partition, Instance | None] = dict.fromkeys(self.partitions)
        self.versions = [configuration]
        self.target = 0
        self.slots: list[Instance | None] = [None] * bounds.instances
        self.zombies: list[tuple[Instance, Partition]] = []
        """Who still works on a partition that it lost without knowing."""
        self.leaving: dict[Partition, Instance] = {}
        """Partitions that are being given back, and to whom they go."""
        self.late: list[tuple[float, WriteState]] = []
        """Writes whose writer gave up on them; each may land until the moment named."""
        self.strays: list[Request] = []
        """Requests of instances that are gone."""
        self.lives = 0
        self.limits = Limits(
            posts=6, failing_posts=2, memory=bounds.memory, checkpoint_interval=1.0, checkpoint_events=5,
            checkpoint_pause=0.05, write_timeout=10.0, pending_letters=2, compaction_lag=bounds.lag,
            checkpoint_records=bounds.records, unconfirmed=bounds.patience,
        )  # fmt: skip
        self.checker = Checker(self.versions, self.sources, self.state)
        if bounds.records < Bounds.records:  # as many more as a checkpoint's records need writes
            self.checker.checkpoints.kept *= 10
        self.steps = 0

    def trace(self, text: str) -> None:
        """One line of the play, where somebody wants to read it."""
        if self.tracing:
            self.log.append(f"{self.now - 1_000_000:9.3f} {text}")

    # instances

    def start(self, slot: int, version: int) -> Instance:
        """A process starts and reads the state topic to its end before anything is assigned to it."""
        self.lives += 1
        configuration = self.versions[version]
        name = f"i{slot}.{self.lives}"
        instance = Instance(
            name, Dispatcher(name, configuration, self.limits, self.now + self.skew), configuration, skew=self.skew
        )
        self.slots[slot] = instance
        self.checker.configured(name, configuration, self.now)
        self.trace(f"{name} starts with v{version}")
        self.follow(instance, None)
        return instance

    def crash(self, instance: Instance) -> None:
        """It is gone; what it had on the wire may still arrive."""
        self.trace(f"{instance.name} crashes")
        instance.alive = False
        self.slots[self.slots.index(instance)] = None
        for write in instance.writes:
            if self.rng.random() < 0.5:
                self.late.append((self.now + 60.0, write))
        for commit in instance.commits:
            if self.rng.random() < 0.5 and self.owner[commit.partition] is instance:
                self.group[commit.partition] = (commit.offset, commit.metadata)
                self.checker.committed(commit.partition, commit.offset)
        for request in instance.requests:
            if not request.arrived and self.rng.random() < 0.5:
                self.strays.append(request)
        self.checker.crashed(instance.name)
        self.zombies = [(one, partition) for one, partition in self.zombies if one is not instance]
        for partition, owner in self.owner.items():
            if owner is instance:
                self.owner[partition] = None
        self.leaving = {
            partition: target for partition, target in self.leaving.items() if self.owner[partition] is not None
        }

    @property
    def running(self) -> list[Instance]:
        """The instances that live."""
        return [instance for instance in self.slots if instance is not None]

    # ownership

    def grow(self) -> Partition:
        """A partition is added to the topic: empty, and nobody's yet. It begins at its beginning."""
        partition = Partition(self.partitions[0].topic, len(self.partitions))
        self.partitions.append(partition)
        self.added.add(partition)
        self.sources[partition] = SourceLog(partition)
        self.owner[partition] = None
        self.checker.grown(partition)
        self.trace(f"{partition} is added")
        return partition

    def give(self, partition: Partition, instance: Instance) -> None:
        """The group assigns the partition."""
        if partition in instance.feeds:
            self.take_away(partition, instance)
        self.owner[partition] = instance
        instance.feeds[partition] = Feed()
        source = self.sources[partition]
        committed, metadata = self.group.get(partition, (None, ""))
        start = source.start if self.bounds.earliest or partition in self.added else source.end
        self.checker.given.pop((instance.name, partition), None)
        if committed is not None and not metadata:
            self.checker.given[instance.name, partition] = committed
        self.trace(f"{partition} -> {instance.name}, committed {committed}, end {source.end}")
        self.call(instance, "assigned", partition, committed, metadata, source.start, source.end, start)

    def commit(self, asked: Commit) -> None:
        """The group takes a commit, whoever still waits for its answer."""
        self.group[asked.partition] = (asked.offset, asked.metadata)
        self.checker.committed(asked.partition, asked.offset)

    def take_away(self, partition: Partition, instance: Instance) -> None:
        """It learns that the partition is no longer its own."""
        self.trace(f"{instance.name} revoked {partition}")
        instance.feeds.pop(partition, None)
        self.zombies = [pair for pair in self.zombies if pair != (instance, partition)]
        self.call(instance, "revoked", partition)

    # the machine

    def clock(self, instance: Instance) -> float:
        """What time it is there."""
        moment = self.now + instance.skew
        return max(moment, instance.heard[-1][0]) if instance.heard else moment

    def began(self, instance: Instance, elapsed: float) -> float:
        """The world's time when something began there so many of its own seconds ago, or a little before."""
        moment = instance.heard[-1][0] - elapsed
        place = bisect_left(instance.heard, (moment - 1e-6, 0.0))
        return instance.heard[place][1]

    def call(self, instance: Instance, method: str, *arguments: object) -> Any:
        """One input, and what comes of it."""
        if not instance.alive:
            return None
        self.now += self.tick
        before, owed = self.held(instance)
        moment = self.clock(instance)
        instance.heard.append((moment, self.now))
        self.latest = max(self.latest, moment)
        try:
            result = getattr(instance.machine, method)(*arguments, moment)
            while True:
                commands, facts = instance.machine.take()
                for fact in facts:
                    if self.tracing:
                        self.trace(f"{instance.name}   fact {fact}")
                    began = self.began(instance, fact.elapsed) if isinstance(fact, Checkpointed) else self.now
                    self.checker.fact(instance.name, fact, began)
                if not commands:
                    after, _ = self.held(instance)
                    if before > self.limits.memory and after > before + owed:
                        raise Violation("8", f"{method} took {after - before} bytes in, over the limit")
                    return result
                for command in commands:
                    self.pend(instance, command)
        except Violation:
            raise
        except Exception as error:  # the machine may never raise, whatever comes in
            text = "".join(traceback.format_exception(error)[-4:])
            raise Violation("raised", f"{method}{arguments!r:.300}: {text}") from error

    def held(self, instance: Instance) -> tuple[int, int]:
        """The bytes of events it holds; and how many more it may take over its limit, to go on with what it began."""
        machine = instance.machine
        if machine.context.memory <= self.limits.memory:
            return machine.context.memory, 0
        lanes = [lane for own in machine.owned.values() for lane in own.lanes.values()]
        owed = sum(len(lane.missing) + len(lane.needed) for lane in lanes)
        owed += sum(len(own.letters) for own in machine.owned.values())  # whose bytes are read again
        return machine.context.memory, LARGEST * owed

    def pend(self, instance: Instance, command: Command) -> None:
        """A command is under way."""
        if self.tracing:
            self.trace(f"{instance.name}   {brief(command)}")
        match command:
            case Post():
                instance.requests.append(self.checker.posted(instance.name, command, self.now))
            case WriteState():
                instance.writes.append(command)
            case Commit():
                instance.commits.append(command)
            case Read():
                instance.reads.append(command)
            case Bury():
                instance.letters.append(command)
            case AskEnd():
                instance.asks.append(command)
            case Start(partition, offset):
                if partition in instance.feeds:
                    instance.feeds[partition].position = offset
            case Hold(partition, held):
                if partition in instance.feeds:
                    instance.feeds[partition].held = held

    def follow(self, instance: Instance, limit: int | None) -> bool:
        """Its follower reads on in the state topic; whether there was anything."""
        entries = self.state.after(instance.follower, limit)
        if not entries:
            return False
        instance.follower = entries[-1].offset + 1
        self.call(instance, "followed", entries)
        return True

    def feed(self, instance: Instance, limit: int) -> bool:
        """Its consumer hands on live records; whether there were any."""
        moved = False
        for partition, feed in list(instance.feeds.items()):
            source = self.sources[partition]
            if feed.position is None or feed.held or feed.position >= source.end:
                continue
            if feed.position < source.start:
                feed.position = int(self.call(instance, "feed_expired", partition, source.start))
            records, after = source.read(feed.position, source.end, limit)
            feed.position = after
            self.trace(f"{instance.name} reads {partition} to {after}")
            self.call(instance, "records", partition, records, after, source.end)
            moved = True
        return moved


def brief(command: Command) -> str:
    """A command on one line."""
    match command:
        case Post():
            body = command.body[:160]
            return f"Post {command.subscription_id} {command.delivery_id[:10]} #{command.attempt} {body!r}"
        case WriteState():
            return f"Write {command.partition} " + " ".join(f"{key!r}={value!r}" for key, value in command.entries)
        case Commit() | Read() | Bury() | AskEnd():
            return f"{type(command).__name__} {command.partition} " + repr(command).split("Partition(", 1)[-1]
        case _:
            return repr(command)
