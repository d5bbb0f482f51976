"""When a subscription's order changes, what was formed within the old one is neither repeated nor overtaken."""

from __future__ import annotations

from dataclasses import replace

from lmshooks.core.subscriptions import Endpoint, Order, Subscription
from tests.core.waiting import Waiting


def test_an_event_whose_dead_letter_is_being_written_is_not_sent_once_more_when_the_order_changes() -> None:
    one = Subscription("one", "1", ("*",), Endpoint("http://x"), max_events=1)
    waiting = Waiting(one)
    waiting.read(1)
    while not waiting.letters:
        waiting.answer(waiting.posts[-1], 400)
        waiting.wait(1000.0)
    sent = len(waiting.posts)
    waiting.configure(replace(one, order=Order.LEARNER))
    assert len(waiting.posts) == sent
    waiting.machine.buried(waiting.letters[0], True, waiting.now)
    waiting.turn()
    assert waiting.machine.stats(waiting.now).subscriptions[0].owed == 0
