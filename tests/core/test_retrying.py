"""What an answer means, and how long the next attempt waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmshooks.core.retrying import Failure, Outcome, Verdict, judge, parse_retry_after, refused, wait_before
from lmshooks.core.subscriptions import RetryPolicy

PLAIN = RetryPolicy(jitter=0.0)


def answered(status: int | None, retry_after: float | None = None) -> Outcome:
    return Outcome(status, None if status == 200 else Failure.STATUS, retry_after, 0.1, "")


@pytest.mark.parametrize("events", [1, 7])
@pytest.mark.parametrize(
    ("status", "retry_after", "verdict"),
    [
        (200, None, "delivered"), (202, None, "delivered"), (204, 5.0, "delivered"), (299, None, "delivered"),
        (410, None, "gone"), (410, 5.0, "gone"),
        (429, None, "wait"), (503, None, "wait"), (500, 0.0, "wait"), (302, 3.0, "wait"), (404, 9.0, "wait"),
        (301, None, "retry"), (304, None, "retry"), (401, None, "retry"), (403, None, "retry"), (404, None, "retry"),
        (408, None, "retry"), (500, None, "retry"), (502, None, "retry"), (504, None, "retry"), (100, None, "retry"),
        (None, None, "retry"),
    ],
)  # fmt: skip
def test_the_status_decides_whatever_the_size(
    events: int, status: int | None, retry_after: float | None, verdict: str
) -> None:
    for refusals in (0, 2, 9):
        assert judge(answered(status, retry_after), events, refusals) == verdict
    assert not refused(answered(status, retry_after))


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_refused_delivery_is_split_until_the_bad_event_stands_alone_and_is_refused_three_times(status: int) -> None:
    assert refused(answered(status))
    assert judge(answered(status), 2, 0) is Verdict.SPLIT
    assert judge(answered(status, 60.0), 2, 5) is Verdict.SPLIT
    assert [judge(answered(status), 1, refusals) for refusals in range(4)] == ["retry", "retry", "rejected", "rejected"]
    assert [judge(answered(status, 60.0), 1, refusals) for refusals in range(3)] == ["wait", "wait", "rejected"]


@pytest.mark.parametrize("failure", list(Failure))
def test_no_answer_is_retried_whatever_the_failure(failure: Failure) -> None:
    assert judge(Outcome(None, failure, None, 1.0, ""), 1, 2) is Verdict.RETRY


def test_the_schedule_is_alms() -> None:
    waits = [wait_before(attempt, PLAIN, "d", None) for attempt in range(2, 11)]
    assert waits == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0]
    assert wait_before(100_000, PLAIN, "d", None) == 300.0


@given(st.integers(2, 5000), st.text(), st.floats(0, 1))
def test_jitter_shortens_a_wait_by_its_share_at_most_and_always_alike(attempt: int, seed: str, jitter: float) -> None:
    policy = RetryPolicy(jitter=jitter)
    full = wait_before(attempt, PLAIN, seed, None)
    wait = wait_before(attempt, policy, seed, None)
    assert full * (1 - jitter) - 1e-9 <= wait <= full
    assert wait == wait_before(attempt, policy, seed, None)


def test_ten_thousand_lanes_do_not_come_back_together() -> None:
    waits = [wait_before(8, RetryPolicy(jitter=0.2), f"d{number}", None) for number in range(10_000)]
    tenths = [sum(1 for wait in waits if 240 + 6 * tenth <= wait < 246 + 6 * tenth) for tenth in range(10)]
    assert sum(tenths) == 10_000
    assert min(tenths) > 800
    assert max(tenths) < 1200


@given(st.integers(2, 20), st.floats(0, 1e9))
def test_retry_after_is_never_undercut_up_to_an_hour(attempt: int, asked: float) -> None:
    wait = wait_before(attempt, RetryPolicy(), "d", asked)
    assert wait >= min(asked, 3600.0)
    assert wait == max(wait_before(attempt, RetryPolicy(), "d", None), min(asked, 3600.0))


NOON = 784111777.0 - 120  # two minutes before the RFC's own example


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0), ("120", 120.0), (" 120\t", 120.0), ("0120", 120.0), ("99999999999", 99999999999.0),
        ("9" * 5000, 3600.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 120.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 120.0),
        ("Sun Nov  6 08:49:37 1994", 120.0),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
        ("", None), ("soon", None), ("-1", None), ("1.5", None), ("+5", None), ("\u0663", None), ("120 s", None),
        ("1994-11-06T08:49:37Z", None), ("Sun, 06 Nov", None), ("Sun, 99 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 999999 08:49:37 GMT", None), ("inf", None), ("nan", None),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date_and_garbage_is_nothing(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value, NOON) == seconds


@given(st.text(max_size=40))
def test_no_retry_after_raises(value: str) -> None:
    seconds = parse_retry_after(value, 0.0)
    assert seconds is None or seconds >= 0
