"""How does a run go? Random operations from a seed, then healing until all is quiet, then judgement."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.laws import operations as op
from tests.laws.ending import Ending
from tests.laws.endpoints import Mood
from tests.laws.judgement import judge
from tests.laws.settings import FOREVER, changed, first
from tests.laws.violation import Violation
from tests.laws.world import Bounds, Instance, World

SPARE = 3
"""Deliveries' worth of events that a lane may hold over its cap: those on their way, and the last record's."""


PLAIN = Bounds()


@dataclass(frozen=True)
class Profile:
    """Which faults and changes a run has."""

    name: str
    bounds: Bounds = PLAIN
    poison: float = 0.0
    malformed: float = 0.0
    zombies: bool = False
    compaction: bool = False
    moods: tuple[Mood, ...] = (Mood.WELL, Mood.WELL, Mood.DOWN, Mood.FLAKY)
    changes: tuple[str, ...] = ()
    grace: float = FOREVER
    horizon: float = FOREVER
    crashes: float = 1.0
    clocks: bool = False
    """Whether clocks are set ahead and back."""
    retention: bool = False
    """Whether the log expires, read or not."""
    moves: bool = False
    """Whether an operator moves the group's offset."""
    grows: bool = False
    """Whether partitions are added to the topic."""


MOVED = ("window", "add", "window")
SUBSCRIPTIONS = ("add", "remove", "back", "pause", "activate", "retire", "activate")
PROFILES = (
    Profile("base"),
    Profile("two", Bounds(2, 3)),
    Profile("poison", poison=0.15, malformed=0.1, moods=(Mood.WELL, Mood.WELL, Mood.SMALL, Mood.FLAKY)),
    Profile("zombies", Bounds(1, 3), zombies=True, compaction=True),
    Profile("moods", moods=(Mood.WELL, Mood.LIMITED, Mood.SMALL, Mood.GONE, Mood.DOWN), horizon=40.0),
    Profile("windows", Bounds(2, 2), changes=MOVED),
    Profile("cadence", Bounds(1, 2), changes=("cadence", "cadence", "add")),
    Profile("subscriptions", Bounds(1, 2), changes=SUBSCRIPTIONS),
    Profile("grace", Bounds(1, 2), changes=("remove", "back", "add", "remove", "back"), grace=30.0),
    Profile("added", Bounds(1, 3), changes=("remove", "back", "remove", "back", "add"), grows=True, crashes=1.5),
    Profile("filters", Bounds(1, 2), changes=("filter", "filter", "pause", "activate")),
    Profile("latest", Bounds(2, 2, earliest=False), changes=("add",), zombies=True),
    Profile("topics", Bounds(4, 3, topics=2), changes=("add", "remove", "back")),
    Profile(
        "order", Bounds(1, 2), poison=0.1, moods=(Mood.WELL, Mood.WELL, Mood.SMALL, Mood.FLAKY),
        changes=("order", "order", "order", "pause", "activate"),
    ),
    Profile("clocks", Bounds(2, 2), changes=MOVED, clocks=True, zombies=True),
    Profile("retention", Bounds(1, 2), 0.05, 0.05, moods=(Mood.WELL, Mood.DOWN, Mood.DOWN, Mood.FLAKY), retention=True),
    Profile("offsets", Bounds(1, 2), moves=True, crashes=2.0),
    Profile("memory", Bounds(2, 2, memory=700), moods=(Mood.WELL, Mood.DOWN, Mood.FLAKY)),
    Profile("few", Bounds(2, 2, records=2), changes=("remove", "back", "window", "add", "remove", "back")),
    Profile("suspended", Bounds(2, 2), moods=(Mood.WELL, Mood.GONE, Mood.GONE), horizon=20.0, crashes=2.0),
    Profile("picky", Bounds(2, 2), moods=(Mood.WELL, Mood.PICKY, Mood.PICKY, Mood.FLAKY), compaction=True),
    Profile(
        "picked", Bounds(2, 2), 0.1, moods=(Mood.PICKY, Mood.PICKY, Mood.DOWN, Mood.WELL), crashes=2.0, zombies=True,
        changes=("pause", "activate", "filter", "order", "window", "cadence"),
    ),
    Profile(
        "all", Bounds(2, 3), 0.05, 0.05, True, True, tuple(Mood),
        (*SUBSCRIPTIONS, *MOVED, "cadence", "filter"), horizon=200.0,
    ),
)  # fmt: skip


class Play:
    """One run of one profile from one seed."""

    def __init__(self, profile: Profile, seed: int, tracing: bool = False) -> None:
        rng = random.Random(f"{profile.name}/{seed}")
        self.profile = profile
        self.rng = rng
        configuration = first(rng, rng.randint(2, 4), profile.grace, profile.horizon)
        self.world = World(rng.randrange(1 << 30), profile.bounds, configuration)
        self.world.tracing = tracing
        self.world.checker.earliest = profile.bounds.earliest
        self.moods: dict[str, Mood] = {}
        self.ending = Ending(self.world, self.moods)
        for slot in range(profile.bounds.instances):
            self.world.start(slot, 0)
        for partition in self.world.partitions:
            self.world.give(partition, rng.choice(self.world.running))
        self.steps = self._steps()
        self.names = list(self.steps)
        self.weights = [weight for _, weight in self.steps.values()]

    def _steps(self) -> dict[str, tuple[Callable[[], object], float]]:
        world, profile = self.world, self.profile
        return {
            "produce": (lambda: op.produce(world, profile.poison, profile.malformed), 10),
            "feed": (lambda: world.feed(self.some(), self.rng.randint(1, 6)), 8),
            "follow": (lambda: world.follow(self.some(), self.rng.choice((1, 3, None))), 8),
            "land": (lambda: op.land(world, self.some(), True), 8),
            "commit": (lambda: op.commit(world, self.some(), True), 6),
            "read": (lambda: op.read(world, self.some(), True), 8),
            "arrive": (lambda: op.arrive(world, self.some(), self.moods), 10),
            "answer": (lambda: op.answer(world, self.some()), 10),
            "bury": (lambda: op.bury(world, self.some(), True), 2),
            "ask": (lambda: op.ask(world, self.some(), True), 2),
            "breathe": (self.breathe, 12),
            "pause": (self.pause, 8),
            "mood": (self.change_mood, 3),
            "late": (lambda: op.land_late(world), 1 if profile.zombies else 0.3),
            "stray": (lambda: op.stray(world, self.moods), 1),
            "crash": (lambda: op.crash(world), 1.2 * profile.crashes),
            "revive": (lambda: op.revive(world), 4),
            "move": (lambda: op.move(world, True), 0.8),
            "leave": (lambda: op.leave(world, self.rng.random() < 0.2), 3),
            "snatch": (lambda: op.move(world, False), 1.0 if profile.zombies else 0),
            "learn": (lambda: op.learn(world), 1.5),
            "compact": (lambda: op.compact(world), 1.0 if profile.compaction else 0),
            "forget": (lambda: op.forget_offset(world), 1.0),
            "resume": (lambda: op.resume(world), 1.0 if Mood.GONE in profile.moods else 0.1),
            "clock": (lambda: op.step_clock(world), 2 if profile.clocks else 0),
            "expire": (lambda: op.expire(world), 1.5 if profile.retention else 0),
            "operator": (lambda: op.move_offset(world), 3 if profile.moves else 0),
            "grow": (self.grow, 1.5 if profile.grows else 0),
            "version": (self.new_version, 1.5 if profile.changes else 0),
            "configure": (lambda: op.configure(world), 3 if profile.changes else 0),
        }

    def some(self) -> Instance:
        """Any living instance; one starts where there is none."""
        if not self.world.running:
            op.revive(self.world)
        return self.rng.choice(self.world.running)

    def run(self, operations: int) -> World:
        """The whole play. Raises Violation."""
        for _ in range(operations):
            (step,) = self.rng.choices(self.names, self.weights)
            self.world.now += 0.01
            self.steps[step][0]()
            op.wake(self.world)
            self.bounded()
        self.world.trace("healing")
        self.ending.heal()
        judge(self.world.checker, self.world.versions[self.world.target])
        return self.world

    def bounded(self) -> None:
        """Law 8."""
        world = self.world
        for instance in world.running:
            world.steps += 1
            if world.steps % 16:
                continue
            machine = instance.machine
            owned = machine.owned.values()
            held = sum(lane.queued_bytes for own in owned for lane in own.lanes.values())
            held += sum(letter.size for own in owned for letter in own.letters.values())
            if machine.context.memory != held:
                raise Violation("8", f"{machine.context.memory} bytes are accounted for, {held} are held")
            stats = machine.stats(world.now)
            if stats.posts > world.limits.posts + world.limits.failing_posts:
                raise Violation("8", f"{stats.posts} requests in flight")
            for one in stats.subscriptions:
                shapes = world.checker.used.get(one.id)
                if not shapes:
                    continue
                cap = max(shape.queue_events + SPARE * shape.max_in_flight * shape.max_events for shape in shapes)
                if one.queued > 2 * len(world.partitions) * cap:
                    raise Violation("8", f"{one.id} holds {one.queued} events")

    # steps of their own

    def breathe(self) -> None:
        """Everybody gets on for a while, undisturbed."""
        for _ in range(self.rng.randint(1, 6)):
            for instance in self.world.running:
                self.ending.serve(instance)
            self.world.now += self.rng.choice((0.05, 0.3, 1.0))
            op.wake(self.world)

    def pause(self) -> None:
        """Time goes by."""
        self.world.now += self.rng.choice((0.2, 1.0, 3.0, 12.0))
        op.expire_late(self.world)
        op.wake(self.world)

    def change_mood(self) -> None:
        """An endpoint changes its mind."""
        names = sorted(self.world.versions[self.world.target].subscriptions)
        if names:
            self.moods[self.rng.choice(names)] = self.rng.choice(self.profile.moods)

    def grow(self) -> None:
        """Somebody adds a partition."""
        if len(self.world.added) < 3:
            self.world.grow()

    def new_version(self) -> None:
        """Somebody edits the files."""
        world = self.world
        if world.target < 4:
            what = self.rng.choice(self.profile.changes)
            world.versions.append(changed(self.rng, world.versions[world.target], what, world.versions))
            world.target += 1
            world.trace(f"v{world.target}: {what}")


def play(name: str, seed: int, operations: int = 200, tracing: bool = False) -> World:
    """Run one seed of a profile."""
    profile = next(one for one in PROFILES if one.name == name)
    return Play(profile, seed, tracing).run(operations)
