"""Where does the time of a request go? Name, connection, TLS, first byte: measured at the loop and by aiohttp's traces.

    ├─ dns ─┼─ connect ─┼─ tls ─┼─ send ─┼─ first byte ─┤ (the answer's head is there)

aiohttp tells of a connection as a whole; where TCP ends and TLS begins, the loop knows that connects the socket.
"""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import aiohttp


class Phases:
    """The marks of one request, in seconds of the monotonic clock, and what was really sent and answered."""

    def __init__(self) -> None:
        self.marks: dict[str, float] = {}
        self.address = ""
        """The address that was connected to."""
        self.request_headers: tuple[tuple[str, str], ...] = ()
        self.response_headers: tuple[tuple[str, str], ...] = ()
        self.reason = ""
        """The answer's reason phrase."""

    def mark(self, name: str) -> None:
        """Now. A later mark of the same name counts: of several addresses, the one that was connected to."""
        self.marks[name] = time.monotonic()

    def spans(self) -> dict[str, float]:
        """Phase -> seconds, of the phases that came to their end, in their order."""
        found: dict[str, float] = {}
        for name, start, end in (
            ("dns", "dns", "resolved"),
            ("connect", "connecting", "connected"),
            ("tls", "connected", "ready"),
            ("first byte", "sent", "answered"),
        ):
            if start in self.marks and end in self.marks and self.marks[end] >= self.marks[start]:
                found[name] = self.marks[end] - self.marks[start]
        return found

    def trace(self, tls: bool) -> aiohttp.TraceConfig:
        """What aiohttp is given; `tls` says whether the end of the connection is one of a handshake."""
        config = aiohttp.TraceConfig()

        def marking(name: str) -> Any:
            async def mark(session: object, context: object, params: object) -> None:
                self.mark(name)

            return mark

        async def answered(session: object, context: object, params: aiohttp.TraceRequestEndParams) -> None:
            self.mark("answered")
            self.response_headers = tuple(params.response.headers.items())
            self.request_headers = tuple(params.response.request_info.headers.items())
            self.reason = params.response.reason or ""

        config.on_dns_resolvehost_start.append(marking("dns"))
        config.on_dns_resolvehost_end.append(marking("resolved"))
        if tls:
            config.on_connection_create_end.append(marking("ready"))
        config.on_request_chunk_sent.append(marking("sent"))
        config.on_request_end.append(answered)
        return config


class TimedLoop(asyncio.SelectorEventLoop):
    """A loop that marks when a socket is connected."""

    phases: Phases | None = None

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """As any loop does, between two marks."""
        if self.phases is None:
            return await super().sock_connect(sock, address)
        self.phases.mark("connecting")
        await super().sock_connect(sock, address)
        self.phases.mark("connected")
        self.phases.address = str(address[0])
        return None
