"""What does the checker excuse, and what not? Histories that are doctored by hand, with real requests."""

from __future__ import annotations

from contextlib import nullcontext

import orjson
import pytest

from lmshooks.core.commands import Post
from tests.laws.checker import Checker
from tests.laws.endpoints import Request
from tests.laws.remembered import Settled
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


def second_of(request: Request) -> Post:
    """A delivery of its second event alone."""
    body = orjson.loads(request.post.body)
    body["events"].pop(0)
    return request.post._replace(delivery_id="another", body=orjson.dumps(body), events=1)


@pytest.mark.parametrize(
    ("status", "checkpoints", "law"),
    [
        pytest.param(200, 0, None, id="settled, and nobody could know"),
        pytest.param(200, 3, "9", id="settled, and durable"),
        pytest.param(500, 0, None, id="attempted, and nobody could know"),
        pytest.param(500, 3, "6", id="attempted, and recorded"),
    ],
)
def test_half_of_a_delivery_comes_alone_only_where_a_crash_came_soon(
    status: int, checkpoints: int, law: str | None
) -> None:
    stage = Stage(subscription("s", max_events=2))
    one = stage.begin()
    stage.produce(count=2)
    stage.feed(one)
    (whole,) = stage.answer(one, "s", status)
    stage.checkpoints(one, checkpoints)
    stage.crash(one)
    two = stage.begin()
    checker = stage.world.checker
    checker.flying.clear()
    with pytest.raises(Violation) if law else nullcontext() as broken:
        checker.posted(two.name, second_of(whole), stage.world.now)
    assert broken is None or broken.value.law == law


def test_half_of_a_delivery_comes_alone_where_all_of_it_was_settled_soon_before_a_crash() -> None:
    """However long ago it was recorded: who begins finds neither half in a record, and one of them committed."""
    stage = Stage(subscription("s", max_events=2))
    one = stage.begin()
    stage.produce(count=2)
    stage.feed(one)
    stage.answer(one, "s", 500)
    stage.checkpoints(one, 3)
    stage.until(lambda: bool(stage.on_its_way(one, "s")), one)
    (whole,) = stage.answer(one, "s")
    stage.crash(one)
    two = stage.begin()
    checker = stage.world.checker
    checker.flying.clear()
    checker.posted(two.name, second_of(whole), stage.world.now)


def test_half_of_a_delivery_may_not_come_alone_where_the_other_half_is_owed() -> None:
    """Though this half was settled soon before the crash: the whole was recorded."""
    stage = Stage(subscription("s", max_events=2))
    one = stage.begin()
    stage.produce(count=2)
    stage.feed(one)
    (whole,) = stage.answer(one, "s", 500)
    stage.checkpoints(one, 3)
    checker = stage.world.checker
    checker.settled["s", whole.facts[1].id] = Settled(one.name, whole.tenure, stage.world.now)
    stage.crash(one)
    two = stage.begin()
    checker.flying.clear()
    with pytest.raises(Violation) as broken:
        checker.posted(two.name, second_of(whole), stage.world.now)
    assert broken.value.law == "6"
