"""How does a request get to an endpoint, and its answer back? Connections, kept open and used again.

    Poster ── request ──> Connection (one exchange at a time) ── head and body in one write ──> endpoint
                              │  httptools reads the answer
    Asker <── answered ───────┤  its head is there: that is the outcome; its body is read to a cap, for the log
          <── broken ─────────┘  it ended, or was no HTTP, before that

A connection serves again only when nothing about it is in doubt: the request was written whole, the answer ended where
it said, and nothing came after it. What arrives while nobody asked closes the connection.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any, Protocol

import httptools
from aiohappyeyeballs import AddrInfoType, start_connection

from lmshooks.adapters.phases import Phases
from lmshooks.adapters.resolving import Resolver, is_address

HEAD_CAP = 64 * 1024
"""Bytes of an answer's head that are read."""
BODY_CAP = 64 * 1024
"""Bytes of an answer's body that are read; the connection of a longer one is closed."""
DETAIL_CAP = 1024
"""Bytes of an answer's body, or characters of an error, that are kept."""
IDLE = 15.0
"""Seconds for which a connection that nobody uses is kept."""
MOST_IDLE = 2000
"""Connections kept without use, at most: each is a file descriptor."""
EYEBALLS = 0.25
"""Seconds after which the next address of a name is tried beside the one that does not answer (RFC 8305)."""

SocketFactory = Callable[[AddrInfoType], socket.socket]
"""Makes the socket of one connection attempt; refuses its address with a PermissionError."""


class NotResolved(Exception):
    """A name has no address, or nobody could tell."""


class Refused(Exception):
    """The egress guard let no address of the origin pass."""


class NoAnswer(ConnectionError):
    """The connection ended before the head of an answer was there."""


class NotHttp(Exception):
    """What came is not the head of an answer."""


class Asker(Protocol):
    """Who waits for an answer. Told exactly once, of one of the two."""

    def answered(self, status: int, retry_after: str | None, body: bytes) -> None:
        """The answer's status, and the beginning of its body."""

    def broken(self, error: Exception, silent: bool) -> None:
        """No answer; `silent` where not one byte of it had come."""


class Origin:
    """A host and port, spoken to in plain or by one TLS context; and its connections that wait for use."""

    __slots__ = ("__weakref__", "host", "idle", "port", "tls")

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self.host = host
        self.port = port
        self.tls = tls
        self.idle: list[Connection] = []
        """The one used last is at the end, and is used first."""


class Connection(asyncio.Protocol):
    """One connection to an origin: a request at a time."""

    def __init__(self, connections: Connections, origin: Origin) -> None:
        self.origin = origin
        self.used = False
        """Whether it has brought an answer before: only then can the other side have tired of it."""
        self.idle_since = self.opened_in = 0.0
        self._connections = connections
        self._transport: Any = None
        self._parser = httptools.HttpResponseParser(self)
        self._asker: Asker | None = None
        self._begin()

    def _begin(self) -> None:
        self._status = 0
        self._retry_after: str | None = None
        self._body = b""
        self._received = 0
        self._complete = False
        self._doubtful = False

    def request(self, head: bytes, body: bytes, asker: Asker) -> None:
        """Send a request; `asker` is told how it ends."""
        self._asker = asker
        self._transport.writelines((head, body))

    def abort(self) -> None:
        """Close at once; nobody is told."""
        self._asker = None
        self._transport.abort()

    @property
    def open(self) -> bool:
        """Whether nobody has begun to close it."""
        return not self._transport.is_closing()

    @property
    def answering(self) -> tuple[int, str | None, bytes] | None:
        """What is there of an answer whose head has come: status, Retry-After, beginning of the body."""
        return (self._status, self._retry_after, self._body) if self._status else None

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._asker is None:  # an answer to nothing: what follows could be taken for the next one's
            self._connections.gone(self)
            self._transport.abort()
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._complete = self._doubtful = True
        except httptools.HttpParserError as error:
            if not self._status:
                self._break(NotHttp(f"the answer is no HTTP: {error}"))
                return
            self._complete = self._doubtful = True
        if self._complete:
            self._finish(not self._doubtful and not self._transport.get_write_buffer_size())
        elif self._received > HEAD_CAP and not self._status:
            self._break(NotHttp(f"the answer's head is larger than {HEAD_CAP} bytes"))
        elif self._received > HEAD_CAP + BODY_CAP:
            self._finish(False)

    def connection_lost(self, error: Exception | None) -> None:
        if self._asker is None:
            self._connections.gone(self)
        elif self._status:
            if not self._body:
                self._body = b"(the answer's body broke off)" if error is not None else b""
            self._finish(False)
        else:
            self._break(error or NoAnswer("the connection was closed before an answer came"))
        del self._parser  # it holds us as we hold it: left so, both would wait for a collector that looks seldom

    # httptools calls these

    def on_message_begin(self) -> None:
        if self._complete:
            self._doubtful = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(name) == 11 and name.lower() == b"retry-after" and not self._complete:
            self._retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if not self._complete and (status >= 200 or status == 101):
            self._status = status

    def on_body(self, body: bytes) -> None:
        if len(self._body) < DETAIL_CAP and not self._complete:
            self._body = (self._body + body)[:DETAIL_CAP]

    def on_message_complete(self) -> None:
        if not self._status:  # it was an interim answer (1xx): what its headers said is not the answer's
            self._retry_after = None
            return
        self._complete = True
        if not self._parser.should_keep_alive():
            self._doubtful = True

    # how an exchange ends

    def _finish(self, serves_again: bool) -> None:
        asker, self._asker = self._asker, None
        status, retry_after, body = self._status, self._retry_after, self._body
        if serves_again:
            self._begin()
            self.used = True
            self._connections.keep(self)
        else:
            self._transport.abort()
        if asker is not None:
            asker.answered(status, retry_after, body)

    def _break(self, error: Exception) -> None:
        asker, self._asker = self._asker, None
        self._transport.abort()
        if asker is not None:
            asker.broken(error, not self._received)


class Watched(Connection):
    """A connection that tells of its request."""

    def __init__(self, connections: Connections, origin: Origin, phases: Phases) -> None:
        super().__init__(connections, origin)
        self._phases = phases

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._phases.address = str(transport.get_extra_info("peername", ("",))[0])

    def request(self, head: bytes, body: bytes, asker: Asker) -> None:
        self._phases.sent(head)
        super().request(head, body, asker)

    def data_received(self, data: bytes) -> None:
        self._phases.mark("answering")
        super().data_received(data)

    def on_status(self, reason: bytes) -> None:
        self._phases.reason = reason.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._phases.response_headers.append((name.decode("latin-1"), value.decode("latin-1")))
        super().on_header(name, value)


class Connections:
    """Opens connections and keeps those that are not in use. Make it inside the running loop."""

    def __init__(self, make_socket: SocketFactory, resolver: Resolver) -> None:
        self._make_socket = make_socket
        self._resolver = resolver
        self._loop = asyncio.get_running_loop()
        self._idle = 0
        self._sweeping: asyncio.TimerHandle | None = None
        self._origins: set[Origin] = set()
        """Those that have a connection to spare."""

    def spare(self, origin: Origin) -> Connection | None:
        """A connection that is open already; the caller has it to itself."""
        while origin.idle:
            self._idle -= 1
            connection = origin.idle.pop()
            if connection.open:
                return connection
        return None

    async def open(self, origin: Origin, phases: Phases | None = None) -> Connection:
        """A new connection. Raises NotResolved, Refused, ssl's errors, and OSError where nobody answers."""
        refused: list[PermissionError] = []

        def make(info: AddrInfoType) -> socket.socket:
            try:
                return self._make_socket(info)
            except PermissionError as error:
                refused.append(error)
                raise

        if phases is not None and not is_address(origin.host):
            phases.mark("asked")
        try:
            addresses = await self._resolver.addresses(origin.host, origin.port)
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise NotResolved(f"{origin.host}: the name was not resolved: {why}") from error
        if phases is not None:
            phases.mark("resolved")
        try:
            connected = await start_connection(
                addresses, happy_eyeballs_delay=EYEBALLS, interleave=1, loop=self._loop, socket_factory=make
            )
        except (OSError, RuntimeError) as error:
            if len(refused) == len(addresses):
                raise Refused(str(refused[0])) from error
            raise
        if phases is not None:
            phases.mark("connected")
        try:
            _, connection = await self._loop.create_connection(
                lambda: Connection(self, origin) if phases is None else Watched(self, origin, phases),
                sock=connected,
                ssl=origin.tls,
                server_hostname=origin.host.rstrip(".") if origin.tls is not None else None,
            )
        except BaseException:
            connected.close()
            raise
        if phases is not None and origin.tls is not None:
            phases.mark("secured")
        return connection

    def keep(self, connection: Connection) -> None:
        """It has brought an answer, and may serve again."""
        if self._idle >= MOST_IDLE:
            connection.abort()
            return
        connection.idle_since = self._loop.time()
        connection.origin.idle.append(connection)
        self._origins.add(connection.origin)
        self._idle += 1
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(IDLE / 3, self._sweep)

    def gone(self, connection: Connection) -> None:
        """It ended while nobody used it."""
        if connection in connection.origin.idle:
            connection.origin.idle.remove(connection)
            self._idle -= 1

    def _sweep(self) -> None:
        """Close what was not used for long."""
        old = self._loop.time() - IDLE
        for origin in tuple(self._origins):
            while origin.idle and origin.idle[0].idle_since < old:
                self._idle -= 1
                origin.idle.pop(0).abort()
            if not origin.idle:
                self._origins.discard(origin)
        self._sweeping = self._loop.call_later(IDLE / 3, self._sweep) if self._origins else None

    def close(self) -> None:
        """Close the connections that nobody uses."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        for origin in self._origins:
            while origin.idle:
                origin.idle.pop().abort()
        self._origins.clear()
        self._idle = 0
