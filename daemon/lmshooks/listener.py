"""What does it look like from the other side? A real listener: it takes deliveries, verifies them, and answers as told.

`lmshooks listen`, the demos and the tests use this one. It answers well or badly on purpose: slowly, with a failing
share, with `Retry-After`, or never. Nothing is stored; who wants to keep what came takes it in `on_request`.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from aiohttp import web

from lmshooks.core.keys import VerifyingKey
from lmshooks.core.signing import Unverified, verify


@dataclass(frozen=True, slots=True)
class Answers:
    """How requests are answered."""

    status: int = 200
    delay: float = 0.0
    """Seconds before the answer."""
    fail_rate: float = 0.0
    """The share of requests (0 to 1) that get `fail_status`, drawn at random."""
    fail_status: int = 500
    retry_after: str | None = None
    """A `Retry-After` header for every answer that is not 2xx: seconds, or an HTTP date."""
    hang: bool = False
    """Take requests and never answer."""
    body: bytes = b""


class Received(NamedTuple):
    """One request, as it came."""

    at: float
    """Seconds since the epoch."""
    method: str
    path: str
    headers: Mapping[str, str]
    """Names in any case."""
    body: bytes
    verified: bool | None
    """Whether the signature holds; None where the listener has no key."""
    problem: str | None
    """Why it does not hold."""
    status: int | None
    """What it is answered; None for no answer at all."""

    @property
    def delivery_id(self) -> str:
        return self.headers.get("webhook-id", "")

    @property
    def attempt(self) -> int | None:
        """Counted from 1; None from a sender that does not say."""
        said = self.headers.get("lmshooks-attempt", "")
        return int(said) if said.isascii() and said.isdigit() else None

    def payload(self) -> tuple[str, list[dict[str, Any]]]:
        """Account id and events of an ALM envelope; raises ValueError, saying what was found, on anything else."""
        found = orjson.loads(self.body)
        if not isinstance(found, dict) or not isinstance(found.get("events"), list):
            raise ValueError("body is not an envelope, expected {accountId, events: [...]}")
        if not all(isinstance(event, dict) for event in found["events"]):
            raise ValueError("events holds something that is not an object")
        return str(found.get("accountId", "")), found["events"]


class Counts:
    """What came so far."""

    __slots__ = ("bytes", "in_flight", "most_in_flight", "requests", "statuses", "unverified")

    def __init__(self) -> None:
        self.requests = 0
        self.unverified = 0
        self.bytes = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.statuses: Counter[int] = Counter()
        """Answers that were given, by status."""


class Listener:
    """An HTTP server on one address. `async with`, or `start()` and `close()`.

    `answers` may be changed at any time; as a function it chooses by request. With `secrets` (or public
    keys), a request whose signature does not hold is answered with 401. `port` 0 takes a free one; `port` and `url`
    tell which.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        secrets: Sequence[VerifyingKey] = (),
        answers: Answers | Callable[[Received], Answers] | None = None,
        on_request: Callable[[Received], None] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.answers = answers or Answers()
        self.counts = Counts()
        self._secrets = tuple(secrets)
        self._on_request = on_request
        self._tls = tls
        self._random = random.Random()
        self._closing = asyncio.Event()
        self._runner: web.ServerRunner | None = None

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}/"

    async def start(self) -> None:
        """Listen; raises OSError when the port is taken."""
        # No web.Application: routes and middlewares would cost more than the rest of the request.
        runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.5)
        await runner.setup()
        try:
            await web.TCPSite(runner, self.host, self.port, ssl_context=self._tls, backlog=1024).start()
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner
        self.port = runner.addresses[0][1]

    async def close(self) -> None:
        """Stop listening; requests that hang are cut off."""
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Listener:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        counts = self.counts
        counts.requests += 1
        counts.in_flight += 1
        counts.most_in_flight = max(counts.most_in_flight, counts.in_flight)
        try:
            body = await request.content.read()  # request.read() would refuse more than 1 MiB
            counts.bytes += len(body)
            received = self._look(request, body)
            answers = self.answers if isinstance(self.answers, Answers) else self.answers(received)
            status = self._status(received, answers)
            if self._on_request is not None:
                self._on_request(received._replace(status=status))
            if status is None:
                await self._closing.wait()
                raise ConnectionResetError("the listener closes without an answer")
            if answers.delay:
                await asyncio.sleep(answers.delay)
            headers = None
            if answers.retry_after is not None and not 200 <= status < 300:
                headers = {"Retry-After": answers.retry_after}
            counts.statuses[status] += 1
            said = answers.body if received.problem is None else received.problem.encode()
            return web.Response(status=status, body=said, headers=headers)
        finally:
            counts.in_flight -= 1

    def _look(self, request: web.BaseRequest, body: bytes) -> Received:
        now = time.time()
        verified: bool | None = None
        problem: str | None = None
        if self._secrets:
            try:
                verify(self._secrets, request.headers, body, now)
                verified = True
            except Unverified as why:
                verified, problem = False, str(why)
                self.counts.unverified += 1
        return Received(now, request.method, request.path_qs, request.headers, body, verified, problem, None)

    def _status(self, received: Received, answers: Answers) -> int | None:
        if answers.hang:
            return None
        if received.verified is False:
            return 401
        if answers.fail_rate and self._random.random() < answers.fail_rate:
            return answers.fail_status
        return answers.status
