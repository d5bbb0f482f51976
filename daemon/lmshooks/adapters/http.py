"""What did the endpoint answer? One POST in, one Outcome out, whatever happens on the way.

The poster decides nothing: it classifies what it saw and leaves the verdict to the core. Once the head of an answer is
there, its status is the outcome; the body is read for the log only, to a cap, and may break off. A POST that fails at
once on a connection that was used before most likely met a connection the other side had just closed: it is sent again,
once, over a connection of its own, and is not counted.
"""

from __future__ import annotations

import io
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from lmshooks import __version__
from lmshooks.core.retrying import Failure, Outcome, parse_retry_after
from lmshooks.core.signing import sign
from lmshooks.core.subscriptions import BasicAuth, BearerAuth, Endpoint, SignatureAuth

BODY_CAP = 64 * 1024
"""Bytes of an answer that are read; the connection of a longer one is closed."""
DETAIL_CAP = 1024
"""Bytes of an answer, or characters of an error, that are kept."""
AT_ONCE = 1.0
"""Seconds within which a used connection that fails is taken for one that was closed before the POST."""
LARGE_BODY = 1024 * 1024
"""Bytes; a larger body is written in pieces, so that the loop breathes."""
_REMEMBERED = 8192
_DEFAULTS = (
    ("Content-Type", "application/json"),
    ("User-Agent", f"lmshooks/{__version__}"),
    ("Accept", "*/*"),
    ("Accept-Encoding", "identity"),  # nothing to unpack, so nothing that unpacks to gigabytes
)
_OURS = frozenset(("webhook-id", "webhook-timestamp", "webhook-signature", "lmshooks-attempt", "content-length"))
"""Headers that an endpoint's own may not say twice."""
_STALE = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionResetError, BrokenPipeError)

SocketFactory = Callable[[tuple[Any, Any, Any, str, tuple[Any, ...]]], socket.socket]
"""Makes the socket of one connection attempt; refuses its address with a PermissionError."""


class _Trail:
    """What the connector did for one POST: the attempt that runs in a context finds its own."""

    __slots__ = ("connected", "refused")

    def __init__(self) -> None:
        self.connected = False
        self.refused: PermissionError | None = None


_trail: ContextVar[_Trail] = ContextVar("lmshooks.trail")


class _Prepared:
    """What is the same for every POST to an endpoint."""

    __slots__ = ("endpoint", "headers", "refusal", "secrets", "timeout", "tls", "url")

    def __init__(self, endpoint: Endpoint, tls: ssl.SSLContext | bool, allow_http: bool) -> None:
        self.endpoint = endpoint
        self.url = URL(endpoint.url)
        self.tls = tls
        # aiohttp's `connect` holds names, sockets and the TLS handshake together.
        self.timeout = aiohttp.ClientTimeout(total=endpoint.total_timeout, connect=endpoint.connect_timeout)
        self.refusal: str | None = None
        if self.url.scheme != "https" and not (allow_http and self.url.scheme == "http"):
            self.refusal = (
                f"{self.url.scheme or 'no scheme'}://{self.url.host}: only https is posted to; "
                "set egress.allow_http to allow http"
            )
        auth = endpoint.auth
        self.secrets = auth.secrets if isinstance(auth, SignatureAuth) else None
        named = {name.lower(): (name, value) for name, value in (*_DEFAULTS, *endpoint.headers)}
        if isinstance(auth, BasicAuth):
            pair = b64encode(f"{auth.username}:{auth.password}".encode()).decode()
            named["authorization"] = ("Authorization", f"Basic {pair}")
        elif isinstance(auth, BearerAuth):
            named["authorization"] = ("Authorization", f"Bearer {auth.token}")
        self.headers = dict(pair for name, pair in named.items() if name not in _OURS)

    def dressed(self, delivery_id: str, attempt: int, body: bytes, now: float) -> dict[str, str]:
        """The headers of one attempt, signed where the endpoint wants that."""
        if self.secrets is not None:
            headers = self.headers | sign(self.secrets, delivery_id, int(now), body)
        else:
            headers = self.headers.copy()
            headers["webhook-id"] = delivery_id
            headers["webhook-timestamp"] = str(int(now))
        headers["lmshooks-attempt"] = str(attempt)
        return headers


def headers_of(endpoint: Endpoint, delivery_id: str, attempt: int, body: bytes, now: float) -> dict[str, str]:
    """The headers that `Poster.post` would send at `now`, secrets included; Host and Content-Length are aiohttp's."""
    return _Prepared(endpoint, True, True).dressed(delivery_id, attempt, body, now)


class Poster:
    """Posts deliveries. Make it inside the running loop; `close()` it at the end.

    `socket_factory` is the egress guard's (`egress.socket_factory`), None for no guard; `resolver` looks up names,
    aiohttp's own without it; `traces` watch the phases of every request.
    """

    def __init__(
        self,
        socket_factory: SocketFactory | None,
        *,
        allow_http: bool = False,
        resolver: AbstractResolver | None = None,
        traces: Sequence[aiohttp.TraceConfig] = (),
    ) -> None:
        self._make_socket = socket_factory or _plain_socket
        self._resolver = resolver
        self._traces = list(traces)
        self._allow_http = allow_http
        self._prepared: dict[int, _Prepared] = {}
        self._authorities: dict[str, ssl.SSLContext] = {}
        self._session = self._open(force_close=False)
        self._resending: aiohttp.ClientSession | None = None

    def _open(self, *, force_close: bool) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0, force_close=force_close, socket_factory=self._socket, resolver=self._resolver
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            trace_configs=self._traces,
        )

    async def close(self) -> None:
        """Close every connection; POSTs in flight end as failures."""
        await self._session.close()
        if self._resending is not None:
            await self._resending.close()

    async def post(self, endpoint: Endpoint, delivery_id: str, attempt: int, body: bytes) -> Outcome:
        """POST `body` once and tell how it ended. Raises nothing but CancelledError."""
        started = time.monotonic()
        trail = _Trail()
        _trail.set(trail)
        try:
            prepared = self._prepared.get(id(endpoint))
            if prepared is None or prepared.endpoint is not endpoint:
                prepared = self._prepare(endpoint)
            if prepared.refusal is not None:
                return Outcome(None, Failure.EGRESS, None, 0.0, prepared.refusal)
            now = time.time()
            headers = prepared.dressed(delivery_id, attempt, body, now)
            try:
                response = await self._send(self._session, prepared, headers, body)
            except _STALE as error:
                if trail.connected or isinstance(error, aiohttp.ClientConnectorError):
                    raise
                if time.monotonic() - started > AT_ONCE:
                    raise
                if self._resending is None:
                    self._resending = self._open(force_close=True)
                response = await self._send(self._resending, prepared, headers, body)
            detail = await _read(response)
            asked = response.headers.get("Retry-After")
            retry_after = None if asked is None else parse_retry_after(asked, now)
            status = response.status
            failure = None if 200 <= status < 300 else Failure.REDIRECT if 300 <= status < 400 else Failure.STATUS
            return Outcome(status, failure, retry_after, time.monotonic() - started, detail)
        except Exception as error:
            failure, detail = _classify(error, trail)
            return Outcome(None, failure, None, time.monotonic() - started, detail[:DETAIL_CAP])

    async def _send(
        self, session: aiohttp.ClientSession, prepared: _Prepared, headers: dict[str, str], body: bytes
    ) -> aiohttp.ClientResponse:
        return await session.post(
            prepared.url,
            data=body if len(body) <= LARGE_BODY else io.BytesIO(body),
            headers=headers,
            timeout=prepared.timeout,
            ssl=prepared.tls,
            allow_redirects=False,
        )

    def _prepare(self, endpoint: Endpoint) -> _Prepared:
        tls: ssl.SSLContext | bool = True
        if endpoint.ca_file is not None:
            known = self._authorities.get(endpoint.ca_file)
            if known is None:
                known = self._authorities[endpoint.ca_file] = _authorities(endpoint.ca_file)
            tls = known
        if len(self._prepared) >= _REMEMBERED:  # endpoints of earlier configurations must not pile up
            self._prepared.clear()
        prepared = self._prepared[id(endpoint)] = _Prepared(endpoint, tls, self._allow_http)
        return prepared

    def _socket(self, info: tuple[Any, Any, Any, str, tuple[Any, ...]]) -> socket.socket:
        trail = _trail.get()
        trail.connected = True
        try:
            return self._make_socket(info)
        except PermissionError as refused:
            trail.refused = refused
            raise


class _BadAuthorities(Exception):
    """The file of authorities cannot be used."""


def _authorities(path: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=path)
    except (OSError, ValueError) as error:
        raise _BadAuthorities(f"ca_file {path}: {error}") from error


def _plain_socket(info: tuple[Any, Any, Any, str, tuple[Any, ...]]) -> socket.socket:
    made = socket.socket(family=info[0], type=info[1], proto=info[2])
    made.setblocking(False)
    return made


async def _read(response: aiohttp.ClientResponse) -> str:
    """The beginning of the answer's body. The connection is used again if the body ended within the cap."""
    content = response.content
    kept = bytearray()
    try:
        while len(kept) <= BODY_CAP:
            piece = await content.readany()
            if not piece:
                response.release()
                break
            kept += piece
        else:
            response.close()
    except Exception as error:  # the status was said: how the body ends changes nothing
        response.close()
        if not kept:
            return f"(the answer's body broke off: {type(error).__name__})"
    return kept[:DETAIL_CAP].decode("utf-8", "replace")


def _classify(error: Exception, trail: _Trail) -> tuple[Failure, str]:
    """Which kind of failure it was, and a line that helps; no URL in it."""
    if trail.refused is not None:
        return Failure.EGRESS, str(trail.refused)
    match error:
        case aiohttp.ConnectionTimeoutError():
            return Failure.TIMEOUT, "no connection within the connect time-out"
        case TimeoutError():
            return Failure.TIMEOUT, "no answer within the total time-out"
        case aiohttp.ClientConnectorDNSError():
            return Failure.DNS, f"{error.host}: the name was not resolved: {error.os_error.strerror or error.os_error}"
        case aiohttp.ClientSSLError() | ssl.SSLError() | ssl.CertificateError():
            return Failure.TLS, str(error)
        case _BadAuthorities():
            return Failure.TLS, str(error)
        case aiohttp.ClientConnectorError():
            return Failure.CONNECT, str(error)
        case aiohttp.InvalidURL():
            return Failure.OTHER, "the URL cannot be called: a scheme, a host and a path are expected"
        case aiohttp.ServerDisconnectedError():
            return Failure.DISCONNECT, "the connection was closed before an answer came"
        case aiohttp.ClientConnectionError() | ConnectionError():
            return Failure.DISCONNECT, f"the connection broke: {error}"
        case aiohttp.ClientPayloadError():
            return Failure.DISCONNECT, f"the connection broke: {error}"
        case _:
            return Failure.OTHER, f"{type(error).__name__}: {error}"
