"""Commits between checkpoints: what breaks without each of their conditions (decision 18)?"""

from __future__ import annotations

from tests.laws import mutations as off
from tests.laws.holes import hole
from tests.laws.stage import Stage, subscription

S = subscription("s")


@hole("23", "R1", "4 1", off.commit_what_is_not_settled)
def a_commit_between_checkpoints_stops_at_what_is_owed() -> None:
    """In flight, and no record yet: the next checkpoint will write one, but the commit may not be there first."""
    stage = Stage(S)
    one = stage.begin()
    stage.produce()
    stage.feed(one)
    stage.advance(one)
    stage.crash(one)
    stage.own(stage.start())
    stage.end()


@hole("24", "R8", "1", off.commit_past_what_is_not_said)
def a_commit_between_checkpoints_waits_for_the_partition_record() -> None:
    """A malformed record, whose dead letter is not written yet: only the partition record would know of it."""
    stage = Stage(S)
    one = stage.begin()
    stage.spoil()
    stage.feed(one)
    stage.advance(one)
    stage.crash(one)
    stage.own(stage.start())
    stage.end()


@hole("25", "R4", "4 1", off.forget_what_the_group_was_told)
def a_commit_without_an_answer_may_yet_land() -> None:
    """The lane's record held what the commit passed: it may not go before that is settled, whatever the answer."""
    stage = Stage(S)
    one = stage.begin()
    stage.produce()
    stage.feed(one)
    stage.checkpoints(one, 3)  # it is in flight, and recorded
    stage.answer(one, "s")
    stage.produce()
    stage.feed(one)
    stage.world.now += 0.2
    stage.wake(one)
    late = one.commits.pop()
    stage.world.now += stage.world.limits.write_timeout + 1
    stage.checkpoint(one)
    stage.world.commit(late)
    stage.crash(one)
    stage.own(stage.start())
    stage.end()
