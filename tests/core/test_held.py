"""One account that fails keeps no other waiting, whatever it is owed; when it is taken again, all comes in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container
from dataclasses import replace

import orjson
import pytest

from lmshooks.core.facts import AccountCaughtUp, AccountHeld
from lmshooks.core.held import MOST, SEVERAL
from lmshooks.core.lanes import PROBATION, Lane
from lmshooks.core.records import Kind, LaneRecord, lane_key, parse_key, read_record
from lmshooks.core.subscriptions import Order, RetryPolicy
from tests.core.test_exposure import ONE
from tests.core.waiting import P, Waiting
from tests.laws.settings import Every

EVERYBODY = replace(
    ONE,
    account="*",
    max_events=100,
    max_in_flight=16,
    queue_events=200,
    retry=RetryPolicy(5.0, 300.0, 7 * 86400.0, 0.0),
)
BAD = 7
LONG = int(PROBATION) * 2


class Listener:
    """Takes what is posted, but for some accounts; remembers what it took of each, in order."""

    def __init__(self, kafka: Waiting, bad: Container[int] = (BAD,)) -> None:
        self.kafka = kafka
        self.bad = bad
        self.took: dict[int, list[int]] = defaultdict(list)
        self.refused = 0

    def serve(self) -> None:
        """Answer everything that is out, and what comes of it."""
        while self.kafka.posts:
            self.serve_one()

    def serve_one(self) -> None:
        """Answer what went out first, if anything is out."""
        if not self.kafka.posts:
            return
        post = self.kafka.posts.pop(0)
        body = orjson.loads(post.body)
        if body["accountId"] in self.bad:
            self.refused += 1
            self.kafka.answer(post, 500)
            return
        self.took[body["accountId"]] += [event["data"]["n"] for event in body["events"]]
        self.kafka.answer(post, 200)

    def go_on(self, seconds: int, *accounts: int) -> None:
        """Time passes by the second; in each comes an event of each account."""
        for _ in range(seconds):
            if accounts:
                self.kafka.read(1, *accounts)
            self.kafka.wait(1.0)
            self.serve()

    def in_order(self, account: int) -> bool:
        """Whether what it took of an account came in order, and nothing twice."""
        return self.took[account] == sorted(set(self.took[account]))


def started(order: Order = Order.ACCOUNT) -> tuple[Waiting, Listener]:
    kafka = Waiting(replace(EVERYBODY, order=order))
    for _ in range(4):
        kafka.wait(1.5)
    return kafka, Listener(kafka)


def lane_of(kafka: Waiting) -> Lane:
    (own,) = kafka.machine.owned.values()
    return own.lanes["one", Kind.REAL_TIME]


def recorded(kafka: Waiting) -> LaneRecord:
    """What the log says of the lane."""
    key = lane_key(P, Kind.REAL_TIME, "one")
    value = next(entry.value for entry in reversed(kafka.state) if entry.key == key)
    parsed = parse_key(key)
    assert value is not None and parsed is not None
    record = read_record(parsed, value)
    assert isinstance(record, LaneRecord)
    return record


@pytest.mark.parametrize("others", [(1,), (1, 2, 3)])
def test_others_go_on_however_much_it_is_owed_and_it_catches_up_in_order(others: tuple[int, ...]) -> None:
    kafka, listener = started()
    listener.go_on(10 * LONG, BAD, *others)
    assert all(len(listener.took[one]) == 10 * LONG for one in others), "each second's event within the second"
    assert not listener.took[BAD]
    lane = lane_of(kafka)
    assert lane.attached and lane.queued <= EVERYBODY.max_events, "what it is owed is in the log, not in memory"
    assert len(recorded(kafka).encode()) < 300, "and its record is as small as ever"
    assert [fact.account for fact in kafka.facts if isinstance(fact, AccountHeld)] == [str(BAD)]
    (told,) = kafka.machine.stats(kafka.now).subscriptions
    assert told.held == (str(BAD),) and told.unseen >= 10 * LONG - EVERYBODY.max_events, "what it is owed is not hidden"
    listener.bad = ()
    listener.go_on(5 * LONG, BAD, *others)
    for one in (BAD, *others):
        assert listener.in_order(one)
        assert len(listener.took[one]) == 15 * LONG
    assert not lane.held and lane.idle
    assert [fact.account for fact in kafka.facts if isinstance(fact, AccountCaughtUp)] == [str(BAD)]
    listener.go_on(30)
    assert kafka.committed == 15 * LONG * (1 + len(others)), "nothing is owed: the commit is at the log's end"


def test_a_window_s_events_of_others_go_on_and_its_own_follow_in_order() -> None:
    kafka = Waiting(replace(EVERYBODY, window="often"), windows={"often": Every(30)})
    for _ in range(4):
        kafka.wait(1.5)
    listener = Listener(kafka)
    for _ in range(6):
        kafka.read(50, BAD, 1, name="LEARNER_PROGRESS")
        listener.go_on(60)
    (own,) = kafka.machine.owned.values()
    assert own.lanes["one", Kind.WINDOWED].held
    assert len(listener.took[1]) == 300 and not listener.took[BAD]
    listener.bad = ()
    listener.go_on(600)
    for one in (BAD, 1):
        assert listener.in_order(one) and len(listener.took[one]) == 300


def test_an_account_that_fails_alone_says_nothing_of_one_that_comes_later() -> None:
    _, listener = started()
    listener.go_on(10 * LONG, BAD)
    assert listener.refused > SEVERAL and not listener.took
    listener.go_on(1, 1)
    assert len(listener.took[1]) == 1, "at once"


def test_a_second_one_that_fails_leaves_the_others_a_probe_each_time() -> None:
    _, listener = started()
    listener.bad = (BAD, 8)
    listener.go_on(10 * LONG, BAD, 8)
    listener.go_on(2, 1, 2)
    listener.go_on(350)
    assert len(listener.took[1]) == len(listener.took[2]) == 2, "as one was taken, all others go"


def test_a_dead_endpoint_is_tried_no_more_often_for_having_many_accounts() -> None:
    kafka, listener = started()
    accounts = range(1, 7)
    listener.bad = accounts
    listener.go_on(600, *accounts)
    before = listener.refused
    listener.go_on(900, *accounts)
    assert listener.refused - before <= 900 // 300 + 1
    assert kafka.machine.stats(kafka.now).memory == 0, "nothing is held between the probes"
    listener.bad = ()
    listener.go_on(600)
    for account in accounts:
        assert listener.in_order(account) and len(listener.took[account]) == 1500


def test_more_of_them_than_can_be_held_hold_the_lane_and_nothing_is_lost() -> None:
    kafka, listener = started()
    listener.bad = range(100, 100 + 2 * MOST)
    accounts = (1, *listener.bad)
    listener.go_on(LONG, *accounts)
    assert len(lane_of(kafka).held) <= MOST
    listener.bad = ()
    listener.go_on(10 * LONG)
    for account in accounts:
        assert listener.in_order(account) and len(listener.took[account]) == LONG


def test_who_takes_over_holds_it_too_and_gets_what_it_is_owed() -> None:
    kafka, listener = started()
    listener.go_on(2 * LONG, BAD, 1)
    record = recorded(kafka)
    assert [account for account, _ in record.held] == [str(BAD)]
    heir = kafka.succeed(EVERYBODY)
    after = Listener(heir)
    after.go_on(LONG, BAD, 1)
    assert LONG <= len(after.took[1]) <= LONG + 1, "what was not committed yet comes again"
    assert lane_of(heir).held
    after.bad = ()
    after.go_on(5 * LONG, BAD, 1)
    assert after.in_order(BAD) and len(after.took[BAD]) == 8 * LONG
    assert after.in_order(1) and listener.took[1][-1] >= after.took[1][0] - 2


def test_one_that_fails_again_while_it_catches_up_is_left_in_the_log_again() -> None:
    kafka, listener = started()
    listener.go_on(5 * LONG, BAD, 1)
    for _ in range(6):
        listener.bad = ()
        before = len(listener.took[BAD])
        while len(listener.took[BAD]) == before:
            kafka.wait(1.0)
            listener.serve_one()
        listener.bad = (BAD,)
        listener.go_on(LONG, BAD, 1)
        lane = lane_of(kafka)
        assert lane.held and lane.queued <= EVERYBODY.max_events
    listener.bad = ()
    listener.go_on(10 * LONG)
    assert listener.in_order(BAD) and listener.in_order(1)
    assert len(listener.took[BAD]) == len(listener.took[1])


def test_what_is_short_of_memory_lets_it_go_and_reads_it_again() -> None:
    kafka, listener = started()
    listener.go_on(2 * LONG, BAD, 1)
    (own,) = kafka.machine.owned.values()
    own.shed(lane_of(kafka), "memory")
    listener.go_on(LONG, BAD, 1)
    assert len(listener.took[1]) == 3 * LONG
    listener.bad = ()
    listener.go_on(5 * LONG, BAD, 1)
    assert listener.in_order(BAD) and listener.in_order(1)
    assert len(listener.took[BAD]) == len(listener.took[1]) == 8 * LONG


def test_where_order_is_kept_by_learner_nothing_is_held() -> None:
    kafka, listener = started(Order.LEARNER)
    listener.go_on(LONG, BAD, 1)
    assert not lane_of(kafka).held
    listener.bad = ()
    listener.go_on(10 * LONG)
    assert len(listener.took[BAD]) == len(listener.took[1]) == LONG


def test_another_order_meanwhile_loses_nothing() -> None:
    kafka, listener = started()
    listener.go_on(2 * LONG, BAD, 1)
    kafka.configure(replace(EVERYBODY, order=Order.LEARNER))
    listener.go_on(LONG, BAD, 1)
    listener.bad = ()
    listener.go_on(10 * LONG)
    for one in (BAD, 1):
        assert sorted(listener.took[one]) == sorted(set(listener.took[one])) and len(listener.took[one]) == 3 * LONG
