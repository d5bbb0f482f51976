"""How did an attempt go, and when is the next one? Outcome -> Verdict; the schedule of retries; Retry-After.

    2xx                      DELIVERED
    410                      GONE        the subscription is suspended, its events stay owed
    400 413 415 422          SPLIT       several events: halves, until the bad one stands alone
                             RETRY       one event, refused for the first or second time
                             REJECTED    one event, refused for the third time: a dead letter
    429 503, any Retry-After WAIT        the whole lane waits
    everything else          RETRY

A redirect is never followed, and no answer at all is a Failure, which is retried as well.
"""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple

from lmshooks.core.subscriptions import RetryPolicy

RETRY_AFTER_CEILING = 3600.0
"""Seconds of Retry-After that are heeded, at most."""
REFUSALS = 3
"""Refusals of one event alone after which it is given up."""
_REFUSED = frozenset((400, 413, 415, 422))
_BUSY = frozenset((429, 503))


class Failure(StrEnum):
    """Why did an attempt end without an answer that counts?"""

    TIMEOUT = "timeout"
    """No answer within the endpoint's time-outs."""
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    EGRESS = "egress"
    """The egress guard refused the address."""
    DISCONNECT = "disconnect"
    """The connection ended before the answer did."""
    REDIRECT = "redirect"
    """3xx: never followed."""
    STATUS = "status"
    """An answer that is no success and no redirect."""
    OTHER = "other"


class Outcome(NamedTuple):
    """What an attempt ended in."""

    status: int | None
    """The HTTP status; None without an answer."""
    failure: Failure | None
    """None after a 2xx."""
    retry_after: float | None
    """Seconds that the answer asked for, as `parse_retry_after` tells them."""
    elapsed: float
    """Seconds."""
    detail: str
    """For people: what went wrong, or the beginning of the answer's body."""


class Verdict(StrEnum):
    """What does an outcome mean for the delivery?"""

    DELIVERED = "delivered"
    GONE = "gone"
    SPLIT = "split"
    RETRY = "retry"
    WAIT = "wait"
    """As RETRY, and the whole lane waits."""
    REJECTED = "rejected"
    __hash__ = str.__hash__  # Enum's own is written in Python, and every attempt is counted by it


def judge(outcome: Outcome, events: int, refusals: int) -> Verdict:
    """The verdict on an attempt of a delivery of `events` events.

    `refusals` counts the earlier attempts of this very delivery that were refused (400, 413, 415, 422).
    """
    status = outcome.status
    if status is not None:
        if 200 <= status < 300:
            return Verdict.DELIVERED
        if status == 410:
            return Verdict.GONE
        if status in _REFUSED:
            if events > 1:
                return Verdict.SPLIT
            # A Retry-After does not make it another content: it may delay the next attempt, not save the event.
            if refusals + 1 >= REFUSALS:
                return Verdict.REJECTED
        if status in _BUSY or outcome.retry_after is not None:
            return Verdict.WAIT
    return Verdict.RETRY


def refused(outcome: Outcome) -> bool:
    """Whether the endpoint refused the content, which counts toward giving it up."""
    return outcome.status in _REFUSED


def wait_before(attempt: int, policy: RetryPolicy, seed: str, retry_after: float | None) -> float:
    """Seconds from a failed attempt to the next one, which is number `attempt` (2 or more).

    The wait doubles from `initial` up to `ceiling`. `jitter` takes a share of it away, never adds: a hash of the seed
    and the attempt says how much, so that ten thousand lanes that failed together do not come back together, and the
    same delivery always waits alike. A Retry-After is never undercut, up to its own ceiling.
    """
    doublings = min(max(attempt - 2, 0), 62)
    wait = min(policy.initial * 2.0**doublings, policy.ceiling)
    if policy.jitter > 0:
        digest = blake2b(f"{attempt}:{seed}".encode(), digest_size=8).digest()
        wait *= 1.0 - policy.jitter * (int.from_bytes(digest) / 2.0**64)
    if retry_after is not None:
        wait = max(wait, min(retry_after, RETRY_AFTER_CEILING))
    return wait


def parse_retry_after(value: str, now: float) -> float | None:
    """Seconds from `now` that a Retry-After asks for (RFC 9110, 10.2.3): seconds or a date; None where it is neither.

    A date in the past is 0. The result is not bounded above: `wait_before` does that.
    """
    value = value.strip(" \t")
    if value.isascii() and value.isdigit():
        return float(value) if len(value) < 300 else RETRY_AFTER_CEILING
    if not value[:3].isalpha():
        return None  # the three forms of a date begin with the day's name; the parser would take nearly anything
    try:
        date = parsedate_to_datetime(value)
        if date.tzinfo is None:  # asctime's form says no zone; the RFC says it is UTC
            date = date.replace(tzinfo=UTC)
        return max(0.0, date.timestamp() - now)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
