"""A clock that was set ahead holds nothing back for longer than to the next close by the right one."""

from __future__ import annotations

from tests.laws.stage import LATER, Stage, subscription


def test_windows_close_again_where_a_clock_was_hours_ahead() -> None:
    stage = Stage(subscription("s"))
    stage.world.checker.ranges.one_clock = False
    ahead = stage.begin()
    ahead.skew = 7200.0
    stage.produce(LATER)
    stage.feed(ahead)
    stage.close(ahead)
    stage.checkpoint(ahead)
    stage.sweep(ahead)
    stage.answer(ahead, "s")
    stage.checkpoint(ahead)
    stage.crash(ahead)
    right = stage.start()
    stage.own(right)
    (owed,) = stage.produce(LATER)
    stage.feed(right)
    stage.close(right)
    stage.checkpoint(right)
    stage.sweep(right)
    stage.answer_all(right, "s")
    assert stage.world.checker.accepted["s", owed.id] == 1
