"""What do all instances know? The state topic: read to its end at start, followed from then on, written in batches.

    start()   from the log's beginning to its end as it was when asked: the barrier before anything is delivered
    follow()  goes on from there, for ever; what it hands out is what is durable
    write()   one record batch; its success is seen by following, its failure means "unknown, may yet arrive"

Ends are judged by the reader's position, never by the last record seen: compaction and control records leave gaps.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, OffsetOutOfRangeError, RecordListTooLargeError

from lmshooks.adapters.kafka_client import (
    KafkaSettings,
    Producing,
    closed,
    describe,
    poll_long_when_quiet,
    reading_options,
)
from lmshooks.core.commands import Entry

log = logging.getLogger(__name__)

MAX_BATCH = 16 * 1024 * 1024
"""Bytes of one write, at most; the topic's max.message.bytes may allow less."""

_WAIT = 0.2
"""Seconds before the follower gets a new consumer, first after an answered fetch; twice as many each time on."""
_STALL = 15.0
"""Seconds without an answered fetch after which the follower gets a new consumer."""


class WriteUnknown(Exception):
    """The write was not confirmed: it may be in the log, may yet arrive, or may never."""


class WriteTooLarge(WriteUnknown):
    """The write is larger than the topic takes (`max.message.bytes`): it is certainly not in the log."""


class StateTopic:
    """Partition 0 of the state topic."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._tp = TopicPartition(settings.state_topic, 0)
        self._producing = Producing(settings, max_batch_size=MAX_BATCH, max_request_size=MAX_BATCH)
        self._consumer: AIOKafkaConsumer | None = None
        self._next = 0
        self._wait = _WAIT
        self.last_progress = time.monotonic()
        """When a fetch of the follower was last answered (monotonic seconds)."""
        self.turned_at = time.monotonic()
        """When the follower last went round, answered or not (monotonic seconds)."""

    @property
    def position(self) -> int:
        """The offset that the follower reads next."""
        return self._next

    async def start(self) -> list[Entry]:
        """Everything in the topic, from its beginning to its end. Raises KafkaError where Kafka is away."""
        await self._producing.get()
        entries: list[Entry] = []
        consumer = await self._open()
        try:
            begin = (await consumer.beginning_offsets([self._tp]))[self._tp]
            end = (await consumer.end_offsets([self._tp]))[self._tp]
            consumer.seek(self._tp, begin)
            self._next = begin
            progress = time.monotonic()
            while self._next < end:
                before = self._next
                entries += await self._poll(consumer, 100)
                if self._next > before:
                    progress = time.monotonic()
                if time.monotonic() - progress > max(_STALL, 2 * self._settings.request_timeout):
                    raise KafkaError(f"the state topic stands at {self._next} of {end}: no answer from its broker")
        except BaseException:
            await closed(consumer)
            raise
        self._consumer = consumer
        self.last_progress = self.turned_at = time.monotonic()
        return entries

    async def follow(
        self, callback: Callable[[list[Entry]], None], current: Callable[[float], None] | None = None
    ) -> None:
        """Hands out what is appended, in order, until cancelled. Survives outages by itself.

        `current` is told again and again how many seconds ago the end was that has been read and handed out.
        """
        while True:
            self.turned_at = time.monotonic()
            try:
                consumer = self._consumer or await self._reopen()
                self._consumer = consumer
                await self._follow(consumer, callback, current)
            except OffsetOutOfRangeError:
                # The log was cut below us (or made anew): what is still there is handed out again from its
                # beginning, which the machine's tenures and sequences make harmless.
                log.error("state.out_of_range topic=%s offset=%d", self._tp.topic, self._next)
                await self._rewind()
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("state.follower_restarts why=%s", describe(error))
                wait, self._wait = self._wait, min(self._wait * 2, 5.0)
                await asyncio.sleep(wait)
                await self._drop()

    async def write(self, entries: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Appends the entries in one record batch: all of them or none, in this order.

        Returns when every in-sync replica has it. Raises WriteTooLarge where the batch is over the topic's limit or
        over MAX_BATCH (nothing was written: hand in fewer), WriteUnknown for everything else.
        """
        if not entries:
            return
        try:
            async with asyncio.timeout(2 * self._settings.request_timeout):
                producer = await self._producing.get()
                batch = producer.create_batch()
                for key, value in entries:
                    if batch.append(key=key, value=value, timestamp=None) is None:
                        raise WriteTooLarge(f"{len(entries)} entries are over {MAX_BATCH} bytes: write fewer at once")
                batch.close()
                future = await producer.send_batch(batch, self._tp.topic, partition=0)
                # Shielded: the deadline must not cancel a future that the producer still means to resolve.
                await asyncio.shield(future)
        except WriteTooLarge:
            raise
        except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
            raise WriteTooLarge(
                f"{len(entries)} entries are over the max.message.bytes of {self._tp.topic}: raise it"
            ) from error
        except (KafkaError, OSError, TimeoutError) as error:
            self._producing.failed(error)
            raise WriteUnknown(describe(error)) from error
        self._producing.succeeded()

    async def stop(self) -> None:
        """Closes both ends. Cancel `follow` first."""
        await self._drop()
        await self._producing.stop()

    async def _open(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(**reading_options(self._settings))
        try:
            await consumer.start()
        except BaseException:
            await closed(consumer)
            raise
        poll_long_when_quiet(consumer)
        consumer.assign([self._tp])
        consumer.seek(self._tp, self._next)
        return consumer

    async def _reopen(self) -> AIOKafkaConsumer:
        consumer = await self._open()
        try:
            end = (await consumer.end_offsets([self._tp]))[self._tp]
        except BaseException:
            await closed(consumer)
            raise
        if end < self._next:
            log.error("state.shrunk topic=%s read_to=%d end=%d", self._tp.topic, self._next, end)
        return consumer

    async def _follow(
        self,
        consumer: AIOKafkaConsumer,
        callback: Callable[[list[Entry]], None],
        current: Callable[[float], None] | None,
    ) -> None:
        polled: int | None = None
        self.last_progress = time.monotonic()
        since = self.last_progress
        while True:
            entries = await self._poll(consumer, 200)
            if entries:
                callback(entries)
            now = self.turned_at = time.monotonic()
            answered = consumer.last_poll_timestamp(self._tp)
            if answered != polled and current is not None and polled is not None and self._at_end(consumer):
                # One fetch is under way at a time: this answer's was sent after the earlier answer had come, and says
                # where the end was no earlier than that. Its own time would not do: it may have lain here for long.
                current(max(0.0, time.time() - polled / 1000))
            if answered != polled:
                polled, since, self.last_progress = answered, now, now
                self._wait = _WAIT
            elif now - since > _STALL:
                raise KafkaError(f"no fetch of the state topic was answered for {_STALL:.0f} s")

    async def _poll(self, consumer: AIOKafkaConsumer, timeout_ms: int) -> list[Entry]:
        answer = await consumer.getmany(self._tp, timeout_ms=timeout_ms, max_records=5000)
        records: list[ConsumerRecord[bytes, bytes]] = answer.get(self._tp, [])
        self._next = await consumer.position(self._tp)
        return [Entry(r.offset, r.timestamp / 1000, r.key or b"", r.value) for r in records]

    def _at_end(self, consumer: AIOKafkaConsumer) -> bool:
        end = consumer.highwater(self._tp)
        return end is not None and self._next >= end

    async def _rewind(self) -> None:
        consumer = self._consumer
        if consumer is None:
            return
        try:
            self._next = (await consumer.beginning_offsets([self._tp]))[self._tp]
            consumer.seek(self._tp, self._next)
        except (KafkaError, TimeoutError) as error:
            log.warning("state.rewind_failed why=%s", describe(error))
            await asyncio.sleep(1.0)

    async def _drop(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await closed(consumer)
