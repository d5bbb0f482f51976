"""Where Kafka confirms nothing, nothing is added to what would come again: posts wait until it confirms."""

from __future__ import annotations

from dataclasses import replace

from lmshooks.core.positions import Partition
from tests.laws.stage import Stage, subscription
from tests.laws.world import Bounds, Instance

S = subscription("s")


def owing(stage: Stage, count: int) -> tuple[Instance, list[str]]:
    """An instance that owns the partition and has so many events to send, one after the other."""
    one = stage.begin()
    ids = [stage.produce()[0].id for _ in range(count)]
    stage.feed(one)
    return one, ids


def longer(stage: Stage, one: Instance) -> None:
    """More time passes than posts go on for while nothing is confirmed."""
    stage.world.now += stage.world.limits.unconfirmed + 0.1
    stage.wake(one)


def test_nothing_is_posted_while_a_commit_goes_without_an_answer() -> None:
    stage = Stage(S)
    one, (_, second, third) = owing(stage, 3)
    stage.answer(one, "s")
    stage.world.now += 0.2
    stage.wake(one)
    assert one.commits, "what is settled is committed"
    stage.wake(one)
    assert stage.on_its_way(one, "s") == [second], "a commit that has just been ordered holds nothing up"
    longer(stage, one)
    stage.answer(one, "s")
    assert not stage.on_its_way(one, "s")
    assert one.machine.stats(stage.world.now).partitions[0].state == "held"
    stage.commit(one)
    assert stage.on_its_way(one, "s") == [third]
    assert one.machine.stats(stage.world.now).partitions[0].state == "running"
    stage.end()


def test_nothing_is_posted_while_a_write_goes_without_an_answer_or_fails() -> None:
    stage = Stage(S)
    one, (_, second) = owing(stage, 2)
    stage.written(one)  # it is owed the first, in flight
    longer(stage, one)
    stage.answer(one, "s")
    assert not stage.on_its_way(one, "s")
    stage.fail(one)
    stage.wake(one)
    assert not stage.on_its_way(one, "s"), "that a write failed confirms nothing"
    stage.checkpoint(one)
    assert stage.on_its_way(one, "s") == [second]
    stage.end()


def beside(stage: Stage) -> tuple[Instance, Partition]:
    """An instance that owns two partitions; the other one."""
    one, other = stage.begin(), stage.world.partitions[1]
    stage.own(one, other)
    return one, other


def test_a_partition_that_kafka_confirms_goes_on_beside_one_that_it_does_not() -> None:
    stage = Stage(S, bounds=Bounds(partitions=2))
    one, other = beside(stage)
    stage.produce()
    stage.produce()
    stage.feed(one)
    stage.written(one)
    longer(stage, one)
    stage.answer(one, "s")
    assert not stage.on_its_way(one, "s")
    (event,) = stage.produce(to=other)
    stage.feed(one)
    assert stage.on_its_way(one, "s") == [event.id]
    stage.end()


def test_what_starved_for_a_permit_is_not_fed_by_another_partition_meanwhile() -> None:
    stage = Stage(S, bounds=Bounds(partitions=2))
    stage.world.limits = replace(stage.world.limits, posts=1)
    one, other = beside(stage)
    stage.produce(to=other)
    stage.feed(one)
    (event,) = stage.produce()
    stage.feed(one)
    stage.written(one)
    longer(stage, one)
    stage.answer(one, "s")
    stage.wake(one)
    assert not stage.on_its_way(one, "s"), "the permit is free, and the write is not confirmed"
    stage.checkpoint(one)
    assert stage.on_its_way(one, "s") == [event.id]
    stage.end()
