"""Between checkpoints, what needs no write is committed; and nothing else is."""

from __future__ import annotations

from lmshooks.core.subscriptions import Endpoint, Subscription
from tests.core.waiting import Waiting

ONE = Subscription("one", "1", ("*",), Endpoint("http://x"), max_events=1)
A_MOMENT = 0.2
"""Seconds: longer than the commit interval, shorter than a checkpoint's."""


def settled(waiting: Waiting) -> int:
    """How many state entries there are once nothing has to be written any more."""
    for _ in range(4):
        waiting.wait(1.5)
    return len(waiting.state)


def test_what_is_settled_is_committed_without_a_write() -> None:
    waiting = Waiting(ONE)
    before = settled(waiting)
    waiting.read(1)
    waiting.answer(waiting.posts[-1], 200)
    waiting.wait(A_MOMENT)
    assert waiting.committed == 1
    assert len(waiting.state) == before


def test_what_is_in_flight_is_not_passed_before_its_lane_has_a_record() -> None:
    waiting = Waiting(ONE)
    settled(waiting)
    waiting.read(2)
    waiting.answer(waiting.posts[-1], 200)
    waiting.wait(A_MOMENT)
    assert waiting.committed == 1
    before = settled(waiting)
    waiting.wait(A_MOMENT)
    assert waiting.committed == 2
    waiting.read(1)
    waiting.wait(A_MOMENT)
    assert waiting.committed == 3, "its record says from where on it is owed everything"
    assert len(waiting.state) == before
    assert [post.events for post in waiting.succeed(ONE).posts] == [1]


def test_a_commit_that_only_moves_on_is_mirrored_after_ten_seconds() -> None:
    waiting = Waiting(ONE)
    before = settled(waiting)
    for _ in range(30):
        waiting.read(1)
        waiting.answer(waiting.posts[-1], 200)
        waiting.wait(1.1)
    assert waiting.committed == 30
    assert 3 <= len(waiting.state) - before <= 4
