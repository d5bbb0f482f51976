"""What a lane knows of how long it has owed, in memory and out of it."""

from __future__ import annotations

from lmshooks.core.events import Event
from lmshooks.core.lane_records import record_of
from lmshooks.core.lanes import Lane
from lmshooks.core.positions import Partition
from lmshooks.core.records import Kind
from lmshooks.core.subscriptions import Endpoint, Subscription

ONE = Subscription("crm", "1010", ("*",), Endpoint("https://crm.example/"))


def event(offset: int, written_at: float) -> Event:
    return Event((offset, 0), "1010", b"1010", "COURSE_COMPLETED", f"e{offset}", b"{}", written_at)


def lane() -> Lane:
    made = Lane(ONE, Partition("lms.events", 0), Kind.REAL_TIME, (0, 0))
    for offset in range(3):
        made.take(event(offset, 100.0 + offset), "1010")
    return made


def test_the_age_of_what_is_owed_is_known_after_its_bytes_left_memory() -> None:
    one = lane()
    assert one.sendable(200.0, 100) is not None
    one.shed()
    assert one.queued == 0 and one.oldest() == 100.0
    assert record_of(one, (3, 0)).head_at == 100.0


def test_a_lane_that_owes_nothing_has_no_age() -> None:
    one = lane()
    one.shed()
    delivery = one.sendable(200.0, 100)
    assert delivery is None
    again = lane()
    sent = again.sendable(200.0, 100)
    assert sent is not None
    again.head_at = 1.0
    again.settle(sent, 201.0)
    assert again.idle and again.oldest() is None
