"""What does the benchmark send? Events of one size in ALM's envelope, of so many accounts in turn."""

from __future__ import annotations

import time

NAME = "COURSE_ENROLLMENT"
"""A real-time event."""


def event(number: int, accounts: int = 100, size: int = 600, name: str = NAME) -> bytes:
    """One record's value of `size` bytes; its account is `account-<number modulo accounts>`.

    `data.sent` is now, in nanoseconds of the monotonic clock, which all processes of a machine share.
    """
    text = (
        f'{{"accountId":"account-{number % accounts}","events":[{{"eventId":"e{number}","eventName":"{name}",'
        f'"timestamp":"2026-01-20T05:48:10.000Z","eventInfo":"x","data":{{"userId":"{number % 5000}",'
        f'"loId":"course:{number % 700}","sent":{time.monotonic_ns()},"fill":"'
    )
    return (text + "x" * (size - len(text) - 5) + '"}}]}').encode()


def key(number: int, accounts: int = 100) -> bytes:
    """The record's key: its account, as producers should."""
    return f"account-{number % accounts}".encode()
