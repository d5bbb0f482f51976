"""Who is late? All that have the same time: who began first is late first, so one timer serves them all.

A timer of its own for each request costs as much as the request's head, and hardly one of them ever fires.
"""

from __future__ import annotations

import asyncio
import time
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    """What has a time to end in."""

    def late(self) -> None:
        """Its time is over; told once, unless it ended before."""


T = TypeVar("T", bound=Timed)


class Deadlines(Generic[T]):
    """Those under way that have `seconds` each. Make it inside the running loop."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._running: dict[T, float] = {}
        """When each is late, in seconds of the monotonic clock; in the order in which they began."""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def running(self) -> tuple[T, ...]:
        """Who has begun and not ended."""
        return tuple(self._running)

    def begun(self, one: T, at: float) -> None:
        """Its time runs from `at` on, in seconds of the monotonic clock, not before that of the one begun last."""
        self._running[one] = late = at + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_at(late, self._look)

    def ended(self, one: T) -> None:
        """It is over, in time or late. The timer stays: it looks again when it fires."""
        self._running.pop(one, None)

    def _look(self) -> None:
        self._timer = None
        now = time.monotonic() + 0.001  # loops fire a little early: what is due within a millisecond is late
        while self._running:
            one, late = next(iter(self._running.items()))
            if late > now:
                self._timer = self._loop.call_at(late, self._look)
                return
            del self._running[one]
            one.late()

    def close(self) -> None:
        """No more timer: nobody is told any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._running.clear()
