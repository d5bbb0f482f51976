"""A subscription that the daemon stops is stopped once, and what it is owed stays owed until somebody resumes it."""

from __future__ import annotations

from lmshooks.core.commands import Entry
from lmshooks.core.facts import Suspended
from lmshooks.core.records import resume_key
from lmshooks.core.subscriptions import Endpoint, Order, Subscription
from tests.core.waiting import Waiting


def suspensions(waiting: Waiting) -> int:
    return sum(isinstance(fact, Suspended) for fact in waiting.facts)


def test_requests_that_were_under_way_and_are_answered_later_suspend_nothing_twice() -> None:
    one = Subscription("one", "1", ("*",), Endpoint("http://x"), order=Order.NONE, max_events=1, max_in_flight=3)
    waiting = Waiting(one)
    waiting.read(1)
    waiting.widen(3)
    waiting.read(2)
    assert len(waiting.posts) == 3
    for post in tuple(waiting.posts):
        waiting.answer(post, 410)
    assert suspensions(waiting) == 1
    stats = waiting.machine.stats(waiting.now).subscriptions[0]
    assert (stats.state, stats.suspended_for, stats.owed) == ("suspended", "gone", 3)


def test_who_is_resumed_and_still_gone_is_suspended_again() -> None:
    one = Subscription("one", "1", ("*",), Endpoint("http://x"), order=Order.NONE, max_events=1, max_in_flight=3)
    waiting = Waiting(one)
    waiting.read(1)
    waiting.answer(waiting.posts[-1], 410)
    waiting.machine.followed([Entry(10_000, waiting.now, resume_key("one"), b"{}")], waiting.now)
    waiting.wait(1.0)
    first, again = waiting.posts
    assert (again.delivery_id, again.body) == (first.delivery_id, first.body)
    waiting.answer(again, 410)
    assert suspensions(waiting) == 2


def test_who_is_taken_out_of_the_files_is_an_orphan_and_then_nothing_and_not_suspended() -> None:
    one = Subscription("one", "1", ("*",), Endpoint("http://x"))
    waiting = Waiting(one)
    waiting.read(1)
    waiting.answer(waiting.posts[-1], 410)
    waiting.configure()
    (told,) = waiting.machine.stats(waiting.now).subscriptions
    assert (told.state, told.suspended_for, told.suspended_at) == ("orphaned", None, None)
    waiting.wait(4000.0)  # past the grace
    assert waiting.machine.stats(waiting.now).subscriptions == ()
    waiting.configure(one)
    (back,) = waiting.machine.stats(waiting.now).subscriptions
    assert (back.state, back.suspended_for) == ("suspended", "gone")
