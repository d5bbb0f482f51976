"""What would be sent again if the partition changed hands now is bounded by its number, not only by time."""

from __future__ import annotations

from lmshooks.core.deliveries import delivery_of
from lmshooks.core.exposure import LEAST, MOST, SLOW, Covers, Exposure
from lmshooks.core.lanes import Lane
from lmshooks.core.positions import start_of
from lmshooks.core.records import Kind
from lmshooks.core.subscriptions import Endpoint, Subscription
from tests.core.test_lanes import event
from tests.core.waiting import P

ONE = Subscription("one", "1", ("*",), Endpoint("http://x"), max_events=10, max_in_flight=1)


def lane() -> Lane:
    return Lane(ONE, P, Kind.REAL_TIME, start_of(0))


def settle(exposure: Exposure, of: Lane, *offsets: int) -> None:
    exposure.settle(of, delivery_of("one", P, [event(offset, 0.0) for offset in offsets], ("1",)))


def below(end: int) -> Covers:
    """What says that all before an offset is settled."""
    return lambda _, offset, __: offset < end


def nothing(*_: object) -> bool:
    return False


def test_what_is_confirmed_is_exposed_no_more_and_what_came_meanwhile_is() -> None:
    exposure, one = Exposure(0.5), lane()
    settle(exposure, one, 1, 2)
    settle(exposure, one, 3)
    exposure.order(10.0)
    settle(exposure, one, 4, 5)
    assert exposure.events == 5
    exposure.confirm(10.01, below(3))
    assert (exposure.events, exposure.left) == (3, 1)


def test_a_write_says_only_what_was_settled_when_it_was_ordered() -> None:
    exposure, one = Exposure(0.5), lane()
    settle(exposure, one, 1, 2)
    exposure.order(10.0)
    settle(exposure, one, 3)
    exposure.confirm(10.01, lambda *settled: settled[2])
    assert (exposure.events, exposure.left) == (1, 0)


def test_with_much_exposed_patience_is_a_tenth() -> None:
    exposure, one = Exposure(0.5), lane()
    settle(exposure, one, 1, 2, 3)
    assert not exposure.grows(99.0, 2), "nothing is under way that could be confirmed"
    exposure.order(10.0)
    exposure.order(10.01)
    assert not exposure.grows(10.04, 2)
    assert exposure.grows(10.06, 2)
    assert not exposure.grows(10.06, 3)
    assert exposure.grows(10.6, 3)
    exposure.confirm(10.6, nothing)
    assert not exposure.grows(10.7, 2)


def confirmed(exposure: Exposure, at: float, after: float = 0.01) -> None:
    """What is exposed is ordered to be made durable, and is so after a time."""
    exposure.order(at)
    exposure.confirm(at + after, below(1_000_000))


def test_there_is_more_room_with_each_confirmation_that_comes_soon_and_the_least_after_a_late_one() -> None:
    exposure, one = Exposure(0.5), lane()
    for times in (LEAST, 2 * LEAST, 4 * LEAST, 8 * LEAST):
        settle(exposure, one, *range(times * 10 - 1))
        assert exposure.room(10.0, 10)
        settle(exposure, one, times * 10)
        assert not exposure.room(10.0, 10)
        assert exposure.full
        confirmed(exposure, 10.0)
    confirmed(exposure, 11.0, after=0.06)
    settle(exposure, one, *range(LEAST * 10))
    assert not exposure.room(12.0, 10)
    assert exposure.room(12.0, 11)


def test_late_is_what_takes_twice_as_long_as_usual() -> None:
    exposure, one = Exposure(0.5), lane()
    for place in range(40):
        settle(exposure, one, *range(99))
        exposure.room(10.0 + place, 10)
        confirmed(exposure, 10.0 + place, after=0.09)
    assert exposure.times > LEAST, "a Kafka that always takes so long makes nobody wait"
    settle(exposure, one, *range(99))
    exposure.order(60.0)
    assert not exposure.grows(60.17, 10)
    assert exposure.grows(60.19, 10)
    exposure.confirm(60.19, below(1_000_000))
    assert exposure.times == LEAST


def test_nothing_is_usual_that_is_longer_than_the_patience() -> None:
    exposure = Exposure(0.5)
    for place in range(40):
        confirmed(exposure, 10.0 + place * 10, after=5.0)
    exposure.times = 64
    confirmed(exposure, 900.0, after=1.1)
    assert exposure.times == LEAST


def test_what_is_not_used_of_the_room_is_taken_back() -> None:
    exposure, one = Exposure(0.5), lane()
    exposure.times = 64
    settle(exposure, one, *range(17))
    assert exposure.room(10.0, 1)
    confirmed(exposure, 10.0)
    assert exposure.times == 64, "more than a quarter, less than half"
    for times in (32, 16, 8, 4, 4):
        settle(exposure, one, 1)
        assert exposure.room(10.0, 1)
        confirmed(exposure, 10.0)
        assert exposure.times == times
    for _ in range(3):
        confirmed(exposure, 10.0)
    assert exposure.times == LEAST


def test_a_request_takes_room_until_it_is_answered_or_slow() -> None:
    exposure = Exposure(0.5)
    first, second = (delivery_of("one", P, [event(offset, 0.0)], ("1",)) for offset in (1, 2))
    exposure.post(first, 10.0)
    exposure.post(second, 10.02)
    assert not exposure.room(10.03, 1)
    exposure.answer(second)
    assert exposure.room(10.03, 1)
    exposure.post(second, 10.04)
    assert not exposure.room(10.04, 1)
    assert exposure.room(10.051, 1), "the first is slow"
    exposure.answer(first)
    exposure.answer(second)
    assert exposure.room(10.06, 1)
    exposure.post(first, 10.07)
    exposure.post(second, 10.07)
    assert not exposure.room(10.07, 1)


def test_what_is_patient_is_cut_to_the_room_that_is_left_and_waits_where_only_crumbs_are() -> None:
    exposure, one = Exposure(0.5), lane()
    assert exposure.room(10.0, 100, patient=True) > 1000, "nothing is exposed: whole"
    settle(exposure, one, *range(30))
    assert exposure.room(10.0, 100, patient=True) == LEAST * 100 - 30
    settle(exposure, one, *range(30, LEAST * 100 - 20))
    assert not exposure.room(10.0, 100, patient=True)
    assert exposure.patient_full
    assert exposure.room(10.0, 100) > 1000
    assert not exposure.full
    confirmed(exposure, 10.0)
    assert exposure.room(10.02, 100, patient=True)
    assert not exposure.patient_full


def test_what_is_patient_waits_for_a_late_confirmation_however_little_is_exposed() -> None:
    exposure, one = Exposure(0.5), lane()
    exposure.order(10.0)
    assert exposure.room(10.06, 100, patient=True), "nothing is exposed"
    settle(exposure, one, 1)
    assert exposure.room(10.04, 100, patient=True)
    assert not exposure.room(10.06, 100, patient=True)
    assert exposure.room(10.06, 100)
    exposure.confirm(10.07, nothing)
    assert exposure.room(10.08, 100, patient=True)


def used_up(took: float) -> Exposure:
    """After a dozen confirmations that took so long each, before each of which all the room there was was used."""
    exposure, one = Exposure(0.5), lane()
    for turn in range(12):
        now = 10.0 + turn
        settle(exposure, one, *range(exposure.times * 10))
        exposure.order(now)
        assert not exposure.room(now, 10)
        exposure.confirm(now + took, below(1 << 40))
    return exposure


def test_the_room_grows_less_far_where_confirmations_take_long() -> None:
    assert (used_up(0.02).times, used_up(0.09).times) == (MOST, SLOW)
