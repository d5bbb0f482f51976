"""What is written to the source topic, and what was acknowledged? An idempotent producer that goes on through outages.

Events are numbered over the whole run. One whose fate is unknown is never sent again: whether it got in is read in the
log when all is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from lmshooks.adapters.kafka_client import closed
from tests.chaos.histories import Acknowledged
from tests.chaos.specs import ACCOUNTS, LEARNERS, NAMES

MOST_WAITING = 5000
"""Records handed in and not acknowledged; more are not made meanwhile."""
MOST_LATE = 120.0
"""Seconds of events that are made up for after brokers were away; what is later than that is not written at all."""
HASTE = 2.0
"""How much faster than its rate it makes up for them: a flood would be a fault of its own."""
TICK = 0.1
"""Seconds between the batches that it hands in: brokers and instances work by the batch, and share these cores."""
MALFORMED = (b"not json", b"[1, 2]", b'{"events": []}', b"\xff\xfe", b'{"accountId": "1", "events": [3]}', b"")


class Producing:
    """Writes events until it is stopped."""

    def __init__(
        self, bootstrap: str, topic: str, write: Callable[[Acknowledged], None], rng: random.Random, rate: float,
        accounts: int = ACCOUNTS,
    ) -> None:  # fmt: skip
        self.made = 0
        """Events handed in."""
        self.behind = 0
        """Events that its schedule asks for and that are not handed in yet."""
        self.acknowledged = 0
        self.poison = 0.0
        """The share of events that are poison to a strict listener."""
        self.malformed = 0.0
        """The share of records that are no events."""
        self._bootstrap = bootstrap
        self._topic = topic
        self._write = write
        self._rng = rng
        self._rate = rate
        self._accounts = accounts
        self._producer: AIOKafkaProducer | None = None
        self._waiting = 0

    async def run(self, most: int = 1 << 62) -> None:
        """Until cancelled, or so many are made; what is late is made up for (MOST_LATE, HASTE)."""
        began, sent = time.monotonic(), 0
        looked = began
        while self.made < most:
            now = time.monotonic()
            due = int((now - began) * self._rate)
            sent = max(sent, due - int(MOST_LATE * self._rate))
            some = min(due, sent + max(1, int((now - looked) * self._rate * HASTE)))
            looked = now
            while sent < some and self._waiting < MOST_WAITING and self.made < most:
                sent += await self._send()
            self.behind = due - sent
            await asyncio.sleep(TICK)

    async def stop(self) -> None:
        """Wait for what is under way, but not for ever."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(30):
                    await producer.flush()
            await closed(producer)

    async def _send(self) -> int:
        """One record; returns how many events it counts for."""
        rng = self._rng
        account = rng.randrange(self._accounts)
        if rng.random() < self.malformed:
            await self._hand_in(account, rng.choice(MALFORMED), ())
            return 1
        count = 3 if rng.random() < 0.03 else 1
        numbers = tuple(range(self.made, self.made + count))
        events = [self._event(number) for number in numbers]
        self.made += count
        said = account if account % 2 else str(account)  # one way for an account: a delivery holds one way only
        if count == 1 and rng.random() < 0.5:
            value: dict = {"accountId": said, **events[0]}
        else:
            value = {"accountId": said, "events": events}
        await self._hand_in(account, orjson.dumps(value), numbers)
        return count

    def _event(self, number: int) -> dict:
        rng = self._rng
        data = {"n": number, "userId": f"u{rng.randrange(LEARNERS)}", "level": rng.randrange(10), "score": 1.0}
        if rng.random() < self.poison:
            data["poison"] = True
        return {
            "eventId": f"e{number}", "eventName": rng.choice(NAMES), "timestamp": int(time.time() * 1000), "data": data,
        }  # fmt: skip

    async def _hand_in(self, account: int, value: bytes, numbers: tuple[int, ...]) -> None:
        sent = time.time()
        try:
            producer = await self._get()
            async with asyncio.timeout(20):
                future = await producer.send(self._topic, value, key=str(account).encode())
        except (KafkaError, OSError, TimeoutError):
            await asyncio.sleep(0.2)
            return
        self._waiting += 1
        future.add_done_callback(lambda done: self._done(done, sent, numbers))

    def _done(self, done: asyncio.Future, sent: float, numbers: tuple[int, ...]) -> None:
        self._waiting -= 1
        if done.cancelled():
            return
        if done.exception() is not None:
            self._producer, broken = None, self._producer  # a producer that lost its sequence never finds it again
            if broken is not None:
                self._closing = asyncio.ensure_future(closed(broken))
            return
        where, now = done.result(), time.time()
        self.acknowledged += len(numbers)
        for number in numbers:
            self._write(Acknowledged(now, number, where.partition, where.offset, sent))

    async def _get(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap, enable_idempotence=True, acks="all", linger_ms=5,
                request_timeout_ms=3000, metadata_max_age_ms=5000,
            )  # fmt: skip
            try:
                await producer.start()
            except BaseException:
                await closed(producer)
                raise
            self._producer = producer
        return self._producer
