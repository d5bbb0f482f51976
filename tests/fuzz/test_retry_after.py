"""Does every odd Retry-After become a wait that ends?"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.retry_after import NOW, check

ODD = {
    "0": 0.0, " 7\t": 7.0, "007": 7.0, "3600000": 3_600_000.0, "9" * 299: float("9" * 299), "9" * 5000: 3600.0,
    "Fri, 16 Jan 2026 12:26:45 GMT": None, "Wed, 21 Jan 2026 12:53:20 GMT": 0.0, "Sun Nov  6 08:49:37 1994": 0.0,
    "Sunday, 06-Nov-94 08:49:37 GMT": 0.0, "": None, "-1": None, "+1": None, "1.5": None, "1e3": None, "0x10": None,
    "nan": None, "inf": None, "1 second": None, "1, 2": None, "\u0663": None, "\xb2": None, "soon": None, "Wed": None,
    "Wed, 99 Foo 2026 99:99:99 GMT": None, "Wed, 21 Jan 2026 12:53:20 +9999": None,
    "Wed, 21 Jan 0000 00:00:00 GMT": None, "Fri, 31 Dec 9999 23:59:59 -2359": None, "2026-01-21T00:00:00Z": None,
    "Wed, 21 Jan 99999999999 00:00:00 GMT": None,
}  # fmt: skip


@pytest.mark.parametrize("value", ODD)
def test_an_odd_one(value):
    asked = check(value)
    if ODD[value] is not None:
        assert asked == ODD[value]


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=40) | st.text("0123456789 :,-+GMTWedJanNov", max_size=40))
def test_any_text(value):
    check(value)


@settings(deadline=None, max_examples=300)
@given(
    day=st.sampled_from(["Mon", "Wed", "xyz", "Sunday"]),
    numbers=st.tuples(*(st.integers(-1, 10_000) for _ in range(5))),
    month=st.sampled_from(["Jan", "Feb", "Dec", "Foo", "13"]),
    zone=st.sampled_from(["GMT", "UTC", "-0000", "+2400", "+9999", "EST", "", "\ud800"]),
)
def test_any_date(day, numbers, month, zone):
    date, year, hour, minute, second = numbers
    check(f"{day}, {date} {month} {year} {hour}:{minute}:{second} {zone}")


def test_a_date_is_seconds_from_now():
    assert check("Wed, 21 Jan 2026 12:53:21 GMT") == 1_769_000_001.0 - NOW
