"""Who takes over from an owner that stopped in order sends nothing again (law 9)."""

from __future__ import annotations

import pytest

from tests.laws.stage import LATER, P, Stage, subscription
from tests.laws.world import Instance

S = subscription("s", max_events=10, max_in_flight=5)


def hand_over(stage: Stage, one: Instance) -> Instance:
    """It releases the partition as far as it may, and another one takes over and has read all there is."""
    stage.world.call(one, "release", P)
    while one.writes or one.commits:
        if one.writes:
            stage.land(one)
        stage.follow(one)
        stage.commit(one)
    assert one.machine.released(P)
    stage.world.take_away(P, one)
    other = stage.begin()
    stage.feed(other)
    return other


def test_a_lane_whose_record_may_not_go_yet_says_that_it_owes_nothing() -> None:
    """It says that both events are owed; only the last checkpoint says that their windows have been read."""
    stage = Stage(S)
    one = stage.begin()
    for account in ("1", "2"):
        stage.produce(LATER, account=account)
        stage.feed(one)
        stage.close(one)
        stage.checkpoint(one)  # the first one's record, and then
        stage.checkpoint(one)  # the second one's window
        stage.sweep(one)
    stage.checkpoint(one)
    stage.answer_all(one, "s")
    other = hand_over(stage, one)
    stage.checkpoint(other)
    stage.sweep(other)
    assert not stage.on_its_way(other, "s")
    stage.end()


@pytest.mark.parametrize("landed", [False, True])
def test_what_is_settled_after_the_last_checkpoint_began_is_in_another_one(landed: bool) -> None:
    stage = Stage(S)
    one = stage.begin()
    stage.produce()
    stage.feed(one)
    stage.world.call(one, "release", P)
    stage.world.call(one, "hurry", P)
    assert one.writes, "its request is still out, and is not waited for"
    if not landed:
        stage.answer(one, "s")
    stage.land(one)
    stage.follow(one)
    stage.commit(one)
    if landed:
        stage.answer(one, "s")
    assert not one.machine.released(P)
    other = hand_over(stage, one)
    assert not stage.on_its_way(other, "s")
    stage.end()
