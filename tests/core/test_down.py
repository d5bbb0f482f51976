"""Where all that is pending has failed, the endpoint is taken to be down: it is tried with one delivery."""

from __future__ import annotations

from lmshooks.core.concurrency import FIRST, PATIENCE
from lmshooks.core.subscriptions import Endpoint, RetryPolicy, Subscription
from tests.core.waiting import Waiting

ALL = Subscription("all", "*", ("*",), Endpoint("http://x"), retry=RetryPolicy(5.0, 300.0, 7 * 86400.0, 0.0))
ACCOUNTS = 5


def failed(count: int) -> Waiting:
    """Of five accounts a delivery each is out; so many fail, one after the other."""
    waiting = Waiting(ALL)
    for account in range(ACCOUNTS):
        waiting.read(1, account)
        waiting.widen(ACCOUNTS)
    assert len(waiting.posts) == ACCOUNTS
    out, waiting.posts = waiting.posts, []
    for post in out[:count]:
        waiting.answer(post, 500)
    return waiting


def test_an_endpoint_that_is_down_is_tried_with_one_delivery_and_gets_all_when_it_is_back() -> None:
    waiting = failed(ACCOUNTS)
    waiting.read(1, 7)
    assert not waiting.posts, "nothing new goes to it"
    waiting.wait(5.1)
    (head,) = waiting.posts
    assert head.attempt == 2
    waiting.posts.clear()
    waiting.answer(head, 500)
    waiting.wait(5.1)
    assert not waiting.posts, "the second wait is twice as long"
    waiting.wait(5.1)
    (other,) = waiting.posts
    assert other.attempt == 1 and b'"accountId":7' in other.body, "in turn with an account of which nothing failed"
    waiting.posts.clear()
    waiting.answer(other, 500)
    waiting.wait(10.1)
    (head,) = waiting.posts
    assert head.attempt == 2 and b'"accountId":7' not in head.body, "its own wait is short; the lane's is not shorter"
    waiting.answer(head, 200)
    assert len(waiting.posts) == 1 + FIRST, "first so many"
    for post in waiting.posts[1:]:
        waiting.answer(post, 200)
    assert len(waiting.posts) == 1 + ACCOUNTS


def test_while_one_is_not_answered_the_others_are_tried_each_at_its_time() -> None:
    waiting = failed(ACCOUNTS - 1)
    waiting.read(1, 7)
    assert [post.attempt for post in waiting.posts] == [1]
    waiting.wait(5.1)
    for again in range(1, ACCOUNTS):
        assert [post.attempt for post in waiting.posts] == [1, *again * [2]], "nothing is answered: one a second"
        waiting.wait(PATIENCE)


def test_one_account_that_fails_does_not_keep_another_waiting() -> None:
    waiting = Waiting(ALL)
    for account in range(2):
        waiting.read(1, account)
    out, waiting.posts = waiting.posts, []
    for post in out:
        waiting.answer(post, 500)
    waiting.read(1, 7)
    assert [post.attempt for post in waiting.posts] == [1], "two failures are not several"
