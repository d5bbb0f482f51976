"""Where does the time of a request go? Name, connection, TLS, first byte: what `lmshooks test` shows of a real POST.

├─ dns ─┼─ connect ─┼─ tls ─┼─ send ─┼─ first byte ─┤ (the answer begins)
"""

from __future__ import annotations

import time


class Phases:
    """What one request over a new connection went through, and what was really sent and answered."""

    def __init__(self) -> None:
        self.marks: dict[str, float] = {}
        """What was begun or reached, in seconds of the monotonic clock."""
        self.address = ""
        """The address that was connected to."""
        self.request_headers: list[tuple[str, str]] = []
        self.response_headers: list[tuple[str, str]] = []
        self.reason = ""
        """The answer's reason phrase."""

    def mark(self, name: str) -> None:
        """It is reached now: `asked` (for a name), `resolved`, `connected`, `secured`, `sent`, `answering`."""
        self.marks.setdefault(name, time.monotonic())

    def sent(self, head: bytes) -> None:
        """A request was handed to the connection."""
        self.mark("sent")
        lines = head.decode().split("\r\n")[1:-2]
        self.request_headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]

    def spans(self) -> dict[str, float]:
        """Phase -> seconds, of the phases that came to their end, in their order."""
        found: dict[str, float] = {}
        for name, start, end in (
            ("dns", "asked", "resolved"),
            ("connect", "resolved", "connected"),
            ("tls", "connected", "secured"),
            ("first byte", "sent", "answering"),
        ):
            if start in self.marks and end in self.marks:
                found[name] = self.marks[end] - self.marks[start]
        return found
