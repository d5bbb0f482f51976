"""One timer for all, and each is told of its own time."""

import asyncio
import time

import pytest

from lmshooks.adapters.deadlines import Deadlines
from tests.adapters.answering import EITHER_LOOP, event_loop_policy

__all__ = ["event_loop_policy"]

pytestmark = EITHER_LOOP


class Waiting:
    """Notes when it was told that it is late."""

    def __init__(self, deadlines, at):
        self.deadlines = deadlines
        self.ends = None
        self.told = asyncio.get_running_loop().create_future()
        self.times = 0
        deadlines.begun(self, at)

    def late(self):
        self.times += 1
        self.told.set_result(time.monotonic())
        if self.ends is not None:
            self.deadlines.ended(self.ends)


async def test_each_is_told_once_when_its_own_time_is_over():
    deadlines: Deadlines[Waiting] = Deadlines(0.05)
    began = time.monotonic()
    several = [Waiting(deadlines, began + after) for after in (0.0, 0.0, 0.03, 0.06)]
    told = await asyncio.wait_for(asyncio.gather(*(one.told for one in several)), 30.0)
    for after, at in zip((0.05, 0.05, 0.08, 0.11), told, strict=True):
        assert at - began >= after - 0.002
    assert told == sorted(told)
    assert [one.times for one in several] == [1, 1, 1, 1]
    assert deadlines.running == ()


async def test_who_ended_in_time_is_not_told_and_takes_nobody_s_place():
    deadlines: Deadlines[Waiting] = Deadlines(0.02)
    now = time.monotonic()
    ended, late = Waiting(deadlines, now), Waiting(deadlines, now)
    deadlines.ended(ended)
    deadlines.ended(ended)
    await asyncio.wait_for(late.told, 30.0)
    assert ended.times == 0
    again = Waiting(deadlines, time.monotonic())  # the timer that fired last is made anew
    await asyncio.wait_for(again.told, 30.0)


async def test_one_that_ends_another_does_not_tell_it():
    deadlines: Deadlines[Waiting] = Deadlines(0.02)
    now = time.monotonic()
    first, second, third = (Waiting(deadlines, now) for _ in range(3))
    first.ends = second
    await asyncio.wait_for(third.told, 30.0)
    assert second.times == 0


async def test_after_the_close_nobody_is_told():
    deadlines: Deadlines[Waiting] = Deadlines(0.0)
    other: Deadlines[Waiting] = Deadlines(0.02)
    closed = Waiting(deadlines, time.monotonic())
    deadlines.close()
    await asyncio.wait_for(Waiting(other, time.monotonic()).told, 30.0)
    with pytest.raises(asyncio.InvalidStateError):
        closed.told.result()
