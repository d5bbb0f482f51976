"""What does the benchmark send? Events of one size in ALM's envelope, of so many accounts in turn."""

from __future__ import annotations

import json
import time

NAME = "COURSE_ENROLLMENT"
"""A real-time event."""


def event(number: int, accounts: int = 100, size: int = 600, name: str = NAME) -> bytes:
    """One record's value of `size` bytes; its account is `account-<number modulo accounts>`.

    `data.sent` is now, in nanoseconds of the monotonic clock, which all processes of a machine share.
    """
    made = {
        "eventId": f"e{number}", "eventName": name, "timestamp": "2026-01-20T05:48:10.000Z",
        "eventInfo": "x", "data": {"userId": str(number % 5000), "loId": f"course:{number % 700}", "fill": ""},
    }  # fmt: skip
    text = json.dumps({"accountId": f"account-{number % accounts}", "events": [made]}, separators=(",", ":"))
    sent = f'"sent":{time.monotonic_ns()},"fill":"'
    return text.replace('"fill":"', sent + "x" * (size - len(text) - len(sent) + 8)).encode()


def key(number: int, accounts: int = 100) -> bytes:
    """The record's key: its account, as producers should."""
    return f"account-{number % accounts}".encode()
