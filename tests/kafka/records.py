"""How does a test put records into a broker, and see what is in it? With aiokafka, as any client would."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import ConsumerRecord


async def create_topic(bootstrap: str, name: str, partitions: int = 1, replicas: int = 1, **configs: str) -> str:
    """Create a topic and return its name when every partition has a leader; `cleanup_policy="compact"` is a config."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        settings = {key.replace("_", "."): value for key, value in configs.items()}
        answer = await admin.create_topics([NewTopic(name, partitions, replicas, topic_configs=settings)])
        for topic, code, *why in answer.topic_errors:
            if code:
                raise RuntimeError(f"topic {topic} was not created: error {code} {why}")
        async with asyncio.timeout(10):
            while not await _led(admin, name, partitions):
                await asyncio.sleep(0.02)
    finally:
        await admin.close()
    return name


async def _led(admin: AIOKafkaAdminClient, name: str, partitions: int) -> bool:
    (topic,) = await admin.describe_topics([name])
    return len(topic["partitions"]) == partitions and all(one["leader"] >= 0 for one in topic["partitions"])


async def produce(
    bootstrap: str, topic: str, values: Iterable[bytes | None], partition: int | None = None, key: bytes | None = None
) -> list[int]:
    """Write the values in order and return their offsets, acknowledged by all replicas."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_request_size=8 * 1024 * 1024)
    try:
        await producer.start()
        sent = [await producer.send(topic, value, key=key, partition=partition) for value in values]
        return [(await one).offset for one in sent]
    finally:
        await producer.stop()


async def consume(bootstrap: str, topic: str, start: int = 0) -> list[ConsumerRecord]:
    """Everything that the topic holds now, from offset `start` on, in order within each partition."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=50
    )
    await consumer.start()
    try:
        partitions = sorted(consumer.assignment())  # without a group it has all of them from the start
        for partition in partitions:
            consumer.seek(partition, start)
        records: list[ConsumerRecord] = []
        async with asyncio.timeout(30):
            # By position, not by the last record: compaction and transactions leave offsets without one. And by the
            # high watermark, not by end_offsets: the embedded broker counts the last batch there as one record.
            while behind := [one for one in partitions if await _behind(consumer, one)]:
                for batch in (await consumer.getmany(*behind, timeout_ms=200)).values():
                    records += [record for record in batch if record.offset >= start]
        return records
    finally:
        await consumer.stop()


async def _behind(consumer: AIOKafkaConsumer, partition: TopicPartition) -> bool:
    end = consumer.highwater(partition)  # None before the first fetch
    return end is None or await consumer.position(partition) < end
