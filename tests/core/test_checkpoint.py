"""What a checkpoint leaves behind is enough for whoever starts from it."""

from __future__ import annotations

import orjson

from lmshooks.core.records import Kind, lane_key
from lmshooks.core.subscriptions import Endpoint, Subscription
from tests.core.waiting import P, Waiting

ONE = Subscription("one", "1", ("*",), Endpoint("http://x"))


def sent(waiting: Waiting) -> set[int]:
    """The numbers of the events that were sent."""
    return {event["data"]["n"] for post in waiting.posts for event in orjson.loads(post.body)["events"]}


def test_what_a_lane_had_settled_ahead_of_its_feed_is_known_until_the_commit_has_passed_it() -> None:
    """Of the first three only one is owed, says the record. All are read and settled between two checkpoints."""
    record = (lane_key(P, Kind.REAL_TIME, "one"), b'{"t":-1,"s":1,"h":[0,0],"z":[3,0],"o":[0,0]}')
    waiting = Waiting(ONE, state=[record])
    waiting.read(5)
    assert sent(waiting) == {0, 3, 4}
    for post in waiting.posts:
        waiting.answer(post, 200)
    for _ in range(4):
        waiting.wait(0.5)
        assert not {1, 2} & sent(waiting.succeed(ONE))
    assert waiting.committed == 5
