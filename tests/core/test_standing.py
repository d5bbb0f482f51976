"""What does a partition's state say of its live feed? That it moves, waits for memory, or is stuck."""

from __future__ import annotations

from dataclasses import replace

from lmshooks.core.picture import STUCK
from lmshooks.core.stats import PartitionStats
from tests.core.test_exposure import ONE
from tests.core.waiting import P, Waiting


def seen(waiting: Waiting) -> PartitionStats:
    (one,) = waiting.machine.stats(waiting.now).partitions
    return one


def grow(waiting: Waiting, end: int) -> None:
    """The log is known to end there; nothing of it is handed over."""
    waiting.machine.records(P, (), seen(waiting).read, end, waiting.now)
    waiting.turn()


def pass_by(waiting: Waiting, seconds: float) -> None:
    """Time passes as it does for the daemon: it wakes when the machine asked for it."""
    end = waiting.now + seconds
    while (due := waiting.machine.next_wakeup()) is not None and due <= end:
        waiting.wait(max(0.0, due - waiting.now))
    waiting.wait(end - waiting.now)


def test_a_feed_that_does_not_move_while_the_log_holds_more_is_stuck() -> None:
    kafka = Waiting(ONE)
    kafka.read(1)
    kafka.answer(kafka.posts.pop(), 200)
    grow(kafka, 9)
    since = kafka.now
    pass_by(kafka, STUCK - 1)
    assert seen(kafka).state == "running"
    pass_by(kafka, 2)
    assert seen(kafka).state == "stuck"
    still_since = seen(kafka).still_since
    assert still_since is not None
    assert 0 <= still_since - since < 1, "as far as it was looked at"
    kafka.read(3)
    assert seen(kafka).state == "running", "it moved"
    pass_by(kafka, STUCK - 1)
    assert seen(kafka).state == "running"
    pass_by(kafka, 2)
    assert seen(kafka).state == "stuck", "it stands again, and five are left"


def test_a_feed_that_has_read_all_may_stand_for_ever() -> None:
    kafka = Waiting(ONE)
    kafka.read(2)
    kafka.wait(1000 * STUCK)
    assert (seen(kafka).state, seen(kafka).still_since) == ("running", None)
    grow(kafka, 9)
    assert seen(kafka).state == "running", "it has not stood since it had nothing to read"


def test_a_feed_that_moves_slowly_is_not_stuck() -> None:
    kafka = Waiting(ONE)
    grow(kafka, 100)
    for _ in range(20):
        pass_by(kafka, STUCK / 2)
        kafka.read(1)
        kafka.answer(kafka.posts.pop(), 200)
        assert seen(kafka).state == "running"


def test_it_is_looked_at_even_where_nothing_else_happens() -> None:
    kafka = Waiting(ONE)
    grow(kafka, 9)
    pass_by(kafka, 1.0)
    kafka.read(1)  # moves, and is not looked at again at once
    kafka.answer(kafka.posts.pop(), 200)
    moved = kafka.now
    pass_by(kafka, STUCK + 1)
    still_since = seen(kafka).still_since
    assert still_since is not None
    assert 0 <= still_since - moved < 1
    assert seen(kafka).state == "stuck"


def test_where_kafka_confirms_nothing_that_is_what_is_said() -> None:
    kafka = Waiting(ONE)
    kafka.read(1)
    kafka.answer(kafka.posts.pop(), 200)
    grow(kafka, 9)
    pass_by(kafka, STUCK + 1)
    (own,) = kafka.machine.owned.values()
    own.exposure.order(kafka.now - 1000)
    assert seen(kafka).state == "held"


def test_a_feed_that_waits_for_memory_says_so() -> None:
    kafka = Waiting(ONE)
    limits = kafka.machine.context.limits
    kafka.machine.context.limits = replace(limits, memory=1000)
    kafka.read(20)
    assert seen(kafka).state == "full"
    grow(kafka, 50)
    pass_by(kafka, STUCK + 1)
    assert seen(kafka).state == "stuck", "for so long nobody took anything"
    while kafka.posts:
        kafka.answer(kafka.posts.pop(0), 200)
    kafka.wait(0.0)
    assert seen(kafka).state == "stuck", "there is room, and nothing comes"
    kafka.read(1)
    assert seen(kafka).state == "running"
