"""How do listeners behave, and what do they remember? HTTP by hand, so that every kind of bad answer can be given.

A listener that decides on 2xx has taken the events, whatever becomes of its answer: that is what a history of
deliveries is made of.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from enum import StrEnum
from hashlib import blake2b
from typing import Self

import orjson
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from lmshooks.cli.embedded import Port
from tests.chaos.gate import Gate
from tests.chaos.histories import Taken, content_of, digest_of
from tests.chaos.proxy import Proxy
from tests.chaos.specs import TIMEOUT


class Mood(StrEnum):
    """How requests are answered."""

    WELL = "well"
    SLOW = "slow"
    REFUSES = "refuses"
    HANGS = "hangs"
    LATE = "answers after the time-out"
    DRIPS = "drips its answer"
    HUGE = "answers with megabytes"
    RESETS = "resets"
    VANISHES = "takes it and resets"
    FAILS = "500"
    LIMITED = "429 with Retry-After"
    GONE = "410"
    SMALL = "413 over three events"
    MOVED = "301"
    FLAKY = "500 now and then"
    PICKY = "500 for some accounts"


STATUS = {
    Mood.HANGS: 0, Mood.RESETS: 0, Mood.FAILS: 500, Mood.LIMITED: 429, Mood.GONE: 410, Mood.MOVED: 301,
}  # fmt: skip
PICKED = 5
"""Every so many accounts' events a PICKY listener does not take."""
SMALL = 3
"""Events that a SMALL listener takes at once."""
REFUSED = 422
"""What is said to a delivery that holds a poison event."""


class Answering:
    """One subscription's listener, behind a proxy; `async with`."""

    def __init__(
        self, subscription: str, write: Callable[[Taken], None], rng: random.Random, mood: Mood = Mood.WELL,
        strict: bool = False, secret: str | None = None,
    ) -> None:  # fmt: skip
        """`strict`: refuses poison events. `secret`: verifies signatures."""
        self.subscription = subscription
        self.usual = mood
        self.mood = mood
        self.taken = 0
        """Events taken, repeated ones included."""
        self._write = write
        self._rng = rng
        self._strict = strict
        self._webhook = Webhook(secret) if secret else None
        self._ports = (Port(), Port())
        self.proxy = Proxy(self._ports[0].number, self._ports[1].number)
        self._gate = Gate(self._ports[1].number, self._serve, limit=1 << 20)
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._ports[0].number}/{self.subscription}"

    async def set(self, mood: Mood | None) -> None:
        """Another mood; None is its usual one."""
        self.mood = mood or self.usual
        if self.mood is Mood.REFUSES:
            self._stop()
        else:
            await self._gate.open()

    async def __aenter__(self) -> Self:
        await self._gate.open()
        await self.proxy.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop()
        await self.proxy.__aexit__()
        for port in self._ports:
            port.release()

    def _stop(self) -> None:
        self._gate.close()
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, RuntimeError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the other side has gone (RuntimeError is how uvloop says it), or the run ends
        finally:
            self._writers.discard(writer)
            with contextlib.suppress(OSError, RuntimeError):
                writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether the connection is kept."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        mood = self.mood
        at = time.time()
        envelope = orjson.loads(body)
        events = envelope["events"]
        verified = self._verified(body, headers)
        status = self._status(mood, int(envelope["accountId"]), events) if verified else 401
        if status == 200:
            self.taken += len(events)
        told = False
        try:
            told = await self._answer(mood, status, reader, writer)
        finally:
            self._write(Taken(
                at, time.time(), self.subscription, headers.get("webhook-id", ""),
                int(headers.get("lmshooks-attempt", "0")), status, told, headers.get("x-sender", ""),
                blake2b(body, digest_size=8).hexdigest(), tuple(event["data"]["n"] for event in events),
                content_of(digest_of(event) for event in events), verified,
            ))  # fmt: skip
        return told

    def _verified(self, body: bytes, headers: dict[str, str]) -> bool:
        if self._webhook is None:
            return True
        try:
            self._webhook.verify(body, headers)
        except WebhookVerificationError:
            return False
        return True

    def _status(self, mood: Mood, account: int, events: list[dict]) -> int:
        if mood in STATUS:
            return STATUS[mood]
        if mood is Mood.FLAKY and self._rng.random() < 0.3:
            return 500
        if mood is Mood.PICKY and account % PICKED == 0:
            return 500
        if mood is Mood.SMALL and len(events) > SMALL:
            return 413
        if self._strict and any(event["data"].get("poison") for event in events):
            return REFUSED
        return 200

    async def _answer(
        self, mood: Mood, status: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if mood in (Mood.RESETS, Mood.VANISHES):
            writer.transport.abort()
            return False
        if mood is Mood.SLOW and not await _patient(reader, 0.2):
            return False
        if mood is Mood.LATE and not await _patient(reader, TIMEOUT + 0.5):
            return False
        if mood is Mood.HANGS:
            await _patient(reader, 3600.0)
            return False
        more = "Retry-After: 2\r\n" if status == 429 else "Location: http://127.0.0.1:1/\r\n" if status == 301 else ""
        size = 3_000_000 if mood is Mood.HUGE else 0
        answer = f"HTTP/1.1 {status} {mood.name}\r\n{more}Content-Length: {size}\r\n\r\n".encode()
        if mood is Mood.DRIPS:
            for byte in answer:
                writer.write(bytes((byte,)))
                if not await _patient(reader, self._rng.choice((0.02, 0.1))):
                    return False
            return True
        writer.write(answer)
        if size:
            writer.write(b"x" * size)
        await writer.drain()
        return True


async def _patient(reader: asyncio.StreamReader, seconds: float) -> bool:
    """Wait; False as soon as the other side has gone."""
    try:
        async with asyncio.timeout(seconds):
            await reader.read(1)
    except TimeoutError:
        return True
    return False
