"""Which events are there, and which of them are sent at once?"""

from __future__ import annotations

from enum import StrEnum


class Cadence(StrEnum):
    """When is an event sent: at once, or when its window closes?"""

    REAL_TIME = "real-time"
    WINDOWED = "windowed"
