"""When a subscription's order changes, what was formed within the old one is neither repeated nor overtaken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lmshooks.core.commands import Bury, Commit, Entry, Post, WriteState
from lmshooks.core.configuration import Configuration, Limits
from lmshooks.core.dispatcher import Dispatcher
from lmshooks.core.positions import Partition
from lmshooks.core.retrying import Failure, Outcome
from lmshooks.core.subscriptions import Endpoint, Order, Subscription
from tests.core.test_dead_endpoint import record

P = Partition("events", 0)


def test_an_event_whose_dead_letter_is_being_written_is_not_sent_once_more_when_the_order_changes() -> None:
    one = Subscription("one", "1", ("*",), Endpoint("http://x"), max_events=1)
    machine = Dispatcher("one", Configuration({"one": one}, version="1"), Limits(), 2000.0)
    posts: list[Post] = []
    letters: list[Bury] = []
    now, state = 2000.0, 0

    def turn() -> None:
        nonlocal state
        while commands := machine.take()[0]:
            for command in commands:
                if isinstance(command, WriteState):
                    entries = [Entry(state + at, now, *pair) for at, pair in enumerate(command.entries)]
                    state += len(entries)
                    machine.followed(entries, now)
                elif isinstance(command, Commit):
                    machine.committed(command, True, now)
                elif isinstance(command, Post):
                    posts.append(command)
                elif isinstance(command, Bury):
                    letters.append(command)

    machine.assigned(P, 0, "", 0, 0, 0, now)
    turn()
    log: list[Any] = [record(0)]
    machine.records(P, log, 1, 1, now)
    turn()
    while not letters:
        machine.attempted(posts[-1], Outcome(400, Failure.STATUS, None, 0.0, ""), now)
        now += 1000.0
        machine.wake(now)
        turn()
    sent = len(posts)
    machine.configured(Configuration({"one": replace(one, order=Order.LEARNER)}, version="2"), now)
    turn()
    assert len(posts) == sent
    machine.buried(letters[0], True, now)
    turn()
    assert machine.stats(now).subscriptions[0].owed == 0
