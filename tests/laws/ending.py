"""How does a run end? Everything works again until nothing is owed; then all crash and start once more, in silence."""

from __future__ import annotations

from lmshooks.core.records import parse_key
from tests.laws import operations as op
from tests.laws.endpoints import Mood
from tests.laws.settings import FOREVER, healed
from tests.laws.violation import Violation
from tests.laws.world import Instance, World


class Ending:
    """The healing of one world."""

    def __init__(self, world: World, moods: dict[str, Mood]) -> None:
        self.world = world
        self.moods = moods

    def heal(self) -> None:
        """Everything works again; the run is over when nothing is owed, or it never is (law 5)."""
        world = self.world
        self.moods.clear()
        world.skew = 0.0
        for instance in world.running:
            instance.skew = max(0.0, world.clock(instance) - world.now)
        while world.zombies:
            op.learn(world)
        for partition, target in list(world.leaving.items()):
            owner = world.owner[partition]
            if owner is not None:
                world.take_away(partition, owner)
            if target.alive:
                world.give(partition, target)
            else:
                world.owner[partition] = None
        world.leaving.clear()
        op.revive(world)
        while world.late:
            op.land_late(world)
        world.versions.append(healed(world.versions[world.target], len(world.versions)))
        world.target = len(world.versions) - 1
        for instance in world.running:
            op.load(world, instance, world.target)
        self._until_quiet()
        self._restart_quietly()

    def _until_quiet(self) -> None:
        world = self.world
        quiet = 0
        closed = max(world.now, world.latest) + 60.0  # every window has closed by then, on the slowest clock, too
        for round_number in range(1200):
            if round_number in (20, 200, 600):
                for name in sorted(world.versions[world.target].subscriptions):
                    op.resume(world, name)
            moved = False
            for instance in world.running:
                moved |= self.serve(instance)
            world.now += 0.2 if moved else 2.0
            op.wake(world)
            quiet = quiet + 1 if self.unfinished() is None else 0
            if quiet >= 25 and world.now >= closed:
                return
        raise Violation("5", f"never quiet: {self.unfinished()}")

    def unfinished(self) -> str | None:
        """What is still held back, if anything."""
        world = self.world
        for partition, source in world.sources.items():
            committed = world.group.get(partition, (-1, ""))[0]
            if committed != source.end:
                return f"{partition} is committed to {committed}, its log ends at {source.end}"
        configuration = world.versions[world.target]
        for raw, value in world.state.live_lanes().items():
            key = parse_key(raw)
            if key is not None and (key.name in configuration.subscriptions or configuration.orphan_grace < FOREVER):
                return f"{raw!r} is left: {value}"
        for instance in world.running:
            if instance.requests or instance.letters or instance.writes or instance.commits:
                return f"{instance.name} has work under way"
            for partition, own in instance.machine.owned.items():
                if world.owner[partition] is instance and own.exposure.events:
                    return f"{instance.name} takes {own.exposure.events} events of {partition} to be exposed"
        return None

    def _restart_quietly(self) -> None:
        """All crash and start once more: nothing is sent again, and it is quiet again."""
        world = self.world
        before = len(world.checker.bodies)
        for instance in world.running:
            world.crash(instance)
        op.revive(world)
        for _ in range(120):
            for instance in world.running:
                self.serve(instance)
            world.now += 0.5
            op.wake(world)
        if len(world.checker.bodies) != before:
            raise Violation("9", "something is sent anew after a quiet restart")
        left = self.unfinished()
        if left is not None:
            raise Violation("5", f"after a quiet restart: {left}")

    def serve(self, instance: Instance) -> bool:
        """One round of everything for one instance; whether anything happened."""
        world = self.world
        moved = op.land(world, instance, False)
        moved |= world.follow(instance, None)
        moved |= op.commit(world, instance, False)
        moved |= world.feed(instance, 5)
        for step in (op.read, op.bury, op.ask):
            moved |= step(world, instance, False)
        while op.arrive(world, instance, self.moods):
            moved = True
        while op.answer(world, instance):
            moved = True
        return moved
