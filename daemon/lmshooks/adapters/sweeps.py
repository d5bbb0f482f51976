"""What does the log hold between two offsets? The second reader, for sweeps and windows.

A few consumers without a group, each standing somewhere in one partition. Reads of one stream of a partition follow
one another, so the consumer that read the last chunk has the next one on its way already and needs no seek. But where
streams take turns, what is on its way for the one is thrown away for the next; so no more is asked for than is likely
to be read, and nothing ahead for a range that is over or while another stream waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from lmshooks.adapters.kafka_client import KafkaSettings, closed, describe, fetch_at_most, reading_options
from lmshooks.adapters.parsed_records import as_parsed
from lmshooks.core.events import Record
from lmshooks.core.positions import Partition

log = logging.getLogger(__name__)

READERS = 3
CHUNK = 2000
"""Records of one chunk, at most. Its bytes are bounded by one fetch answer: 1 MiB, or one larger batch."""
_USUAL = 600.0
"""Bytes of a record, as long as none of its partition was read."""
_AROUND = 100
"""Bytes that come with each: its key, headers, lengths."""
_LEAST = 32 * 1024
"""Bytes that are asked for at least: where a batch begins and ends is not known."""
_EVERY = 16
"""Of so many records of a chunk one is weighed."""
_REST = 1.0
"""Seconds after which a reader that nobody asks stops fetching ahead."""


class Chunk(NamedTuple):
    """What one read gave."""

    records: Sequence[Record]
    next_offset: int
    """Where reading goes on: past gaps, and never past the end that was asked for."""


class RangeExpired(Exception):
    """The log no longer holds the offset that was asked for."""

    def __init__(self, log_start: int) -> None:
        super().__init__(f"the log begins at {log_start} now")
        self.log_start = log_start


class ReadFailed(Exception):
    """The chunk could not be read now; try again later."""


class _Reader:
    """One consumer, and where it stands."""

    def __init__(self) -> None:
        self.consumer: AIOKafkaConsumer | None = None
        self.tp: TopicPartition | None = None
        self.key: tuple[Partition, int] | None = None
        self.busy = False
        self.used = 0
        self.rest: asyncio.TimerHandle | None = None

    def pause(self) -> None:
        """Fetch nothing more for now."""
        if self.consumer is not None and self.tp is not None:
            self.consumer.pause(self.tp)

    def fall_asleep(self) -> None:
        """Nobody asked it for a while."""
        if not self.busy:
            self.pause()


class Sweeper:
    """Reads chunks of partitions, several at a time."""

    def __init__(self, settings: KafkaSettings, readers: int = READERS) -> None:
        self._settings = settings
        self._readers = [_Reader() for _ in range(readers)]
        self._freed = asyncio.Condition()
        self._waiting = 0
        self._weights: dict[TopicPartition, float] = {}
        """Partition -> bytes of a record of the last chunk."""
        self._uses = 0
        self._stopped = False

    async def read(self, partition: Partition, stream: int, offset: int, end: int) -> Chunk:
        """Records from `offset` on, none at or past `end`; at least one, or none before `next_offset`.

        Raises RangeExpired where the log begins past `offset`, and ReadFailed for everything else.
        """
        if offset >= end:
            return Chunk((), offset)
        reader = await self._acquire((partition, stream))
        healthy = False
        try:
            async with asyncio.timeout(3 * self._settings.request_timeout):
                chunk = await self._read(reader, TopicPartition(partition.topic, partition.number), offset, end)
            healthy = True
            if chunk.next_offset >= end or self._waiting:
                reader.pause()  # before anything else runs: with the chunk taken, the next fetch would go out
            return chunk
        except RangeExpired:
            healthy = True
            raise
        except (KafkaError, OSError, TimeoutError) as error:
            raise ReadFailed(f"{partition} from {offset}: {describe(error)}") from error
        finally:
            # A getmany that was cut short leaves its consumer in a doubtful state: it is not used again.
            if not healthy:
                await self._discard(reader)
            await self._release(reader)

    async def stop(self) -> None:
        """Closes the consumers; reads under way fail."""
        self._stopped = True
        for reader in self._readers:
            await self._discard(reader)

    async def _read(self, reader: _Reader, tp: TopicPartition, offset: int, end: int) -> Chunk:
        consumer = await self._place(reader, tp, offset, end)
        while True:
            try:
                answer = await consumer.getmany(tp, timeout_ms=50, max_records=CHUNK)
            except OffsetOutOfRangeError:
                # The error may be of an earlier place of this consumer: the log's own word counts.
                log_start: int = (await consumer.beginning_offsets([tp]))[tp]
                if offset < log_start:
                    raise RangeExpired(log_start) from None
                log_end: int = (await consumer.end_offsets([tp]))[tp]
                if offset > log_end:
                    raise ReadFailed(f"{tp.topic}/{tp.partition} ends at {log_end}, before {offset}") from None
                consumer.seek(tp, offset)
                continue
            records = answer.get(tp, [])
            position: int = await consumer.position(tp)
            if records and records[-1].offset >= end:
                records = [record for record in records if record.offset < end]
            if records or position >= end:
                self._weigh(tp, records)
                return Chunk(records, min(position, end))

    def _weigh(self, tp: TopicPartition, records: Sequence[Record]) -> None:
        some = records[::_EVERY]
        if some:
            self._weights[tp] = sum(len(record.value or b"") for record in some) / len(some)

    async def _place(self, reader: _Reader, tp: TopicPartition, offset: int, end: int) -> AIOKafkaConsumer:
        consumer = reader.consumer
        if consumer is None:
            consumer = AIOKafkaConsumer(**reading_options(self._settings), value_deserializer=as_parsed)
            reader.consumer, reader.tp = consumer, None
            await consumer.start()
        likely = min(end - offset, CHUNK) * (self._weights.get(tp, _USUAL) + _AROUND)
        fetch_at_most(consumer, max(_LEAST, int(likely)))
        if reader.tp != tp:
            consumer.assign([tp])
            consumer.seek(tp, offset)
            reader.tp = tp
            return consumer
        if tp in consumer.paused():
            consumer.resume(tp)
        if await consumer.position(tp) != offset:
            consumer.seek(tp, offset)
        return consumer

    async def _acquire(self, key: tuple[Partition, int]) -> _Reader:
        async with self._freed:
            while True:
                if self._stopped:
                    raise ReadFailed("the reader is stopped")
                same = [reader for reader in self._readers if reader.key == key]
                if same and not same[0].busy:
                    reader = same[0]
                    break
                free = [reader for reader in self._readers if not reader.busy]
                if free and not same:
                    reader = min(free, key=lambda one: (one.tp is None or one.tp != tuple(key[0]), one.used))
                    break
                self._waiting += 1
                try:
                    await self._freed.wait()
                finally:
                    self._waiting -= 1
            self._uses += 1
            reader.key, reader.busy, reader.used = key, True, self._uses
            if reader.rest is not None:
                reader.rest.cancel()
            return reader

    async def _release(self, reader: _Reader) -> None:
        async with self._freed:
            reader.busy = False
            reader.rest = asyncio.get_running_loop().call_later(_REST, reader.fall_asleep)
            self._freed.notify_all()

    async def _discard(self, reader: _Reader) -> None:
        if reader.rest is not None:
            reader.rest.cancel()
        consumer, reader.consumer, reader.tp, reader.key = reader.consumer, None, None, None
        if consumer is not None:
            await closed(consumer, self._settings.request_timeout)
