"""What lies in a topic? Records read at a place, or from its end backwards, without a group and without a trace."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from lmshooks.cli import settings

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

    from lmshooks.adapters.kafka_client import KafkaSettings

_PATIENCE = 30.0
"""Seconds for one answer."""
_STEP = 2000
"""Records that are gone back at a time."""


class NotThere(Exception):
    """What was asked for is not in Kafka, or Kafka is away; the text says which, and what to do."""


async def record_at(kafka: KafkaSettings, topic: str, number: int, offset: int) -> ConsumerRecord[bytes, bytes]:
    """The record at an offset. Raises NotThere, with the range that there is."""
    async with _consumer(kafka, topic) as (consumer, partitions):
        tp = next((one for one in partitions if one.partition == number), None)
        if tp is None:
            raise NotThere(f"{topic} has partitions 0 to {len(partitions) - 1}: there is no {number}")
        begin, end = await _bounds(consumer, tp)
        if not begin <= offset < end:
            held = f"offsets {begin} to {end - 1}" if end > begin else "nothing"
            raise NotThere(f"{topic}/{number} holds {held}: {offset} is not among them")
        consumer.seek(tp, offset)
        async with asyncio.timeout(_PATIENCE):
            while await consumer.position(tp) < end:
                for record in (await consumer.getmany(tp, timeout_ms=200, max_records=1)).get(tp, []):
                    if record.offset == offset:
                        return record
                    raise NotThere(f"{topic}/{number} has no record at {offset}: the next one is at {record.offset}")
        raise NotThere(f"{topic}/{number} has no record at {offset}, nor after it")


async def newest(
    kafka: KafkaSettings, topic: str, count: int, wanted: Callable[[ConsumerRecord[bytes, bytes]], bool]
) -> list[ConsumerRecord[bytes, bytes]]:
    """The last `count` records that are wanted, over all partitions, the oldest first. Raises NotThere."""
    found: list[ConsumerRecord[bytes, bytes]] = []
    async with _consumer(kafka, topic) as (consumer, partitions):
        for tp in partitions:
            begin, end = await _bounds(consumer, tp)
            mine: list[ConsumerRecord[bytes, bytes]] = []
            # Backwards in steps: who wants the last twenty of a million must not read a million.
            while end > begin and len(mine) < count:
                start = max(begin, end - _STEP)
                mine = [each for each in await _between(consumer, tp, start, end) if wanted(each)] + mine
                end = start
            found += mine[-count:]
    found.sort(key=lambda record: (record.timestamp, record.partition, record.offset))
    return found[-count:]


async def _between(
    consumer: AIOKafkaConsumer, tp: TopicPartition, start: int, end: int
) -> list[ConsumerRecord[bytes, bytes]]:
    consumer.seek(tp, start)
    found: list[ConsumerRecord[bytes, bytes]] = []
    async with asyncio.timeout(_PATIENCE):
        while await consumer.position(tp) < end:
            found += (await consumer.getmany(tp, timeout_ms=200)).get(tp, [])
    return [record for record in found if record.offset < end]


async def _bounds(consumer: AIOKafkaConsumer, tp: TopicPartition) -> tuple[int, int]:
    """The offsets of the first record and just past the last; the consumer is assigned the partition.

    By the high watermark of a fetch, not by end_offsets: the embedded broker counts the last batch there as one record.
    """
    begin: int = (await consumer.beginning_offsets([tp]))[tp]
    consumer.assign([tp])
    consumer.seek(tp, begin)
    async with asyncio.timeout(_PATIENCE):
        while consumer.highwater(tp) is None:
            await consumer.getmany(tp, timeout_ms=100, max_records=1)
    return begin, max(begin, consumer.highwater(tp))


@contextlib.asynccontextmanager
async def _consumer(kafka: KafkaSettings, topic: str) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
    """A consumer, and the topic's partitions."""
    from aiokafka import AIOKafkaConsumer, TopicPartition
    from aiokafka.errors import KafkaError

    from lmshooks.adapters.kafka_client import closed, connected_admin, reading_options

    settings.quiet()
    consumer: AIOKafkaConsumer | None = None
    try:
        # Asking for a topic that is not there would make it, on brokers that make topics by themselves.
        admin = await connected_admin(kafka)
        try:
            if topic not in await admin.list_topics():
                raise NotThere(f"there is no topic {topic} in {kafka.bootstrap_servers}")
            (described,) = await admin.describe_topics([topic])
        finally:
            await admin.close()
        numbers = sorted(one["partition"] for one in described["partitions"])
        consumer = AIOKafkaConsumer(**reading_options(kafka))
        await consumer.start()
        yield consumer, [TopicPartition(topic, number) for number in numbers]
    except (KafkaError, OSError, TimeoutError) as error:
        raise NotThere(settings.judge(error, topic, {"bootstrap_servers": kafka.bootstrap_servers})[1]) from error
    finally:
        if consumer is not None:
            await closed(consumer)
