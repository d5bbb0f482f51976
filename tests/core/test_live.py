"""Events are handed out in runs of an account where that can be: what every lane has then is what it has one by one."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest

from lmshooks.core.lanes import Lane
from lmshooks.core.subscriptions import Endpoint, Order, Subscription
from tests.core.test_dead_endpoint import Stored
from tests.core.waiting import P, Waiting

NAMES = ("COURSE_ENROLLMENT", "COURSE_COMPLETED", "LEARNER_PROGRESS", "UNWANTED")
SHAPES: tuple[dict[str, Any], ...] = (
    {"events": ("COURSE_*",)},
    {"events": ("COURSE_COMPLETED",), "queue_events": 6},
    {"events": ("COURSE_*", "LEARNER_PROGRESS"), "order": Order.LEARNER},
    {"events": ("*",), "order": Order.NONE, "queue_bytes": 1500},
    {"events": ("COURSE_*",), "filter": lambda fields: fields["data"]["userId"] % 2 == 0},
    {"events": ("COURSE_*",), "active": False},
)


def subscriptions() -> list[Subscription]:
    return [
        Subscription(
            f"{account}-{place}", account, endpoint=Endpoint("http://x"), max_events=3, max_in_flight=1, **shape
        )
        for account in ("1", "2")
        for place, shape in enumerate(SHAPES)
    ]


def records(rng: random.Random, count: int) -> list[Any]:
    made: list[Any] = []
    for offset in range(count):
        events = [
            {"eventId": f"e{offset}.{index}", "eventName": rng.choice(NAMES), "timestamp": 1,
             "data": {"userId": rng.randrange(3)}}
            for index in range(rng.choice((1, 1, 1, 2)))
        ]  # fmt: skip
        made.append(Stored(offset, orjson.dumps({"accountId": rng.randrange(1, 4), "events": events})))
    return made


def told(lane: Lane) -> object:
    waiting = {key: [event.position for event in queue] for key, queue in lane.waiting.items()}
    pending = [delivery.members for delivery in lane.pending]
    counts = lane.queued, lane.queued_bytes, lane.attached, lane.next, lane.horizon, list(lane.ready)
    return waiting, pending, counts


@pytest.mark.parametrize("seed", range(40))
def test_a_run_is_what_its_events_are(seed: int) -> None:
    drivers = [Waiting(*subscriptions()) for _ in range(2)]
    drivers[1].machine.context.index.of_every_account = True  # so says one that hands out one by one
    rng = random.Random(seed)
    log = records(rng, 200)
    sizes = [rng.randrange(1, 60) for _ in range(200)]
    begin = 0
    for size in sizes:
        end = min(begin + size, len(log))
        for driver in drivers:
            driver.machine.records(P, log[begin:end], end, end, driver.now)
            driver.turn()
        lanes = [driver.machine.owned[P].lanes for driver in drivers]
        assert {key: told(lane) for key, lane in lanes[0].items()} == {
            key: told(lane) for key, lane in lanes[1].items()
        }
        assert drivers[0].machine.context.memory == drivers[1].machine.context.memory
        assert len({tuple(sorted(post.delivery_id for post in driver.posts)) for driver in drivers}) == 1
        begin = end
        if begin == len(log):
            break
    assert any(lane.queued for lane in lanes[0].values())
