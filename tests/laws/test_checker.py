"""What does the checker excuse, and what not? Histories that are doctored by hand, with real requests."""

from __future__ import annotations

import pytest

from tests.laws.checker import Checker
from tests.laws.endpoints import Request
from tests.laws.stage import Stage, subscription
from tests.laws.violation import Violation


def two_requests() -> tuple[Checker, Request, Request]:
    """Two of one key, in the order in which they were posted; as if neither had arrived yet."""
    stage = Stage(subscription("s"))
    one = stage.begin()
    posted = []
    for _ in range(2):
        stage.produce()
        stage.feed(one)
        posted.append(one.requests[-1])
        stage.answer(one, "s")
    checker = stage.world.checker
    checker.accepted.clear()
    checker.latest.clear()
    for request in posted:
        request.accepted = True
    assert posted[0].posted_at < posted[1].posted_at
    return checker, posted[0], posted[1]


def test_what_a_life_posted_that_was_given_up_may_arrive_among_a_later_ones() -> None:
    checker, early, late = two_requests()
    checker.give_up("s", late.posted_at)
    checker.arrived(late)
    checker.arrived(early)


@pytest.mark.parametrize("ended", ["never", "before both", "after both"])
def test_within_a_life_the_order_is_kept(ended: str) -> None:
    checker, early, late = two_requests()
    if ended != "never":
        checker.give_up("s", early.posted_at if ended == "before both" else late.posted_at + 1)
    checker.arrived(late)
    with pytest.raises(Violation) as broken:
        checker.arrived(early)
    assert broken.value.law == "2"
