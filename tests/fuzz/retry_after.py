"""What may any Retry-After become? Seconds that are a number, not below 0; or nothing."""

from __future__ import annotations

import math

from lmshooks.core.retrying import RETRY_AFTER_CEILING, parse_retry_after, wait_before
from lmshooks.core.subscriptions import RetryPolicy

NOW = 1_769_000_000.0


def check(value: str) -> float | None:
    """AssertionError where it is anything else, or would make a lane wait for longer than the ceiling."""
    asked = parse_retry_after(value, NOW)
    if asked is not None:
        assert math.isfinite(asked) and asked >= 0.0
    wait = wait_before(2, RetryPolicy(), "seed", asked)
    assert 0.0 < wait <= RETRY_AFTER_CEILING
    return asked
