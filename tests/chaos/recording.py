"""What does Kafka say, while it goes on and when all is over? The state topic, the group's offsets, the logs.

All by clients of the brokers' own ports, which no proxy cuts; they survive what is done to the brokers: whatever a
client fails with, a new one goes on where it ended, so that there is no hole.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import ConsumerRecord

from lmshooks.adapters.kafka_client import closed
from tests.chaos.histories import Book, Lettered, Logged, Recorded, Sampled, digest_of

PATIENCE = 8.0
"""Seconds without an answered fetch before a follower's client is given up for a new one."""
STUCK = 30.0
"""Seconds that a call may take. Its own time-out comes sooner as a rule; one that is cancelled leaves a connection."""


class Follower:
    """Reads the state topic as it grows."""

    def __init__(self, bootstrap: str, topic: str, write: Callable[[Recorded], None]) -> None:
        self._bootstrap = bootstrap
        self._tp = TopicPartition(topic, 0)
        self._write = write
        self._next = 0
        self.ending = False
        """Set it, and `run` ends in order: an aiokafka client that is cancelled leaves connections behind."""
        self.latest: dict[str, dict[str, Any] | None] = {}
        """Key -> its last value, void or not."""

    async def run(self) -> None:
        """Until `ending`."""
        while not self.ending:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap, enable_auto_commit=False, auto_offset_reset="earliest",
                fetch_max_wait_ms=100, request_timeout_ms=3000, metadata_max_age_ms=5000,
            )  # fmt: skip
            with contextlib.suppress(Exception):
                try:
                    await consumer.start()
                    consumer.assign([self._tp])
                    consumer.seek(self._tp, self._next)
                    await self._follow(consumer)
                finally:
                    await closed(consumer)
            await asyncio.sleep(0.3)

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        answered = time.monotonic()
        while time.monotonic() - answered < PATIENCE and not self.ending:
            batch = (await consumer.getmany(self._tp, timeout_ms=300)).get(self._tp, [])
            now = time.time()
            for record in batch:
                key = (record.key or b"").decode()
                value = None if record.value is None else record.value.decode()
                self._write(Recorded(now, record.offset, record.timestamp / 1000, key, value))
                self.latest[key] = None if value is None else orjson.loads(value)
                self._next = record.offset + 1
            polled = consumer.last_poll_timestamp(self._tp)
            if batch or (polled and time.time() * 1000 - polled < PATIENCE * 500):
                answered = time.monotonic()


class Sampler:
    """Asks once a second what the group has committed, and then where the state topic ends."""

    def __init__(self, bootstrap: str, group: str, topic: str, state: str, write: Callable[[Sampled], None]) -> None:
        self._bootstrap = bootstrap
        self._group = group
        self._topic = topic
        self._state = TopicPartition(state, 0)
        self._write = write
        self.ending = False
        self.committed: dict[int, int] = {}
        self.ends: dict[int, int] = {}
        """Partition -> its log's end, as last seen."""

    async def run(self) -> None:
        """Until `ending`."""
        while not self.ending:
            admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap, request_timeout_ms=3000)
            consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, request_timeout_ms=3000)
            with contextlib.suppress(Exception):
                try:
                    async with asyncio.timeout(STUCK):
                        await admin.start()
                        await consumer.start()
                    while not self.ending:
                        async with asyncio.timeout(STUCK):
                            await self._sample(admin, consumer)
                        await asyncio.sleep(1.0)
                finally:
                    await closed(consumer)
                    with contextlib.suppress(Exception):
                        await admin.close()
            await asyncio.sleep(0.3)

    async def _sample(self, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> None:
        numbers = await _partitions(admin, self._topic)
        partitions = [TopicPartition(self._topic, number) for number in numbers]
        offsets = await admin.list_consumer_group_offsets(self._group, partitions=partitions)
        committed = {tp.partition: found.offset for tp, found in offsets.items() if found.offset >= 0}
        ends = await consumer.end_offsets([self._state, *partitions])
        self.committed = committed
        self.ends = {tp.partition: ends[tp] for tp in partitions}
        texts = {str(number): offset for number, offset in committed.items()}
        self._write(Sampled(time.time(), texts, ends[self._state]))


async def _partitions(admin: AIOKafkaAdminClient, topic: str) -> list[int]:
    (described,) = await admin.describe_topics([topic])
    return sorted(one["partition"] for one in described["partitions"])


async def read_logs(bootstrap: str, topic: str, letters: str, book: Book) -> None:
    """When all is over: what the source and the dead letters hold, into the histories."""
    async for record in _all(bootstrap, topic):
        for line in events_of(record):
            book.write(line)
    async for record in _all(bootstrap, letters):
        said = {name: value.decode() for name, value in record.headers}
        book.write(Lettered(
            record.timestamp / 1000, said["lmshooks-reason"], int(said["lmshooks-partition"]),
            int(said["lmshooks-offset"]), int(said.get("lmshooks-index", 0)), said.get("lmshooks-subscription", ""),
        ))  # fmt: skip


async def _all(bootstrap: str, topic: str) -> AsyncIterator[ConsumerRecord]:
    """Every record that a topic holds, some at a time: a long run's log is no list to keep in memory."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        partitions = [TopicPartition(topic, number) for number in await _partitions(admin, topic)]
    finally:
        await admin.close()
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        ends = {tp: end for tp, end in (await consumer.end_offsets(partitions)).items() if end}
        consumer.assign(list(ends))
        for tp in ends:
            consumer.seek(tp, 0)
        while ends:
            async with asyncio.timeout(STUCK):
                batches = await consumer.getmany(timeout_ms=500, max_records=5000)
                for tp in set(ends) - set(batches):
                    if await consumer.position(tp) >= ends[tp]:
                        del ends[tp]
            for records in batches.values():
                for record in records:
                    yield record
    finally:
        await closed(consumer)


def events_of(record: ConsumerRecord) -> list[Logged]:
    """The events of a record of ours, by our own reading of it; one line without a number for what is none."""
    at = record.timestamp / 1000
    try:
        found = dict(orjson.loads(record.value or b""))
        events = found["events"] if "events" in found else [{k: v for k, v in found.items() if k != "accountId"}]
        return [
            Logged(
                record.partition,
                record.offset,
                index,
                event["data"]["n"],
                int(found["accountId"]),
                event["eventName"],
                int(event["data"]["userId"][1:]),
                event["data"]["level"],
                bool(event["data"].get("poison")),
                at,
                digest_of(event),
            )
            for index, event in enumerate(events)
        ] or [_malformed(record, at)]
    except (ValueError, TypeError, KeyError):  # JSON's mistakes are ValueErrors
        return [_malformed(record, at)]


def _malformed(record: ConsumerRecord, at: float) -> Logged:
    return Logged(record.partition, record.offset, 0, -1, -1, "", -1, -1, False, at, 0)
