"""How many requests are under way to an endpoint follows from what it answers."""

from __future__ import annotations

from dataclasses import replace

from lmshooks.core.concurrency import FIRST, KNOWN, PATIENCE, TRIFLE, TWICE
from lmshooks.core.subscriptions import Endpoint, RetryPolicy, Subscription
from lmshooks.core.sweeping import BOARDING
from tests.core.waiting import Waiting

ALL = Subscription("all", "*", ("*",), Endpoint("http://x"), retry=RetryPolicy(5.0, 300.0, 7 * 86400.0, 0.0))


def busy(accounts: int = 100, each: int = 10) -> Waiting:
    """Many accounts' events wait."""
    waiting = Waiting(ALL)
    for account in range(accounts):
        waiting.read(each, account)
    return waiting


def rounds(waiting: Waiting, count: int) -> list[int]:
    """All that is under way is answered, so many times: how many requests that are each time."""
    found = []
    for _ in range(count):
        out, waiting.posts = waiting.posts, []
        found.append(len(out))
        for post in out:
            waiting.answer(post, 200)
    return found


def limit_of(waiting: Waiting) -> int:
    (own,) = waiting.machine.owned.values()
    (lane,) = own.lanes.values()
    return lane.concurrency.limit


def test_a_burst_begins_with_two_requests_and_doubles_with_their_answers_up_to_max_in_flight() -> None:
    assert rounds(busy(), 6) == [FIRST, 4, 8, 16, 16, 16]


def test_answers_that_come_together_count_each() -> None:
    waiting = busy()
    for expected in (FIRST, 4, 8, 16):
        out, waiting.posts = waiting.posts, []
        assert len(out) == expected
        waiting.answer_all(out, 200)


def test_with_little_to_send_it_is_two_again() -> None:
    waiting = busy(30, 1)
    assert max(rounds(waiting, 4)) > 8
    for _ in range(50):
        waiting.read(1)
        rounds(waiting, 1)
    for account in range(100):
        waiting.read(10, account)
    assert len(waiting.posts) == FIRST


def test_with_all_under_way_it_stays_as_it_is() -> None:
    waiting = busy(3, 1)
    first, second = waiting.posts
    waiting.answer(first, 200)
    third = waiting.posts[2]
    assert limit_of(waiting) == 3
    waiting.answer(second, 200)
    waiting.answer(third, 200)
    assert limit_of(waiting) < 4


def test_what_is_tried_again_is_more_that_would_go() -> None:
    waiting = busy(1, 1)
    waiting.answer(waiting.posts.pop(), 200)
    waiting.widen(16)
    for account in range(5):
        waiting.read(1, account)
    for post in waiting.posts:
        waiting.answer(post, 500)
    waiting.posts.clear()
    waiting.wait(5.1)
    waiting.answer(waiting.posts.pop(), 200)
    assert len(waiting.posts) == FIRST
    waiting.answer_all(waiting.posts[:], 200)
    assert limit_of(waiting) == 4


def test_who_does_not_answer_gets_one_event_even_of_few() -> None:
    waiting = busy(3, 4)
    waiting.posts.clear()
    waiting.wait(PATIENCE / 2)
    waiting.wait(PATIENCE / 2 + BOARDING)
    assert [post.events for post in waiting.posts] == [1]


def test_an_endpoint_that_does_not_answer_gets_one_event_more_a_second() -> None:
    waiting = busy()
    for _ in range(3):
        waiting.posts.clear()
        waiting.wait(PATIENCE / 2)
        assert not waiting.posts
        waiting.wait(PATIENCE / 2 + BOARDING)
        (probe,) = waiting.posts
        assert probe.events == 1
    waiting.answer(probe, 200)
    assert not waiting.posts[1:], "three hang: no more than two would be under way without them"


def test_the_second_in_which_nothing_is_answered_ends_without_anything_else_happening() -> None:
    waiting = busy()
    until = waiting.now + PATIENCE + BOARDING + 0.001
    waiting.posts.clear()
    while not waiting.posts:
        due = waiting.machine.next_wakeup()
        assert due is not None and due <= until
        waiting.wait(due - waiting.now)


def test_with_each_failure_half_as_many_go() -> None:
    waiting = busy()
    rounds(waiting, 6)
    out, waiting.posts = waiting.posts, []
    assert len(out) == 16
    waiting.answer_all(out[:2], 500)
    assert limit_of(waiting) == 4
    assert not waiting.posts, "more than that is under way"
    waiting.answer_all(out[2:], 500)
    assert limit_of(waiting) == FIRST


def many(*subscriptions: Subscription) -> Waiting:
    """More waits than goes into one request: 150 events of an account."""
    waiting = Waiting(*subscriptions)
    waiting.read(150)
    return waiting


def test_a_burst_to_an_endpoint_of_which_nothing_was_heard_lately_begins_with_one_event() -> None:
    waiting = many(ALL)
    sizes = []
    while waiting.posts:
        sizes += [post.events for post in waiting.posts]
        rounds(waiting, 1)
    assert sizes == [1, 100, 49]
    waiting.wait(KNOWN)
    waiting.read(150)
    assert [post.events for post in waiting.posts] == [100]
    rounds(waiting, 2)
    waiting.wait(KNOWN + 0.01)
    waiting.read(150)
    assert [post.events for post in waiting.posts] == [1]


def test_what_goes_into_one_request_goes_in_one() -> None:
    waiting = Waiting(ALL)
    waiting.read(100)
    assert [post.events for post in waiting.posts] == [100]


def test_an_endpoint_that_failed_gets_one_event_at_a_time_until_it_takes_one() -> None:
    waiting = Waiting(ALL)
    for account in range(4):
        waiting.read(10, account)
    first, second = waiting.posts
    waiting.answer(first, 500)
    waiting.answer(second, 500)
    third, fourth = waiting.posts[2:]
    assert (third.events, fourth.events) == (1, 1)
    waiting.answer(third, 200)
    assert waiting.posts[4].events == 9


def test_what_one_partition_learns_of_an_endpoint_the_others_know() -> None:
    learnt = many(ALL)
    learnt.machine.context.endpoints.failed("all")
    learnt.read(5, 2)
    assert learnt.posts[-1].events == 1


def test_an_endpoint_that_was_removed_and_comes_again_is_unknown() -> None:
    waiting = Waiting(ALL)
    waiting.read(1)
    waiting.answer(waiting.posts.pop(), 500)
    endpoints = waiting.machine.context.endpoints
    assert endpoints.doubtful("all", waiting.now, burst=False)
    waiting.configure()
    assert not endpoints.doubtful("all", waiting.now, burst=False)


TENS = replace(ALL, max_events=10)


def fill(waiting: Waiting) -> None:
    """So much waits that forty requests would be full; the endpoint is known."""
    (own,) = waiting.machine.owned.values()
    for account in range(40):
        waiting.machine.context.endpoints.took("all", waiting.now)
        if sum(lane.queued for lane in own.lanes.values()) < 400:
            waiting.read(10, account)


def takes(waiting: Waiting, times: int, seconds: float, queue: float = 0.0) -> list[int]:
    """Full requests are answered after so long, and longer by `queue` for each of them; how many that are each time."""
    found = []
    for _ in range(times):
        fill(waiting)
        out, waiting.posts = waiting.posts, []
        found.append(len(out))
        for place, post in enumerate(out):
            waiting.machine.context.endpoints.took("all", waiting.now)
            waiting.answer(post, 200, seconds + queue * place)
    return found


def test_beside_a_full_request_none_goes_until_one_was_answered() -> None:
    assert takes(Waiting(TENS), 6, 0.0) == [1, 3, 6, 12, 16, 16]


def test_two_half_full_requests_go_at_once() -> None:
    waiting = Waiting(ALL)
    for account in range(3):
        waiting.read(50, account)
    assert [post.events for post in waiting.posts] == [50, 50]


def test_one_event_a_request_is_not_full() -> None:
    waiting = Waiting(replace(ALL, max_events=1))
    waiting.read(1, 1)
    waiting.read(1, 2)
    assert len(waiting.posts) == FIRST


def test_where_answers_take_the_longer_the_more_is_under_way_no_more_goes() -> None:
    waiting = Waiting(TENS)
    found = takes(waiting, 30, 0.05, 0.05)
    assert max(found) < 16
    assert 2 <= found[-1] <= 5, "the third waits for two others: 0.15 s, more than twice as long as is usual"


def test_a_queue_of_less_than_there_is_between_commits_does_not_matter() -> None:
    waiting = Waiting(TENS)
    assert max(takes(waiting, 10, 0.0, TRIFLE / 17)) == 16


def test_an_endpoint_that_is_always_slow_gets_as_much_as_any_other() -> None:
    waiting = Waiting(TENS)
    assert max(takes(waiting, 10, 2.0)) == 16


def test_one_that_becomes_slow_for_good_gets_less_until_that_is_usual() -> None:
    waiting = Waiting(TENS)
    assert takes(waiting, 6, 0.01)[-1] == 16
    slow = TWICE * 0.01 + TRIFLE + 1.0
    found = takes(waiting, 40, slow)
    assert min(found) == 1
    assert found[-1] >= 12
