"""What time is it? Seconds since the epoch that never go back: the machine's `now`.

The time is the monotonic clock plus an offset. Where the machine's clock is set forward (or drifts), the offset follows
at once; where it is set back, ours does not jump: it runs a tenth slower until the two agree again. So schedules and
retries keep their order whatever an operator or NTP does.
"""

from __future__ import annotations

import time
from collections.abc import Callable

SLEW = 0.1
"""How much slower the clock runs while it is ahead, as a share of the time that passes."""


class Clock:
    """`now()` is the time. Both sources are callables that give seconds."""

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._read = monotonic()
        self._offset = wall() - self._read

    def now(self) -> float:
        """Seconds since the epoch, never fewer than at the call before."""
        read = self._monotonic()
        offset = self._wall() - read
        if offset < self._offset:
            offset = max(offset, self._offset - SLEW * (read - self._read))
        self._read, self._offset = read, offset
        return read + offset
