"""When windows close: on the clock, through its changes, none twice and none left out."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmshooks.core.windows import At, Cron, Every, parse_schedule

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"


def utc(text: str) -> float:
    return dt.datetime.fromisoformat(text + "+00:00").timestamp()


def closes(schedule: Any, start: str, end: str) -> list[str]:
    """The closes after start up to end (UTC), as local times with their offset."""
    found = []
    now = utc(start)
    while (now := schedule.next_close(now)) <= utc(end):
        found.append(dt.datetime.fromtimestamp(now, schedule.tz).strftime("%d %H:%M%z"))
    return found


@pytest.mark.parametrize("zone", ["UTC", BERLIN, "Asia/Kolkata", "Asia/Kathmandu", LORD_HOWE])
def test_a_quarter_of_an_hour_closes_on_the_local_quarters(zone: str) -> None:
    schedule = parse_schedule(every=900, timezone=zone)
    for text in ("2026-01-20T05:48:10.5", "2026-07-20T23:59:59.9"):
        for close in (schedule.last_close(utc(text)), schedule.next_close(utc(text))):
            local = dt.datetime.fromtimestamp(close, ZoneInfo(zone))
            assert (local.minute % 15, local.second, local.microsecond) == (0, 0, 0)
        assert schedule.next_close(utc(text)) - schedule.last_close(utc(text)) == 900


def test_an_interval_goes_by_elapsed_time_and_begins_anew_at_midnight() -> None:
    six = parse_schedule(every=6 * 3600, timezone=BERLIN)
    assert closes(six, "2026-03-28T22:59:59", "2026-03-29T22:00:00") == [
        "29 00:00+0100", "29 07:00+0200", "29 13:00+0200", "29 19:00+0200", "30 00:00+0200",
    ]  # fmt: skip
    assert closes(six, "2026-10-24T21:59:59", "2026-10-25T23:00:00") == [
        "25 00:00+0200", "25 05:00+0100", "25 11:00+0100", "25 17:00+0100", "25 23:00+0100", "26 00:00+0100",
    ]  # fmt: skip
    hour = parse_schedule(every=3600, timezone=BERLIN)
    assert len(closes(hour, "2026-03-28T23:00:00", "2026-03-29T22:00:00")) == 23
    assert len(closes(hour, "2026-10-24T22:00:00", "2026-10-25T23:00:00")) == 25


def test_days_close_at_local_midnight_and_odd_intervals_by_the_epoch() -> None:
    assert closes(parse_schedule(every=2 * 86400, timezone=NEW_YORK), "2026-03-05T12:00:00", "2026-03-12T12:00:00") == [
        "06 00:00-0500", "08 00:00-0500", "10 00:00-0400", "12 00:00-0400",
    ]  # fmt: skip
    odd = parse_schedule(every=7 * 3600, timezone=NEW_YORK)
    assert odd.last_close(utc("2026-03-08T12:00:00")) % (7 * 3600) == 0


@pytest.mark.parametrize("written", [{"at": "02:30"}, {"cron": "30 2 * * *"}])
@pytest.mark.parametrize(
    ("zone", "start", "end", "expected"),
    [
        (BERLIN, "2026-03-27T23:00:00", "2026-03-30T22:00:00", ["28 02:30+0100", "29 03:00+0200", "30 02:30+0200"]),
        (BERLIN, "2026-10-23T23:00:00", "2026-10-26T22:00:00", ["24 02:30+0200", "25 02:30+0200", "26 02:30+0100"]),
        (NEW_YORK, "2026-03-07T05:00:00", "2026-03-09T12:00:00", ["07 02:30-0500", "08 03:00-0400", "09 02:30-0400"]),
        (NEW_YORK, "2026-11-01T04:00:00", "2026-11-02T12:00:00", ["01 02:30-0500", "02 02:30-0500"]),
    ],
)  # fmt: skip
def test_a_time_in_a_gap_closes_when_the_gap_ends_and_one_in_a_fold_once(
    written: dict[str, Any], zone: str, start: str, end: str, expected: list[str]
) -> None:
    assert closes(parse_schedule(**written, timezone=zone), start, end) == expected


@pytest.mark.parametrize("kind", ["at", "cron"])
def test_half_an_hour_is_a_clock_change_too(kind: str) -> None:
    def make(text: str) -> Any:
        hour, minute = text.split(":")
        if kind == "at":
            return parse_schedule(at=text, timezone=LORD_HOWE)
        return parse_schedule(cron=f"{int(minute)} {int(hour)} * * *", timezone=LORD_HOWE)

    # 2026-10-04 02:00+1030 -> 02:30+11; 2026-04-05 02:00+11 -> 01:30+1030
    assert closes(make("02:15"), "2026-10-03T14:00:00", "2026-10-04T14:00:00") == ["04 02:30+1100"]
    assert closes(make("01:45"), "2026-04-04T13:30:00", "2026-04-05T13:00:00") == ["05 01:45+1100"]
    twice = utc("2026-04-04T15:15:00")  # 01:45 for the second time
    assert make("01:45").last_close(twice) == utc("2026-04-04T14:45:00")
    assert make("01:45").next_close(utc("2026-04-04T14:45:00")) > twice + 3600


def test_two_times_in_one_gap_are_one_close() -> None:
    both = parse_schedule(at=["02:15", "02:45"], timezone=BERLIN)
    assert closes(both, "2026-03-28T23:00:00", "2026-03-29T22:00:00") == ["29 03:00+0200"]


def test_a_cron_of_intervals_goes_on_through_the_repeated_hour() -> None:
    half = parse_schedule(cron="*/30 * * * *", timezone=BERLIN)
    assert closes(half, "2026-10-24T23:59:00", "2026-10-25T02:00:00") == [
        "25 02:00+0200", "25 02:30+0200", "25 02:00+0100", "25 02:30+0100", "25 03:00+0100",
    ]  # fmt: skip
    assert closes(half, "2026-03-29T00:00:00", "2026-03-29T01:30:00") == [
        "29 01:30+0100", "29 03:00+0200", "29 03:30+0200",
    ]  # fmt: skip


SCHEDULES = [
    {"every": 900}, {"every": 3600}, {"every": 21600}, {"every": 86400}, {"every": 3 * 86400}, {"every": 25200},
    {"every": 0.1 + 1}, {"at": "00:00"}, {"at": ["02:00", "02:30", "03:00"]}, {"at": ["01:45", "23:59:59"]},
    {"cron": "*/20 * * * *"}, {"cron": "30 2 * * *"}, {"cron": "0,15,45 0-3 * * *"}, {"cron": "0 3 * * MON-FRI"},
    {"cron": "5 */2 * * *"}, {"cron": "0 0 L * *"},
]  # fmt: skip
ZONES = [
    "UTC", BERLIN, NEW_YORK, LORD_HOWE, "America/Sao_Paulo", "America/Havana", "America/St_Johns", "Pacific/Apia",
    "Europe/Dublin",
]  # fmt: skip
CHANGES = [
    utc(text) for text in (
        "2026-03-29T01:00:00", "2026-10-25T01:00:00", "2026-03-08T07:00:00", "2026-11-01T06:00:00",
        "2026-10-03T15:30:00", "2026-04-04T15:00:00", "2018-11-04T03:00:00", "2018-02-18T02:00:00",
        "2026-03-08T05:00:00", "2026-11-01T05:00:00", "2010-11-07T02:31:00", "2010-03-14T03:31:00",
        "2011-12-30T10:00:00",
    )
]  # fmt: skip


@settings(max_examples=250, deadline=None)
@given(
    st.sampled_from(SCHEDULES),
    st.sampled_from(ZONES),
    st.sampled_from(CHANGES),
    st.integers(-2 * 86400, 2 * 86400) | st.floats(-8000, 8000) | st.sampled_from([-3600, -1, 0, 1, 1800, 3600]),
)
def test_last_and_next_close_are_neighbours_in_one_row(
    settings_: dict[str, Any], zone: str, change: float, shift: float
) -> None:
    schedule = parse_schedule(**settings_, timezone=zone)
    now = change + shift
    last, following = schedule.last_close(now), schedule.next_close(now)
    assert last <= now < following
    tiny = 0.001
    assert schedule.next_close(last) == following
    assert schedule.last_close(following) == following
    assert schedule.last_close(last) == last
    assert schedule.last_close(following - tiny) == last
    assert schedule.next_close(last - tiny) == last
    middle = (last + following) / 2
    assert (schedule.last_close(middle), schedule.next_close(middle)) == (last, following)


@pytest.mark.parametrize("zone", ZONES)
def test_a_cron_of_intervals_closes_at_every_instant_whose_local_time_matches(zone: str) -> None:
    tz = ZoneInfo(zone)
    schedule = parse_schedule(cron="*/20 0-3 * * *", timezone=zone)
    for change in CHANGES:
        start, end = change - 9_000, change + 9_000
        minutes = [(int(start) // 60 + step) * 60.0 for step in range(1, int(end - start) // 60 + 1)]
        local = {minute: dt.datetime.fromtimestamp(minute, tz) for minute in minutes}
        expected = [at for at, when in local.items() if when.minute % 20 == 0 and when.hour < 4 and when.second == 0]
        found, now = [], start
        while (now := schedule.next_close(now)) <= minutes[-1]:
            found.append(now)
        assert found == expected


def test_equal_settings_are_equal_schedules() -> None:
    assert parse_schedule(at=["03:00", "02:00"], timezone=BERLIN) == parse_schedule(
        at=["02:00", "03:00", "02:00"], timezone=BERLIN
    )
    assert parse_schedule(every=900) == Every(900.0, ZoneInfo("UTC"))
    assert parse_schedule(at="02:00:30") == At((dt.time(2, 0, 30),), ZoneInfo("UTC"))
    assert parse_schedule(cron="0  2 * * *") == Cron("0 2 * * *", ZoneInfo("UTC"))
    assert hash(parse_schedule(every=900)) == hash(parse_schedule(every=900.0))


@pytest.mark.parametrize(
    ("given_", "why"),
    [
        ({}, "no schedule, expected one of every, at and cron"),
        ({"every": 1, "cron": "* * * * *"}, "every and cron, expected one of every, at and cron"),
        ({"every": 0.5}, "every 0.5 s, expected 1 s to 366 d"),
        ({"every": float("nan")}, "every nan s, expected 1 s to 366 d"),
        ({"at": []}, "an empty list of times, expected one such as 02:00"),
        ({"at": "2:00"}, "time '2:00', expected HH:MM or HH:MM:SS such as 02:00"),
        ({"at": "24:00"}, "time '24:00', expected HH:MM or HH:MM:SS such as 02:00"),
        ({"cron": "@daily"}, "cron expression '@daily' has 1 field, expected 5 such as 0 2 * * *"),
        ({"cron": "0 0 2 * * *"}, "cron expression '0 0 2 * * *' has 6 fields, expected 5 such as 0 2 * * *"),
        ({"cron": "61 2 * * *"}, "cron expression '61 2 * * *': bad minute, expected one such as 0 2 * * *"),
        ({"cron": "0 0 31 2 *"}, "cron expression '0 0 31 2 *': bad day-of-month, expected one such as 0 2 * * *"),
        ({"every": 60, "timezone": "Europe"}, "time zone 'Europe' is unknown, expected a name such as Europe/Berlin"),
        ({"every": 60, "timezone": "Mars/X"}, "time zone 'Mars/X' is unknown, expected a name such as Europe/Berlin"),
        ({"every": 60, "timezone": "../x"}, "time zone '../x' is unknown, expected a name such as Europe/Berlin"),
    ],
)
def test_what_is_no_schedule_says_so(given_: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        parse_schedule(**given_)
    assert str(raised.value) == why
