"""When does a window close? Schedule arithmetic over time zones and their clock changes.

The same holds for all three schedules: closes are instants in one increasing row, so that none comes twice and none is
left out, and `last_close(now) <= now < next_close(now)` are neighbours in it.

    every   from the local midnight on, by elapsed time, begun anew at each midnight, where the interval divides a day;
            whole days: at every n-th local midnight; anything else: by elapsed time since the epoch
    at      at each of the local times, every day
    cron    at the local times that the expression names

Where the clock is put forward, a local time that does not exist that day closes at the instant of the change; where it
is put back, a time that comes twice closes the first time only. A cron expression whose minutes or hours begin with `*`
goes by intervals instead: it closes at every instant whose local time matches, in the repeated hour again.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

DAY = 86400
_ONE_DAY = dt.timedelta(days=1)
_TICK = dt.timedelta(microseconds=1)
_EPOCH = dt.date(1970, 1, 1)


def _local(now: float, tz: dt.tzinfo) -> dt.datetime:
    """The local time at an instant, without its zone."""
    return dt.datetime.fromtimestamp(now, tz).replace(tzinfo=None)


def _offset(now: float, tz: dt.tzinfo) -> dt.timedelta:
    return dt.datetime.fromtimestamp(now, tz).utcoffset() or dt.timedelta()


def _instant(local: dt.datetime, tz: dt.tzinfo) -> float:
    """When a local time comes: the first time if twice, and the end of the gap if it is in one."""
    first = local.replace(tzinfo=tz, fold=0).timestamp()
    if _local(first, tz) == local:
        return first
    return _change(local.replace(tzinfo=tz, fold=1).timestamp(), first, tz)


def _change(before: float, after: float, tz: dt.tzinfo) -> float:
    """The first whole second with another offset than the one at `before`; there is one up to `after`."""
    low, high = math.floor(before), math.ceil(after)
    old = _offset(low, tz)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(middle, tz) == old:
            low = middle
        else:
            high = middle
    return float(high)


def _midnight(day: dt.date, tz: dt.tzinfo) -> float:
    return _instant(dt.datetime.combine(day, dt.time()), tz)


def _day_of(now: float, tz: dt.tzinfo) -> dt.date:
    """The last day whose midnight has come. Not always the local date: where midnight comes twice, the first counts."""
    day = _local(now, tz).date() + _ONE_DAY
    while _midnight(day, tz) > now:
        day -= _ONE_DAY
    return day


@dataclass(frozen=True, slots=True)
class Every:
    """At a fixed interval, aligned to the local clock."""

    seconds: float
    tz: dt.tzinfo

    def last_close(self, now: float) -> float:
        """The latest scheduled close at or before `now`."""
        if self._days:
            return _midnight(self._grid_day(now), self.tz)
        start = self._start(now)
        return start + self._steps(now - start) * self.seconds

    def next_close(self, now: float) -> float:
        """The earliest scheduled close after `now`."""
        if self._days:
            return _midnight(self._grid_day(now) + self._days * _ONE_DAY, self.tz)
        start = self._start(now)
        close = start + (self._steps(now - start) + 1) * self.seconds
        if not self._divides:
            return close
        return min(close, _midnight(_day_of(now, self.tz) + _ONE_DAY, self.tz))

    @property
    def _divides(self) -> bool:
        return DAY % self.seconds == 0

    @property
    def _days(self) -> int:
        """The interval in days, where it is whole ones."""
        return int(self.seconds // DAY) if self.seconds % DAY == 0 else 0

    def _start(self, now: float) -> float:
        return _midnight(_day_of(now, self.tz), self.tz) if self._divides else 0.0

    def _steps(self, elapsed: float) -> int:
        """How many whole intervals have gone by; exact where the division is not."""
        steps = math.floor(elapsed / self.seconds)
        if steps * self.seconds > elapsed:
            return steps - 1
        return steps + 1 if (steps + 1) * self.seconds <= elapsed else steps

    def _grid_day(self, now: float) -> dt.date:
        day = _day_of(now, self.tz)
        return day - ((day - _EPOCH).days % self._days) * _ONE_DAY


@dataclass(frozen=True, slots=True)
class At:
    """At local times, every day."""

    times: tuple[dt.time, ...]
    tz: dt.tzinfo

    def last_close(self, now: float) -> float:
        """The latest scheduled close at or before `now`."""
        return max(close for close in self._around(now) if close <= now)

    def next_close(self, now: float) -> float:
        """The earliest scheduled close after `now`."""
        return min(close for close in self._around(now) if close > now)

    def _around(self, now: float) -> list[float]:
        today = _local(now, self.tz).date()
        days = [today + days * _ONE_DAY for days in (-2, -1, 0, 1, 2)]
        return [_instant(dt.datetime.combine(day, time), self.tz) for day in days for time in self.times]


@dataclass(frozen=True, slots=True)
class Cron:
    """At the local times of a cron expression of five fields."""

    expression: str
    tz: dt.tzinfo

    def last_close(self, now: float) -> float:
        """The latest scheduled close at or before `now`."""
        if self._by_interval:
            return self._last_match(now)
        # While an hour is repeated, local times later than now's may have had their first and only close.
        for local in CronSim(self.expression, _inclusive(_local(now, self.tz) + dt.timedelta(hours=3)), reverse=True):
            close = _instant(local, self.tz)
            if close <= now:
                return close
        raise AssertionError("a cron expression goes back for ever")

    def next_close(self, now: float) -> float:
        """The earliest scheduled close after `now`."""
        if self._by_interval:
            return self._next_match(now)
        for local in CronSim(self.expression, _local(now, self.tz)):
            close = _instant(local, self.tz)
            if close > now:
                return close
        raise AssertionError("a cron expression goes on for ever")

    @property
    def _by_interval(self) -> bool:
        minutes, hours, *_ = self.expression.split()
        return minutes.startswith("*") or hours.startswith("*")

    def _next_match(self, now: float) -> float:
        """By the offset of now, unless the clock is changed before: then from the change on, by the next one."""
        after, offset = now, _offset(now, self.tz)
        start = _shifted(now, offset)
        while True:
            close = _unshifted(next(CronSim(self.expression, start)), offset)
            if _offset(close, self.tz) == offset:
                return close
            after = _change(after, close, self.tz)
            offset = _offset(after, self.tz)
            start = _shifted(after, offset) - _TICK  # the instant of the change may match itself

    def _last_match(self, now: float) -> float:
        before, offset = now, _offset(now, self.tz)
        while True:
            start = _inclusive(_shifted(before, offset))
            close = _unshifted(next(CronSim(self.expression, start, reverse=True)), offset)
            then = _offset(close, self.tz)
            if then == offset:
                return close
            before = _change_before(close, before, self.tz) - 1  # closes are whole seconds
            offset = _offset(before, self.tz)


def _change_before(before: float, after: float, tz: dt.tzinfo) -> float:
    """The first whole second of the offset at `after`, which is not the one at `before`."""
    low, high = math.floor(before), math.floor(after)
    new = _offset(high, tz)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(middle, tz) == new:
            high = middle
        else:
            low = middle
    return float(high)


def _shifted(now: float, offset: dt.timedelta) -> dt.datetime:
    return dt.datetime.fromtimestamp(now, dt.UTC).replace(tzinfo=None) + offset


def _unshifted(local: dt.datetime, offset: dt.timedelta) -> float:
    return (local - offset).replace(tzinfo=dt.UTC).timestamp()


def _inclusive(local: dt.datetime) -> dt.datetime:
    """Where to begin going back from so that the second of a local time itself is the first to be looked at."""
    return local.replace(microsecond=1)


def parse_schedule(
    *,
    every: float | None = None,
    at: str | Sequence[str] | None = None,
    cron: str | None = None,
    timezone: str = "UTC",
) -> Every | At | Cron:
    """The schedule of one of `every` (seconds), `at` (`HH:MM` or `HH:MM:SS`, one or several) and `cron`.

    Raises ValueError that says what was found and what was expected.
    """
    given = [name for name, value in (("every", every), ("at", at), ("cron", cron)) if value is not None]
    if len(given) != 1:
        raise ValueError(f"{' and '.join(given) or 'no schedule'}, expected one of every, at and cron")
    try:
        tz = ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"time zone {timezone!r} is unknown, expected a name such as Europe/Berlin") from None
    if every is not None:
        if not 1 <= every <= 366 * DAY:
            raise ValueError(f"every {every:g} s, expected 1 s to 366 d")
        return Every(float(every), tz)
    if at is not None:
        times = [_time(text) for text in ([at] if isinstance(at, str) else at)]
        if not times:
            raise ValueError("an empty list of times, expected one such as 02:00")
        return At(tuple(sorted(set(times))), tz)
    return Cron(_expression(cron or ""), tz)


def _time(text: str) -> dt.time:
    try:
        parts = text.split(":")
        if len(parts) not in (2, 3) or not all(len(part) == 2 and part.isascii() and part.isdigit() for part in parts):
            raise ValueError
        return dt.time.fromisoformat(text)
    except ValueError:
        raise ValueError(f"time {text!r}, expected HH:MM or HH:MM:SS such as 02:00") from None


def _expression(text: str) -> str:
    fields = text.split()
    if len(fields) != 5:
        raise ValueError(
            f"cron expression {text!r} has {len(fields)} field{'s' * (len(fields) != 1)}, expected 5 such as 0 2 * * *"
        )
    try:
        next(CronSim(text, dt.datetime(2024, 1, 1)))  # noqa: DTZ001  local times have no zone here
    except CronSimError as error:
        raise ValueError(f"cron expression {text!r}: {str(error).lower()}, expected one such as 0 2 * * *") from None
    except StopIteration:
        raise ValueError(f"cron expression {text!r} never comes, expected one that does") from None
    return " ".join(fields)
