"""What waits goes on, whatever ends its reason: each of these stood still, for minutes or for good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lmshooks.core.catalogue import Cadence
from lmshooks.core.commands import Command, Commit, Read, WriteState
from lmshooks.core.feeds import TURN_BACK
from lmshooks.core.records import Kind
from lmshooks.core.subscriptions import Order, Resume, RetryPolicy, Subscription
from tests.core.test_dead_endpoint import Stored
from tests.core.test_exposed import Kafka, ready
from tests.core.test_exposure import ONE
from tests.core.waiting import P, Waiting, record
from tests.laws.stage import P as STAGED
from tests.laws.stage import Stage, subscription

TWO = replace(ONE, id="two", account="2")
FULL = replace(ONE, max_events=100, queue_events=100)


class Reading(Kafka):
    """As Kafka, but what a sweep asks for is kept, too, until it is to be answered."""

    def __init__(self, *subscriptions: Subscription) -> None:
        self.reads: list[Read] = []
        super().__init__(*subscriptions)

    def carry_out(self, command: Command) -> None:
        if isinstance(command, Read):
            self.reads.append(command)
        else:
            super().carry_out(command)

    def arrive(self, count: int, account: Callable[[int], int] = lambda offset: 1) -> None:
        """So many are written to the log, and none is handed over."""
        begin = len(self._log)
        self._log += [record(offset, account(offset)) for offset in range(begin, begin + count)]

    def go_on(self, count: int) -> None:
        """The live feed is given so many of what is in the log."""
        (own,) = self.machine.owned.values()
        begin, end = own.position[0], min(own.position[0] + count, len(self._log))
        self.machine.records(P, self._log[begin:end], end, len(self._log), self.now)
        self.turn()

    def answer_reads(self, most: int) -> None:
        """What sweeps asked for is there, so many records at most."""
        reads, self.reads = self.reads, []
        for read in reads:
            end = min(read.end, read.offset + most)
            self.machine.swept(read, self._log[read.offset : end], end, self.now)
        self.turn()


def test_a_cadence_that_is_taken_back_before_the_log_s_end_is_known() -> None:
    kafka = ready(ONE)
    files = kafka.machine.context.configuration
    windowed = replace(files, cadences={"COURSE_ENROLLMENT": Cadence.WINDOWED}, version="windowed")
    kafka.machine.configured(windowed, kafka.now)
    kafka.turn()  # where the log ends is asked for, and not answered
    kafka.machine.configured(replace(files, version="back"), kafka.now)
    kafka.turn()
    kafka.wait(1.0)
    kafka.read(1)
    assert kafka.posts


def test_what_a_lane_settled_ahead_of_the_feed_before_it_was_switched_off() -> None:
    kafka = Reading(FULL, TWO)
    for _ in range(4):
        kafka.wait(1.5)
    (own,) = kafka.machine.owned.values()
    kafka.arrive(1500, lambda offset: 2 if offset in (155, 320) else 1)
    kafka.go_on(150)  # the lane is full at a hundred, and left behind
    assert not own.lanes["one", Kind.REAL_TIME].attached
    kafka.deliver_what_waits()
    kafka.wait(0.3)  # it boards a sweep
    kafka.slow = True
    while not any(isinstance(one, WriteState) for one in kafka.kept):
        kafka.answer_reads(2000)
        kafka.wait(0.02)
        kafka.kept, commits = [one for one in kafka.kept if isinstance(one, WriteState)], kafka.kept
        for commit in [one for one in commits if isinstance(one, Commit)]:
            kafka.machine.committed(commit, True, kafka.now)
            kafka.turn()
    own.exposure.times = 16  # Kafka was quick until now
    kafka.deliver_what_waits()
    kafka.answer_reads(2000)
    assert own.lanes["one", Kind.REAL_TIME].next > own.position, "it is ahead of the feed"
    kafka.configure(replace(FULL, active=False, resume=Resume.NOW), TWO)
    for turn in range(10):  # from now on Kafka takes 0.6 s for each answer
        kafka.wait(0.6)
        kafka.deliver_what_waits()
        if turn == 1:
            kafka.go_on(50)
        kafka.confirm(for_good=False)
    kafka.confirm()
    while own.position[0] < len(kafka._log):
        before = own.position
        kafka.go_on(50)
        kafka.wait(10.0)
        kafka.deliver_what_waits()
        assert own.position > before, f"it stands still, with {own.exposure.events} events exposed"


def test_a_last_commit_that_failed() -> None:
    kafka = ready(ONE)
    kafka.deliver(5)
    kafka.ours = False  # its coordinator moves
    kafka.machine.release(P, kafka.now)
    kafka.turn()
    assert not kafka.machine.released(P)
    commits = len(kafka.commits)
    kafka.turn()
    assert len(kafka.commits) == commits, "not at once, and not again and again"
    kafka.ours = True
    kafka.wait(0.1)
    assert kafka.machine.released(P)
    assert kafka.committed == 7


def test_a_partition_that_is_taken_back_before_its_claim_is_read() -> None:
    stage = Stage(subscription("s"))
    one = stage.start()
    stage.produce()
    stage.give(one)
    stage.world.call(one, "release", STAGED)
    stage.land(one)
    stage.follow(one)
    stage.checkpoint(one)
    stage.feed(one)
    assert one.machine.released(STAGED)
    assert not one.requests


def test_memory_that_one_account_s_retries_hold() -> None:
    everybody = replace(
        ONE,
        account="*",
        order=Order.LEARNER,  # by account, seven's would be left in the log
        max_events=100,
        max_in_flight=16,
        queue_events=1000,
        retry=RetryPolicy(5.0, 300.0, 7 * 86400.0, 0.0),
    )
    kafka = Waiting(everybody, TWO)
    kafka.machine.context.limits = replace(kafka.machine.context.limits, memory=40_000)
    (own,) = kafka.machine.owned.values()
    held = longest = 0
    for _ in range(900):
        if not own.held:
            kafka.read(1, 7, 1, 2)
        kafka.wait(1.0)
        while kafka.posts:  # seven fails, always while others are under way
            kafka.posts.sort(key=lambda post: b'"accountId":7' not in post.body)
            post = kafka.posts.pop(0)
            kafka.answer(post, 500 if b'"accountId":7' in post.body else 200)
        held = held + 1 if own.held else 0
        longest = max(longest, held)
    assert 0 < longest < 10


def test_who_waits_behind_a_sweep_that_always_reads() -> None:
    kafka = Reading(replace(FULL, account="1"), replace(FULL, id="two", account="2"))
    for _ in range(4):
        kafka.wait(1.5)
    (own,) = kafka.machine.owned.values()
    kafka.read(150, 1, 2)
    kafka.read(5000, 1)
    two = own.lanes["two", Kind.REAL_TIME]
    assert not two.attached
    waited = 0.0
    while not two.boarded:  # more is written all the time, and no reading stays without an answer
        kafka.wait(0.1)
        kafka.answer_to("one")
        if waited > 10:
            kafka.answer_to("two")  # from now on it has room
        kafka.answer_reads(100)
        kafka.answer_to("one")
        kafka.read(100)
        waited += 0.1
        assert waited < 2 * TURN_BACK
    assert waited > 10


def test_letters_that_kafka_does_not_take_are_held_in_the_memory_that_is_allowed() -> None:
    kafka = ready(ONE)
    memory = kafka.machine.context.memory
    (own,) = kafka.machine.owned.values()
    begin, count = len(kafka._log), 80
    records: list[Any] = [Stored(begin + at, b"{" + b"x" * 1_000_000) for at in range(count)]
    kafka._log += records
    kafka.machine.records(P, records, begin + count, begin + count, kafka.now)
    kafka.turn()
    assert own.feed_waits
    while kafka.letters:
        kafka.machine.buried(kafka.letters.pop(), True, kafka.now)
        kafka.turn()
    assert not own.feed_waits
    assert kafka.machine.context.memory == memory


def test_letters_of_a_partition_that_is_gone_are_no_memory() -> None:
    kafka = ready(ONE)
    memory = kafka.machine.context.memory
    begin = len(kafka._log)
    records: list[Any] = [Stored(begin, b"{" + b"x" * 1000)]
    kafka.machine.records(P, records, begin + 1, begin + 1, kafka.now)
    assert kafka.machine.context.memory == memory + 1001
    kafka.machine.revoked(P, kafka.now)
    assert kafka.machine.context.memory == memory


def test_a_subscription_that_is_taken_out_stands_where_it_stood() -> None:
    kafka = ready(ONE, TWO)
    for _ in range(5):
        kafka.deliver(50)
        kafka.wait(0.3)
    kafka.read(1)  # one is under way
    kafka.configure(TWO)
    kafka.deliver_what_waits()
    for _ in range(4):
        kafka.wait(1.5)
    (own,) = kafka.machine.owned.values()
    orphan = own.lanes["one", Kind.REAL_TIME]
    assert orphan.orphan_since is not None
    assert orphan.head(own.position)[0] >= 250
