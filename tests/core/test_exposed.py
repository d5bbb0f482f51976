"""What becomes of what is exposed: commits and checkpoints come sooner, posts wait, and the feed with them."""

from __future__ import annotations

from dataclasses import replace

from lmshooks.core.checkpoint import due as checkpoint_due
from lmshooks.core.commands import Command, Commit, WriteState
from lmshooks.core.dispatcher import Dispatcher
from lmshooks.core.exposure import LEAST, YOUNG
from lmshooks.core.facts import Detached
from lmshooks.core.records import Kind
from lmshooks.core.subscriptions import Subscription
from tests.core.test_exposure import ONE
from tests.core.waiting import Waiting
from tests.laws.settings import LIVE
from tests.laws.stage import LATER, UNWANTED, Stage, subscription

S = subscription("s")


class Kafka(Waiting):
    """As Waiting, but commits and writes are kept until they are to be answered."""

    def __init__(self, *subscriptions: Subscription) -> None:
        self.slow = False
        self.kept: list[Commit | WriteState] = []
        super().__init__(*subscriptions)

    def deliver(self, events: int) -> None:
        """So many events come, and are delivered."""
        self.read(events)
        self.deliver_what_waits()

    def deliver_what_waits(self) -> None:
        """What is posted is answered, and what is posted then, until nothing more is."""
        while self.posts:
            self.answer(self.posts.pop(0), 200)

    def carry_out(self, command: Command) -> None:
        if self.slow and isinstance(command, Commit | WriteState):
            self.kept.append(command)
        else:
            super().carry_out(command)

    def answer_to(self, name: str) -> None:
        """What is on its way to a subscription is taken; what is posted then waits."""
        waiting, self.posts = self.posts, []
        for post in waiting:
            if post.subscription_id == name:
                self.answer(post, 200)
            else:
                self.posts.append(post)

    def confirm(self, for_good: bool = True) -> None:
        """Kafka answers what it was asked; `for_good`: and what it is asked from now on."""
        self.slow = not for_good
        kept, self.kept = self.kept, []
        for one in kept:
            if isinstance(one, Commit):
                self.committed = one.offset
                self.machine.committed(one, True, self.now)
            else:
                self.write(one.entries)
        self.turn()


def ready(*subscriptions: Subscription) -> Kafka:
    """All that has to be written is, and a commit has just been made."""
    kafka = Kafka(*subscriptions)
    for _ in range(4):
        kafka.wait(1.5)
    kafka.deliver(1)
    kafka.wait(0.2)
    assert kafka.committed == 1
    kafka.deliver(1)
    while kafka.committed == 1:
        kafka.wait(0.001)
    return kafka  # the next commit is due in a tenth of a second, or in half of that at least


def much(machine: Dispatcher) -> int:
    return machine.context.limits.checkpoint_events


def test_many_settled_events_are_committed_sooner() -> None:
    for share, early, late in ((10, 0.06, 0.11), (2, 0.025, 0.055), (1, 0.005, 0.035)):
        kafka = ready(ONE)
        kafka.deliver(much(kafka.machine) // share)
        kafka.wait(early)
        assert kafka.committed == 2
        kafka.wait(late - early)
        assert kafka.committed == 2 + much(kafka.machine) // share, "too soon for a checkpoint, and a commit will do"


def test_however_many_are_settled_commits_have_a_pause() -> None:
    kafka = ready(ONE)
    (own,) = kafka.machine.owned.values()
    own.exposure.times = 64
    kafka.deliver(10 * much(kafka.machine))
    assert kafka.committed == 2
    kafka.wait(0.03)
    assert kafka.committed == 2 + 10 * much(kafka.machine)


def test_few_settled_events_behind_something_slow_wait_for_the_checkpoint() -> None:
    kafka = ready(ONE, replace(ONE, id="slow"))
    kafka.wait(1.1)
    writes = len(kafka.state)
    kafka.read(20)
    kafka.answer_to("one")
    for _ in range(8):
        kafka.wait(0.1)
    assert len(kafka.state) == writes


def test_many_settled_events_behind_something_slow_get_a_record_sooner() -> None:
    kafka = ready(ONE, replace(ONE, id="slow"))
    kafka.wait(0.0)
    kafka.read(1)
    slow = [post for post in kafka.posts if post.subscription_id == "slow"]
    kafka.posts = [post for post in kafka.posts if post.subscription_id != "slow"]
    kafka.deliver_what_waits()
    kafka.read(2 * much(kafka.machine))
    kafka.deliver_what_waits()
    kafka.wait(0.06)
    assert slow
    assert kafka.committed > 3, "the slow one's record says what it is owed; no second has passed"


def test_commits_that_do_not_help_do_not_keep_a_checkpoint_from_being_made() -> None:
    kafka = ready(ONE, replace(ONE, id="behind"))
    kafka.read(900)
    for _ in range(3):
        kafka.wait(1.1)  # its record: it is owed everything
    writes = len(kafka.state)
    kafka.slow = True
    for _ in range(8):
        for _ in range(12):
            kafka.answer_to("behind")
        kafka.read(1)
        kafka.answer_to("one")
        kafka.wait(0.025)
        kafka.confirm(for_good=False)
    written = [entry for entry in kafka.state[writes:] if b"behind" in entry.key]
    assert len(written) >= 2, "a fifth of a second, 960 events: once a second would be far too seldom"


def test_what_is_settled_while_a_write_is_under_way_is_not_covered_by_it() -> None:
    kafka = ready(ONE)
    kafka.read(30)
    for _ in range(3):
        kafka.wait(1.1)  # its record: it is owed all of them
    kafka.slow = True
    kafka.answer_to("one")
    kafka.wait(1.1)
    assert [type(one) for one in kafka.kept] == [WriteState]
    kafka.answer_to("one")
    assert exposed(kafka.machine) == 20
    kafka.confirm(for_good=False)
    assert exposed(kafka.machine) == 10


def cautious() -> Kafka:
    """Kafka has just confirmed late; then a thousand events of a hundred accounts come, ten a request."""
    kafka = ready(replace(ONE, account="*", max_in_flight=100))
    kafka.slow = True
    kafka.deliver(1)
    kafka.wait(0.11)
    kafka.wait(0.06)
    kafka.confirm(for_good=False)
    kafka.widen(100)
    kafka.read(10, *range(100))
    return kafka


def test_after_a_late_confirmation_no_more_goes_out_than_may_come_again() -> None:
    kafka = cautious()
    room = LEAST * much(kafka.machine)
    assert room <= 10 * len(kafka.posts) <= room + 10
    went = len(kafka.posts)
    for post in kafka.posts[:5]:
        kafka.widen(1000)
        kafka.answer(post, 500)
    assert sum(post.events for post in kafka.posts[went:]) == 5 * 10, "what failed is not exposed"


def test_the_feed_waits_while_nothing_may_go_out_and_leaves_no_lane_behind() -> None:
    kafka = cautious()
    (own,) = kafka.machine.owned.values()
    room = own.position
    for _ in range(4):
        kafka.read(2, *range(100))
    assert own.held
    assert own.position == room, "eight hundred events are not taken in to wait in memory"
    while kafka.posts or kafka.kept or own.stash:
        kafka.deliver_what_waits()
        kafka.wait(0.01)
        kafka.confirm(for_good=False)
    assert not own.held
    assert own.position > room
    assert not any(isinstance(fact, Detached) for fact in kafka.facts)


def test_the_feed_waits_while_kafka_confirms_nothing() -> None:
    kafka = ready(ONE)
    (own,) = kafka.machine.owned.values()
    kafka.slow = True
    kafka.deliver(1)
    kafka.wait(0.11)
    assert kafka.kept, "a commit is on its way"
    kafka.wait(0.51)
    at = own.position
    kafka.read(1)
    assert own.held
    assert own.position == at
    kafka.confirm()
    assert own.position > at
    assert [post.events for post in kafka.posts] == [1]


def test_requests_to_slow_endpoints_do_not_keep_others_from_going_out() -> None:
    kafka = cautious()
    went = len(kafka.posts)
    due = kafka.machine.next_wakeup()
    assert due is not None
    assert due <= kafka.now + YOUNG
    kafka.wait(YOUNG + 0.001)
    assert len(kafka.posts) == 2 * went


def test_many_exposed_events_hold_posts_after_a_moment_and_few_do_not() -> None:
    for events, held in ((much(ready(ONE).machine) + 10, True), (20, False)):
        kafka = ready(ONE)
        kafka.slow = True
        kafka.read(events)
        kafka.deliver_what_waits()
        kafka.wait(0.11)
        assert kafka.kept, "a commit is on its way"
        kafka.wait(0.06)
        kafka.read(1)
        assert bool(kafka.posts) is not held
        kafka.confirm()
        assert [post.events for post in kafka.posts] == [1]


def test_what_windows_settle_is_covered_by_the_writes_that_say_so() -> None:
    stage = Stage(S)
    one = stage.begin()
    stage.produce(LATER, count=1)
    stage.produce(LATER, count=1)
    stage.feed(one)
    stage.close(one)
    stage.checkpoint(one)
    stage.sweep(one)
    stage.answer_all(one, "s")
    assert exposed(one.machine) == 2
    stage.produce(UNWANTED)
    stage.feed(one)
    stage.advance(one)
    assert exposed(one.machine) == 2, "the group's offset says nothing of windows"
    stage.checkpoints(one, 3)
    assert exposed(one.machine) == 0
    stage.end()


def exposed(machine: Dispatcher) -> int:
    (own,) = machine.owned.values()
    return own.exposure.events


def test_what_is_settled_beyond_a_record_is_not_covered_by_the_commit() -> None:
    """Who takes over goes by the record of the lane, wherever the group's offset is."""
    stage = Stage(replace(S, max_in_flight=2, events=LIVE))
    one = stage.begin()
    first, second = stage.produce(account="1")[0], stage.produce(account="2")[0]
    stage.feed(one)
    stage.checkpoint(one)
    stage.produce(account="3")
    stage.feed(one)
    stage.checkpoint(one)  # the record: the first two are owed
    stage.answer(one, "s", only=second.id)
    stage.produce(UNWANTED)
    stage.feed(one)
    stage.advance(one)
    assert exposed(one.machine) == 1
    stage.checkpoint(one)
    assert exposed(one.machine) == 0
    stage.answer(one, "s", only=first.id)
    stage.end()


def test_a_record_that_the_last_commit_lets_go_goes_though_nothing_else_happens_any_more() -> None:
    """Else what its lane settled stays exposed for ever: more than may be, and the feed waits as long."""
    kafka = ready(replace(ONE, account="*", max_in_flight=1000), replace(ONE, id="two", account="2"))
    (own,) = kafka.machine.owned.values()
    first = own.position[0]
    kafka.read(1)
    kafka.widen(1000)
    while own.next_target <= first:
        kafka.wait(0.01)
    kafka.read(1, 2)
    kafka.read(1, *range(10, 10 + 3 * much(kafka.machine)))
    for _ in range(10):
        kafka.wait(YOUNG * 1.1)  # what is older takes no room: all of it goes out
    while own.store.acknowledged == first:
        kafka.wait(0.01)
    record = own.store.recorded[own.store.lane_key(Kind.REAL_TIME, "one")].lane
    assert record is not None
    assert own.store.acknowledged == first + 1 < record.horizon[0], "the commit stands before what the other lane owes"
    kafka.now = checkpoint_due(own)
    posts, kafka.posts = kafka.posts, []
    kafka.answer_all(posts, 200)
    assert kafka.committed == own.position[0]
    assert own.exposure.events > LEAST * much(kafka.machine), "the record says that they are owed"
    kafka.wait(2.0)
    assert own.exposure.events == 0
    kafka.read(1)
    assert not own.held
