"""What did the endpoint answer? One POST in, one Outcome out, whatever happens on the way.

    begin ──> a connection to spare ──────────────> request ──> answered ──> Outcome ──> done(outcome)
          └─> none: a new one (name, address, TLS) ─┘      └──> broken ───┘

The poster decides nothing: it classifies what it saw and leaves the verdict to the core. Once the head of an answer is
there, its status is the outcome; the body is read for the log only, to a cap, and may break off. A POST that fails at
once on a connection that was used before most likely met one that the other side had just closed: it is sent again,
once, over a new one, and is not counted.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from yarl import URL

from lmshooks import __version__
from lmshooks.adapters.connections import (
    DETAIL_CAP,
    Connection,
    Connections,
    NoAnswer,
    NotHttp,
    NotResolved,
    Origin,
    Refused,
    SocketFactory,
)
from lmshooks.adapters.deadlines import Deadlines
from lmshooks.adapters.phases import Phases
from lmshooks.adapters.resolving import Resolver
from lmshooks.core.retrying import Failure, Outcome, parse_retry_after
from lmshooks.core.signing import Signer, sign
from lmshooks.core.subscriptions import BasicAuth, BearerAuth, Endpoint, SignatureAuth

AT_ONCE, RESTED = 1.0, 1.0
"""Seconds within which a connection that fails is taken for one that was closed before the POST, if for so many it had
not been in use."""
QUICKLY = 0.02
"""The same where it was in use just now, or twice as long as it took to open: what takes longer was likely taken, and
would come twice."""
_REMEMBERED = 8192
_DEFAULTS = (
    ("Content-Type", "application/json"),
    ("User-Agent", f"lmshooks/{__version__}"),
    ("Accept", "*/*"),
    ("Accept-Encoding", "identity"),  # nothing to unpack, so nothing that unpacks to gigabytes
)
_OURS = frozenset(
    (
        "webhook-id", "webhook-timestamp", "webhook-signature", "lmshooks-attempt",
        "host", "content-length", "transfer-encoding", "connection",
    )
)  # fmt: skip
"""Headers that an endpoint's own may not say: ours, and those that say where a request ends."""
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSAYABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""What would end a header, or the request (RFC 9110, 5.5)."""

Done = Callable[[Outcome], None]


class _Unusable(Exception):
    """An endpoint cannot be posted to as it is."""

    def __init__(self, failure: Failure, why: str) -> None:
        super().__init__(why)
        self.failure = failure


class _Prepared:
    """What is the same for every POST to an endpoint."""

    __slots__ = ("deadlines", "endpoint", "head", "origin", "signer", "unusable")

    def __init__(self, endpoint: Endpoint, deadlines: Deadlines[_Exchange]) -> None:
        self.endpoint = endpoint
        self.deadlines = deadlines
        self.head = b""
        """The head of a request up to where those of one delivery follow."""
        self.origin = Origin("", 0, None)
        self.signer: Signer | None = None
        self.unusable: _Unusable | None = None


class _Files(NamedTuple):
    """The PEM files of an endpoint's TLS: whom we trust, and who we are."""

    ca_file: str | None
    cert_file: str | None
    key_file: str | None


class Poster:
    """Posts deliveries. Make it inside the running loop; `close()` it at the end.

    `socket_factory` is the egress guard's (`egress.socket_factory`), None for no guard; `resolver` looks up names.
    """

    def __init__(
        self, socket_factory: SocketFactory | None, *, allow_http: bool = False, resolver: Resolver | None = None
    ) -> None:
        self._allow_http = allow_http
        self._prepared: dict[int, _Prepared] = {}
        self._origins: WeakValueDictionary[tuple[str, int, _Files | None], Origin] = WeakValueDictionary()
        self._contexts: dict[_Files, ssl.SSLContext] = {}
        self._connections = Connections(socket_factory or _plain_socket, resolver or Resolver())
        self._deadlines: dict[float, Deadlines[_Exchange]] = {}
        """By the total time-out."""

    async def close(self) -> None:
        """Close every connection; POSTs in flight end as failures."""
        for deadlines in self._deadlines.values():
            for exchange in deadlines.running:
                exchange.end(Outcome(None, Failure.DISCONNECT, None, 0.0, "the daemon stopped"))
            deadlines.close()
        self._connections.close()

    def begin(self, endpoint: Endpoint, delivery_id: str, attempt: int, body: bytes, done: Done) -> None:
        """POST `body` once; `done` is told how it ended, never before this returns. Raises nothing."""
        self._begin(endpoint, delivery_id, attempt, body, done, None)

    async def post(
        self, endpoint: Endpoint, delivery_id: str, attempt: int, body: bytes, phases: Phases | None = None
    ) -> Outcome:
        """The same, for one who waits: how it ended. Cancelling it closes the connection."""
        ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def done(outcome: Outcome) -> None:
            if not ended.done():  # cancelled meanwhile
                ended.set_result(outcome)

        exchange = self._begin(endpoint, delivery_id, attempt, body, done, phases)
        try:
            return await ended
        finally:
            if exchange is not None:
                exchange.abandon()

    def _begin(
        self, endpoint: Endpoint, delivery_id: str, attempt: int, body: bytes, done: Done, phases: Phases | None
    ) -> _Exchange | None:
        prepared = self._prepared.get(id(endpoint))
        if prepared is None or prepared.endpoint is not endpoint or prepared.unusable is not None:
            prepared = self._prepare(endpoint)  # also where it was unusable: a file may be there by now
        if prepared.unusable is not None:
            outcome = Outcome(None, prepared.unusable.failure, None, 0.0, str(prepared.unusable)[:DETAIL_CAP])
            asyncio.get_running_loop().call_soon(done, outcome)
            return None
        now = int(time.time())
        identity = delivery_id.encode()
        signed = b""
        if prepared.signer is not None:
            signed = b"webhook-signature: %b\r\n" % prepared.signer.signature(identity, now, body)
        head = b"%bwebhook-id: %b\r\nwebhook-timestamp: %d\r\n%blmshooks-attempt: %d\r\nContent-Length: %d\r\n\r\n" % (
            prepared.head, identity, now, signed, attempt, len(body),
        )  # fmt: skip
        exchange = _Exchange(self._connections, prepared, (head, body), done)
        exchange.start(phases)
        return exchange

    # what is the same for every POST to an endpoint

    def _prepare(self, endpoint: Endpoint) -> _Prepared:
        if len(self._prepared) >= _REMEMBERED:  # endpoints of earlier configurations must not pile up
            self._prepared.clear()
        deadlines = self._deadlines.get(endpoint.total_timeout)
        if deadlines is None:
            deadlines = self._deadlines[endpoint.total_timeout] = Deadlines(endpoint.total_timeout)
        prepared = self._prepared[id(endpoint)] = _Prepared(endpoint, deadlines)
        try:
            url = self._url(endpoint)
            prepared.head = _head(url, endpoint)
            prepared.origin = self._origin(url, _Files(endpoint.ca_file, endpoint.cert_file, endpoint.key_file))
        except _Unusable as unusable:
            prepared.unusable = unusable
        if isinstance(endpoint.auth, SignatureAuth) and endpoint.auth.secrets:
            prepared.signer = Signer(endpoint.auth.secrets)
        return prepared

    def _url(self, endpoint: Endpoint) -> URL:
        try:
            url = URL(endpoint.url)
            host, port = url.raw_host, url.port
        except ValueError:
            host = port = None
            url = URL()
        if url.scheme != "https" and not (self._allow_http and url.scheme == "http"):
            said = f"{url.scheme or 'no scheme'}://{url.host or ''}"
            why = f"{said}: only https is posted to; set egress.allow_http to allow http"
            raise _Unusable(Failure.EGRESS, why)
        if not host or port is None:
            raise _Unusable(Failure.OTHER, "the URL cannot be called: a scheme, a host and a path are expected")
        return url

    def _origin(self, url: URL, files: _Files) -> Origin:
        host, port = url.raw_host, url.port
        assert host is not None and port is not None
        tls = self._context(files) if url.scheme == "https" else None
        # Whoever shows another certificate has connections of their own: the endpoint knows a caller by it.
        key = (host, port, None if tls is None else files)
        origin = self._origins.get(key)
        if origin is None:
            origin = self._origins[key] = Origin(host, port, tls)
        return origin

    def _context(self, files: _Files) -> ssl.SSLContext:
        known = self._contexts.get(files)
        if known is None:
            named = f"ca_file {files.ca_file}"
            try:
                known = ssl.create_default_context(cafile=files.ca_file)
                if files.cert_file is not None:
                    named = f"cert_file {files.cert_file}, key_file {files.key_file or 'in it'}"
                    # Without a password OpenSSL would ask for that of an encrypted key, on the terminal.
                    known.load_cert_chain(files.cert_file, files.key_file, password="")
            except (OSError, ValueError) as error:
                raise _Unusable(Failure.TLS, f"{named}: {error}") from error
            known.set_alpn_protocols(["http/1.1"])
            self._contexts[files] = known
        return known


def headers_of(endpoint: Endpoint, delivery_id: str, attempt: int, body: bytes, now: float) -> dict[str, str]:
    """The headers that a POST at `now` would have, secrets included, `Host` and `Content-Length` left out."""
    headers = _fixed(endpoint)
    if isinstance(endpoint.auth, SignatureAuth):
        headers |= sign(endpoint.auth.secrets, delivery_id, int(now), body)
    else:
        headers |= {"webhook-id": delivery_id, "webhook-timestamp": str(int(now))}
    return headers | {"lmshooks-attempt": str(attempt)}


def _fixed(endpoint: Endpoint) -> dict[str, str]:
    """The headers that are the same for every POST to an endpoint."""
    named = {name.lower(): (name, value) for name, value in (*_DEFAULTS, *endpoint.headers)}
    auth = endpoint.auth
    if isinstance(auth, BasicAuth):
        pair = b64encode(f"{auth.username}:{auth.password}".encode()).decode()
        named["authorization"] = ("Authorization", f"Basic {pair}")
    elif isinstance(auth, BearerAuth):
        named["authorization"] = ("Authorization", f"Bearer {auth.token}")
    return dict(pair for name, pair in named.items() if name not in _OURS)


def _head(url: URL, endpoint: Endpoint) -> bytes:
    """A request's head up to where the headers of one attempt follow."""
    lines = [f"POST {url.raw_path_qs} HTTP/1.1", f"Host: {url.host_port_subcomponent}"]
    for name, value in _fixed(endpoint).items():
        if not _NAME.fullmatch(name) or _UNSAYABLE.search(value):
            why = f"header {name!r} has a character that no header may have: name and value on one line are expected"
            raise _Unusable(Failure.OTHER, why)
        lines.append(f"{name}: {value}")
    return "".join([line + "\r\n" for line in lines]).encode()


class _Exchange:
    """One POST on its way, until `done` was told."""

    __slots__ = ("_again", "_connection", "_connections", "_done", "_opening", "_prepared", "_request", "_started")

    def __init__(self, connections: Connections, prepared: _Prepared, request: tuple[bytes, bytes], done: Done) -> None:
        self._connections = connections
        self._prepared = prepared
        self._request = request
        self._done: Done | None = done
        self._connection: Connection | None = None
        self._opening: asyncio.Task[None] | None = None
        self._again = False
        self._started = time.monotonic()

    def start(self, phases: Phases | None) -> None:
        """Look for a connection and send."""
        self._prepared.deadlines.begun(self, self._started)
        connection = self._connections.spare(self._prepared.origin)
        if connection is None:
            self._opening = asyncio.get_running_loop().create_task(self._open(phases))
        else:
            self._connection = connection
            connection.request(*self._request, self)

    async def _open(self, phases: Phases | None) -> None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._prepared.endpoint.connect_timeout):
                connection = await self._connections.open(self._prepared.origin, phases)
        except Exception as error:
            self._fail(*_why_not_open(error, self._prepared.origin))
            return
        connection.opened_in = time.monotonic() - began
        self._opening = None
        self._connection = connection
        connection.request(*self._request, self)

    # the connection calls these

    def answered(self, status: int, retry_after: str | None, body: bytes) -> None:
        asked = None if retry_after is None else parse_retry_after(retry_after, time.time())
        failure = None if 200 <= status < 300 else Failure.REDIRECT if 300 <= status < 400 else Failure.STATUS
        elapsed = time.monotonic() - self._started
        self.end(Outcome(status, failure, asked, elapsed, body.decode("utf-8", "replace")))

    def broken(self, error: Exception, silent: bool) -> None:
        connection, self._connection = self._connection, None
        if silent and not self._again and connection is not None and connection.used and self._stale(connection):
            self._again = True
            self._opening = asyncio.get_running_loop().create_task(self._open(None))
        else:
            self._fail(*_why_broken(error))

    def _stale(self, connection: Connection) -> bool:
        """Whether it broke as soon as one does that was closed already."""
        rested = self._started - connection.idle_since >= RESTED
        return time.monotonic() - self._started <= (AT_ONCE if rested else max(QUICKLY, 2 * connection.opened_in))

    # how it ends

    def late(self) -> None:
        """Its time is over: what is there of an answer counts."""
        if self._connection is not None and (there := self._connection.answering) is not None:
            self._connection.abort()
            self.answered(*there)
        else:
            self._fail(Failure.TIMEOUT, "no answer within the total time-out")

    def _fail(self, failure: Failure, why: str) -> None:
        self.end(Outcome(None, failure, None, time.monotonic() - self._started, why[:DETAIL_CAP]))

    def end(self, outcome: Outcome) -> None:
        """Tell how it ended, and let go of what it holds."""
        done = self._done
        answered = outcome.status is not None
        if answered:
            self._connection = None  # it is spare again, or closed
        self.abandon()
        if done is not None:
            done(outcome)

    def abandon(self) -> None:
        """Nobody wants to know any more; after the end there is nothing left to let go of."""
        self._done = None
        self._prepared.deadlines.ended(self)
        if self._connection is not None:
            self._connection.abort()
            self._connection = None
        if self._opening is not None and not self._opening.done():
            opening, self._opening = self._opening, None
            if opening is not asyncio.current_task():
                opening.cancel()


def _plain_socket(info: tuple[Any, Any, Any, str, tuple[Any, ...]]) -> socket.socket:
    made = socket.socket(family=info[0], type=info[1], proto=info[2])
    made.setblocking(False)
    return made


def _why_not_open(error: Exception, origin: Origin) -> tuple[Failure, str]:
    """Which kind of failure it was, and a line that helps; no URL in it."""
    match error:
        case Refused():
            return Failure.EGRESS, str(error)
        case NotResolved():
            return Failure.DNS, str(error)
        case TimeoutError():
            return Failure.TIMEOUT, "no connection within the connect time-out"
        case ssl.SSLError():
            return Failure.TLS, f"{origin.host}:{origin.port}: {error}"
        case OSError():
            why = os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
            return Failure.CONNECT, f"{origin.host}:{origin.port}: {why}"
        case _:
            return Failure.OTHER, f"{type(error).__name__}: {error}"


def _why_broken(error: Exception) -> tuple[Failure, str]:
    match error:
        case NotHttp():
            return Failure.OTHER, str(error)
        case NoAnswer():
            return Failure.DISCONNECT, str(error)
        case ssl.SSLError():
            return Failure.TLS, f"the connection broke: {error}"
        case _:
            return Failure.DISCONNECT, f"the connection broke: {error or type(error).__name__}"
