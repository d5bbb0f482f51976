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


def test_a_delivery_whose_bytes_were_let_go_is_read_again_though_another_that_waits_behind_it_fills_the_lane() -> None:
    one = Subscription("one", "1", ("*",), Endpoint("http://x"), order=Order.LEARNER, max_events=1, max_in_flight=2)
    waiting = Waiting(one)
    waiting.read(2)
    first, second = waiting.posts
    waiting.answer(first, 500)
    waiting.configure(replace(one, order=Order.ACCOUNT))
    waiting.answer(second, 500)
    for _ in range(20):
        waiting.wait(1.0)
    again = waiting.posts[2]
    assert (again.delivery_id, again.body) == (first.delivery_id, first.body)
    waiting.answer(again, 200)
    assert waiting.posts[-1].delivery_id == second.delivery_id
