"""Law 7: a failing endpoint changes nothing for any other lane. The same run twice, with it and without it, compared.

The run has no chance in it but its seed, and an input takes no time. What the healthy lanes send of real-time events
must be the same to the byte, and to the moment. A window's feed may wait for a full lane that seems to get on: its
events come in the same order, and not later than the feed's patience allows.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from functools import cache

import orjson
import pytest

from lmshooks.core.feeds import PATIENCE
from lmshooks.core.retrying import Failure
from lmshooks.core.subscriptions import Order, RetryPolicy
from tests.laws import mutations as off
from tests.laws import operations as op
from tests.laws.endpoints import outcome
from tests.laws.settings import LIVE, WINDOWED
from tests.laws.stage import P, Stage, subscription
from tests.laws.world import Instance

ROUND = 0.05
ROUNDS = 900
HANGS = 15.0
"""Seconds after which a request without an answer is given up."""

Sent = dict[str, list[tuple[float, bytes]]]
Events = dict[tuple[str, str, str], list[tuple[str, float]]]


class Run:
    """One run: three healthy subscriptions, and one that does what it is told."""

    def __init__(self, seed: int, mood: str) -> None:
        self.rng = random.Random(seed)
        self.mood = mood
        quick = RetryPolicy(0.5, 2.0, 20.0, 0.2)
        self.stage = Stage(
            subscription("account", max_in_flight=3, max_events=3, queue_events=50),
            subscription("learner", max_in_flight=3, order=Order.LEARNER, queue_events=50),
            subscription("unordered", max_in_flight=3, order=Order.NONE, queue_events=50, window="slow"),
            subscription("sick", max_in_flight=3, max_events=2, queue_events=6, retry=quick),
        )
        world = self.stage.world
        world.limits = replace(world.limits, posts=32, failing_posts=2, memory=1 << 20)
        world.tick = 0.0
        self.one = self.stage.begin()
        self.sent: Sent = defaultdict(list)

    def play(self) -> Sent:
        """All rounds."""
        for number in range(ROUNDS):
            self.round(number)
        return self.sent

    def round(self, number: int) -> None:
        """Events come, everything that can happen happens, and then a little time goes by."""
        stage, world, one = self.stage, self.stage.world, self.one
        if number % 4 == 0:
            stage.produce(
                self.rng.choice((*LIVE, *LIVE, *WINDOWED)), count=self.rng.choice((1, 2)),
                account=self.rng.choice("12"), learner=self.rng.choice(("l1", "l2")),
            )  # fmt: skip
        stage.wake(one)
        moved = True
        while moved:
            moved = op.land(world, one, False) | world.follow(one, None) | op.commit(world, one, False)
            moved |= world.feed(one, 100) | op.ask(world, one, False)
            moved |= op.read(world, one, False, 100)
            moved |= self.answer(one)
            while one.letters:  # only the sick one refuses, so they are its own
                letter = one.letters.pop()
                world.checker.letters.add((letter.partition, letter.offset, letter.index, letter.subscription_id))
                world.call(one, "buried", letter, True)
        world.now += ROUND

    def answer(self, one: Instance) -> bool:
        """The healthy answer at once; the sick one as it does."""
        answered = False
        for request in list(one.requests):
            name = request.post.subscription_id
            if name != "sick":
                self.sent[name].append((round(self.stage.world.now, 3), request.post.body))
            elif self.mood == "hangs" and self.stage.world.now - request.posted_at < HANGS:
                continue
            status: int | None = 200
            if name == "sick":
                status = {"well": 200, "down": 500, "gone": 410, "busy": 503, "refuses": 422}.get(self.mood)
            request.arrived = True
            request.outcome = outcome(status, None if status else Failure.TIMEOUT, 3.0 if status == 503 else None)
            request.accepted = request.outcome.status == 200
            one.requests.remove(request)
            self.stage.world.checker.arrived(request)
            self.stage.world.checker.answered(request, self.stage.world.now)
            self.stage.world.call(one, "attempted", request.post, request.outcome)
            answered = True
        return answered


@cache
def undisturbed(seed: int) -> Sent:
    """What is sent where nobody fails."""
    return Run(seed, "well").play()


def live(sent: Sent) -> Sent:
    """The real-time deliveries."""
    return {
        name: [(when, body) for when, body in one if not any(later.encode() in body for later in WINDOWED)]
        for name, one in sent.items()
    }


def windowed(sent: Sent) -> Events:
    """The windowed events with their times, by what their order is kept within."""
    found: Events = defaultdict(list)
    for name, one in sent.items():
        for when, body in one:
            parsed = orjson.loads(body)
            for event in parsed["events"]:
                if event["eventName"] in WINDOWED:
                    learner = event["data"]["userId"] if name != "account" else ""
                    found[name, parsed["accountId"], learner].append((event["eventId"], when))
    return found


def compare(seed: int, mood: str) -> None:
    """Raises AssertionError where the two runs differ for anybody but the sick one."""
    run = Run(seed, mood)
    alone, beside = undisturbed(seed), run.play()
    assert sum(len(one) for one in live(alone).values()) > 200
    assert live(beside) == live(alone), "a real-time event is sent otherwise"
    late = windowed(beside)
    for key, events in windowed(alone).items():
        if key[0] != "unordered":
            assert [name for name, _ in late[key]] == [name for name, _ in events], f"{key} is sent something else"
        times = dict(late[key])
        for name, when in events:
            assert times[name] <= when + PATIENCE + 1.0, f"{key} is sent {name} at {times[name]}, not {when}"
    assert run.stage.world.group[P][0] > run.stage.world.sources[P].end - 60, "the commit is held back"


@pytest.mark.parametrize("mood", ["down", "hangs", "gone", "busy", "refuses"])
def test_a_failing_endpoint_changes_nothing_for_the_others(mood: str) -> None:
    compare(1, mood)


def test_it_is_seen_where_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed(1)
    off.a_failure_holds_its_partition(monkeypatch)
    with pytest.raises(AssertionError, match="is sent"):
        compare(1, "down")
