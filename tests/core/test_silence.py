"""Who has heard nothing of the state topic for long posts nothing: its partitions may be another's by then."""

from __future__ import annotations

from tests.laws.stage import Stage, subscription
from tests.laws.world import Instance

SILENCE = 10.0


def begun(stage: Stage) -> Instance:
    """An instance that owns the partition, and minds silence."""
    one = stage.start()
    one.machine.context.silence = SILENCE
    stage.own(one)
    return one


def hear(stage: Stage, instance: Instance, ago: float = 0.0) -> None:
    """It learns where the state topic ended so many seconds ago."""
    stage.world.call(instance, "current", stage.world.now - ago)


def test_nothing_is_posted_after_a_silence_until_the_state_topics_end_is_known() -> None:
    stage = Stage(subscription("s"))
    one = begun(stage)
    (first,) = stage.produce()
    stage.feed(one)
    assert stage.on_its_way(one, "s") == [first.id], "its own claim, read back, was news"
    stage.answer(one, "s")
    stage.world.now += SILENCE + 1
    (second,) = stage.produce()
    stage.feed(one)
    stage.wake(one)
    assert not stage.on_its_way(one, "s")
    hear(stage, one, ago=SILENCE + 0.5)
    assert not stage.on_its_way(one, "s"), "an answer that lay there all the time is no news"
    hear(stage, one, ago=0.2)
    assert stage.on_its_way(one, "s") == [second.id]
    stage.end()


def test_a_retry_waits_for_news_too() -> None:
    stage = Stage(subscription("s"))
    one = begun(stage)
    (event,) = stage.produce()
    stage.feed(one)
    stage.answer(one, "s", 500)
    stage.world.now += SILENCE + 1
    stage.wake(one)
    assert not stage.on_its_way(one, "s")
    hear(stage, one)
    assert stage.on_its_way(one, "s") == [event.id]
    stage.end()


def test_who_wakes_after_its_partition_was_taken_posts_nothing_that_it_reads_then() -> None:
    stage = Stage(subscription("s"))
    one = begun(stage)
    stage.world.now += SILENCE + 1
    two = begun(stage)
    stage.produce(count=3)
    stage.feed(one)  # the log is fenced by nobody: it reads on before it has read the other's claim
    stage.wake(one)
    assert not stage.on_its_way(one, "s")
    stage.follow(one)
    hear(stage, one)
    assert not stage.on_its_way(one, "s")
    stage.feed(two)
    assert stage.on_its_way(two, "s")
    stage.end()
