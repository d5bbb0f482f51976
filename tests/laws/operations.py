"""What may happen? One function an operation, each a small step of the world; random or from a script.

Faults are the point: writes that fail, land late or without their acknowledgement, commits that are lost, requests that
arrive after their sender is gone, instances that work on after they lost a partition.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from lmshooks.core.commands import WriteState
from lmshooks.core.records import resume_entry
from tests.laws.endpoints import Mood, reach
from tests.laws.logs import Fact
from tests.laws.settings import ACCOUNTS, NAMES
from tests.laws.world import Instance, World

LEARNERS = ("l1", "l2", "l3")
LATE = 60.0
"""Seconds within which a write that was given up may still land."""


# producers


def produce(world: World, poison: float = 0.0, malformed: float = 0.0) -> None:
    """One to three records of one to three events, some of them malformed, with gaps between."""
    rng = world.rng
    for _ in range(rng.randint(1, 3)):
        source = world.sources[rng.choice(world.partitions)]
        if rng.random() < 0.15:
            source.end += rng.randint(1, 3)
        if rng.random() < malformed / 2:
            offset = source.append(b'{"accountId": "1", "events": [', world.now)
            world.checker.malformed.add((source.partition, offset, 0))
            continue
        account = rng.choice(ACCOUNTS)
        made = []
        for index in range(rng.choice((1, 1, 2, 3))):
            number = len(world.checker.facts)
            if rng.random() < malformed / 2:
                made.append({"eventId": f"bad{number}", "data": {}})
                world.checker.malformed.add((source.partition, source.end, index))
                continue
            name, learner, sick = rng.choice(NAMES), rng.choice(LEARNERS), rng.random() < poison
            fact = Fact(source.partition, (source.end, index), account, learner, name, f"e{number}", number, sick)
            world.checker.facts[fact.id] = fact
            made.append(
                {
                    "eventId": fact.id, "eventName": name, "timestamp": "2026-01-01T00:00:00Z",
                    "data": {"userId": learner, "n": number},
                }
            )  # fmt: skip
        source.append(json.dumps({"accountId": account, "events": made}).encode(), world.now)


def expire(world: World) -> None:
    """Retention takes the oldest records of a partition, read or not."""
    source = world.sources[world.rng.choice(world.partitions)]
    source.expire(min(source.end, source.start + world.rng.randint(0, 6)))
    world.trace(f"{source.partition} begins at {source.start}")


# the state topic


def land(world: World, instance: Instance, faults: bool) -> bool:
    """The oldest write of an instance lands, or fails, or its fate stays unknown."""
    if not instance.writes:
        return False
    write = instance.writes.popleft()
    luck = world.rng.random() if faults else 1.0
    if luck >= 0.12:
        _append(world, write)
        return True
    if luck < 0.04:
        world.trace(f"{instance.name} write fails")
    elif luck < 0.08:
        world.trace(f"{instance.name} write unknown, may land late")
        world.late.append((world.now + LATE, write))
    else:
        world.trace(f"{instance.name} write lands without its acknowledgement")
        _append(world, write)
    world.call(instance, "write_failed", write)
    return True


def land_late(world: World) -> None:
    """A write that was given up lands after all."""
    if world.late:
        _, write = world.late.pop(world.rng.randrange(len(world.late)))
        _append(world, write)


def expire_late(world: World) -> None:
    """What is late lands, or never does."""
    for until, write in [pair for pair in world.late if pair[0] <= world.now]:
        world.late.remove((until, write))
        if world.rng.random() < 0.5:
            _append(world, write)


def _append(world: World, write: WriteState) -> None:
    world.trace(f"a write lands at {world.state.end}: {write.partition} {len(write.entries)}")
    world.state.append(write.entries, world.now)
    world.checker.ranges.landed(write.entries)


def compact(world: World) -> None:
    """The cleaner runs."""
    world.state.compact(world.now - world.bounds.lag)


def resume(world: World, name: str | None = None) -> None:
    """The operator's command."""
    known = sorted(world.versions[world.target].subscriptions)
    if known or name:
        world.trace(f"resume {name}")
        world.state.append([resume_entry(name or world.rng.choice(known), world.now)], world.now)


# the group


def commit(world: World, instance: Instance, faults: bool) -> bool:
    """A commit is applied, or not, or its answer is lost; the group refuses one of an assignment that is over."""
    if not instance.commits:
        return False
    asked = instance.commits.pop(0)
    luck = world.rng.random() if faults else 1.0
    over = instance.machine.owned.get(asked.partition) not in (None, asked.ticket[0])
    applied = world.owner[asked.partition] is instance and not over and luck >= 0.08
    if applied:
        world.commit(asked)
    ok = applied and luck >= 0.16
    world.trace(f"{instance.name} commit {asked.offset}: applied {applied}, answer {ok}")
    world.call(instance, "committed", asked, ok)
    return True


def forget_offset(world: World) -> None:
    """The group's offset is gone: it expires where nobody owns the partition."""
    partition = world.rng.choice(world.partitions)
    if world.owner[partition] is None and world.group.get(partition, (0, ""))[1]:  # an operator's stays for the play
        world.group.pop(partition, None)
        world.checker.forgot(partition, world.now)


def move_offset(world: World) -> None:
    """An operator moves the group's offset, which Kafka allows where nobody owns the partition."""
    partition = world.rng.choice(world.partitions)
    source = world.sources[partition]
    if world.owner[partition] is None:
        offset = world.rng.randint(source.start, source.end)
        world.trace(f"the operator moves {partition} to {offset}")
        world.group[partition] = (offset, "")
        world.checker.moved(partition, offset)


def move(world: World, graceful: bool) -> None:
    """A partition goes to another instance; ungracefully, the one before does not know."""
    if not world.running:
        return
    partition = world.rng.choice(world.partitions)
    target = world.rng.choice(world.running)
    owner = world.owner[partition]
    if partition in world.leaving:
        return
    if owner is None:
        world.give(partition, target)
    elif graceful:
        world.leaving[partition] = target
        world.trace(f"{owner.name} is to release {partition} for {target.name}")
        world.call(owner, "release", partition)
    elif owner is not target:
        world.zombies.append((owner, partition))
        world.give(partition, target)


def leave(world: World, forced: bool) -> None:
    """A release comes to its end, or to its deadline."""
    for partition, target in list(world.leaving.items()):
        owner = world.owner[partition]
        if owner is None:
            del world.leaving[partition]
            continue
        if forced and world.rng.random() < 0.5:
            world.call(owner, "hurry", partition)
        elif forced or owner.machine.released(partition):
            del world.leaving[partition]
            world.take_away(partition, owner)
            world.give(partition, target if target.alive else owner)


def learn(world: World) -> None:
    """A zombie learns that it lost its partition."""
    if world.zombies:
        instance, partition = world.rng.choice(world.zombies)
        world.take_away(partition, instance)


def crash(world: World) -> None:
    """kill -9."""
    if world.running:
        world.crash(world.rng.choice(world.running))


def revive(world: World) -> None:
    """An instance starts in an empty slot, with the newest configuration or the one before."""
    empty = [slot for slot, instance in enumerate(world.slots) if instance is None]
    if empty:
        old = world.target > 0 and world.rng.random() < 0.4
        world.start(world.rng.choice(empty), world.target - 1 if old else world.target)
    for partition in world.partitions:
        if world.owner[partition] is None and world.running:
            world.give(partition, world.rng.choice(world.running))


def configure(world: World) -> None:
    """One instance loads the newest files."""
    behind = [one for one in world.running if one.configuration is not world.versions[world.target]]
    if behind:
        load(world, world.rng.choice(behind), world.target)


def load(world: World, instance: Instance, version: int) -> None:
    """An instance loads a version."""
    instance.configuration = world.versions[version]
    world.trace(f"{instance.name} loads v{version}")
    world.checker.configured(instance.name, instance.configuration, world.now)
    world.call(instance, "configured", instance.configuration)


# reading


def read(world: World, instance: Instance, faults: bool, limit: int | None = None) -> bool:
    """The second reader answers, with so many records at most, or a few."""
    if not instance.reads:
        return False
    asked = instance.reads.pop(world.rng.randrange(len(instance.reads)))
    if faults and world.rng.random() < 0.05:
        world.call(instance, "read_failed", asked)
        return True
    source = world.sources[asked.partition]
    if asked.offset < source.start:
        world.call(instance, "expired", asked, source.start)
        return True
    records, after = source.read(asked.offset, asked.end, limit or world.rng.randint(1, 8))
    world.call(instance, "swept", asked, records, after)
    return True


def ask(world: World, instance: Instance, faults: bool) -> bool:
    """The log's end is told, or not."""
    if not instance.asks:
        return False
    asked = instance.asks.pop(0)
    if not faults or world.rng.random() < 0.9:
        world.call(instance, "ended", asked, world.sources[asked.partition].end)
    return True


# sending


def arrive(world: World, instance: Instance, moods: dict[str, Mood]) -> bool:
    """Some request reaches its endpoint."""
    waiting = [request for request in instance.requests if not request.arrived]
    if not waiting:
        return False
    request = world.rng.choice(waiting)
    reach(request, moods.get(request.post.subscription_id, Mood.WELL), world.rng, world.now)
    assert request.outcome is not None
    world.trace(f"{instance.name} {request.post.delivery_id[:10]} arrives: {request.outcome.status}")
    world.checker.arrived(request)
    return True


def stray(world: World, moods: dict[str, Mood]) -> None:
    """A request of an instance that is gone reaches its endpoint."""
    if world.strays:
        request = world.strays.pop(world.rng.randrange(len(world.strays)))
        reach(request, moods.get(request.post.subscription_id, Mood.WELL), world.rng, world.now)
        world.checker.arrived(request)


def answer(world: World, instance: Instance) -> bool:
    """An answer comes back."""
    waiting = [request for request in instance.requests if request.arrived]
    if not waiting:
        return False
    request = world.rng.choice(waiting)
    instance.requests.remove(request)
    world.checker.answered(request, world.now + 0.001)
    assert request.outcome is not None
    world.call(instance, "attempted", request.post, request.outcome)
    return True


def bury(world: World, instance: Instance, faults: bool) -> bool:
    """A dead letter is written, or not, or its acknowledgement is lost."""
    if not instance.letters:
        return False
    letter = instance.letters.pop(0)
    luck = world.rng.random() if faults else 1.0
    if luck >= 0.15:
        world.checker.buried(letter)
    world.call(instance, "buried", letter, luck >= 0.3)
    return True


# time


def step_clock(world: World) -> None:
    """The clock of an instance, or of the next one to start, is set ahead or back."""
    world.checker.ranges.one_clock = False
    world.checker.ranges.windows.clear()
    world.skew = world.rng.choice((0.0, 0.0, -30.0, 30.0))
    if world.running:
        instance = world.rng.choice(world.running)
        instance.skew = world.rng.choice((0.0, -40.0, -3.0, 3.0, 40.0))
        world.trace(f"the clock of {instance.name} is {instance.skew} s ahead")


def wake(world: World) -> None:
    """Timers that are due fire."""
    for instance in world.running:
        due = instance.machine.next_wakeup()
        if due is not None and due <= world.clock(instance):
            world.call(instance, "wake")


Step = Callable[[World], object]
