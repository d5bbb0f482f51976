"""What do the tests of the Kafka adapters share? Settings with names of their own, topics, records, and waiting."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from lmshooks.adapters.kafka_client import KafkaSettings, quiet_aiokafka
from tests.kafka.brokers import ApacheKafka, EmbeddedBroker
from tests.kafka.jars import NoKafka, required

quiet_aiokafka()


def _apache() -> ApacheKafka:
    try:
        return ApacheKafka()
    except NoKafka as why:
        if required():
            raise
        pytest.skip(str(why))


@pytest.fixture(scope="module", params=["embedded", "apache"])
def kafka(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a broker: every test runs against both kinds."""
    broker = EmbeddedBroker() if request.param == "embedded" else _apache()
    try:
        yield broker.start().bootstrap
    finally:
        broker.close()


@pytest.fixture(scope="module")
def apache() -> Iterator[ApacheKafka]:
    """A real Kafka of this test file's own, to delete from, kill and start again."""
    broker = _apache()
    try:
        yield broker.start()
    finally:
        broker.close()


def settings_for(bootstrap: str, **changes: object) -> KafkaSettings:
    """Settings whose group and topics nobody else uses."""
    own = uuid.uuid4().hex[:8]
    values: dict[str, object] = {
        "bootstrap_servers": bootstrap,
        "group_id": f"group-{own}",
        "topics": (f"events-{own}",),
        "state_topic": f"state-{own}",
        "dead_letter_topic": f"dead-{own}",
        "session_timeout": 6.0,
        "request_timeout": 3.0,
        "replication_factor": 1,
    }
    return KafkaSettings(**(values | changes))  # type: ignore[arg-type]


@asynccontextmanager
async def admin_of(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


class Indifferent(ConsumerRebalanceListener):  # type: ignore[misc]
    """Of partitions that come and go."""

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        pass

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        pass


async def make_topic(bootstrap: str, name: str, partitions: int = 1, config: dict[str, str] | None = None) -> None:
    async with admin_of(bootstrap) as admin:
        answer = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=config or {})])
        assert answer.topic_errors[0][1] == 0, answer.topic_errors
        for _ in range(100):
            if any(topic["topic"] == name for topic in await admin.describe_topics()):
                return
            await asyncio.sleep(0.02)


async def delete_before(bootstrap: str, topic: str, offset: int) -> None:
    """What retention does."""
    async with admin_of(bootstrap) as admin:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(offset)})


async def produce(bootstrap: str, topic: str, values: Sequence[bytes], partition: int = 0) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        for sent in [await producer.send(topic, value, partition=partition) for value in values]:
            await sent
    finally:
        await producer.stop()


async def read_all(bootstrap: str, topic: str) -> list[Any]:
    """Every record of partition 0, as aiokafka gives it."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="none")
    await consumer.start()
    try:
        tp = TopicPartition(topic, 0)
        consumer.assign([tp])
        consumer.seek(tp, (await consumer.beginning_offsets([tp]))[tp])
        end = (await consumer.end_offsets([tp]))[tp]
        records: list[object] = []
        while await consumer.position(tp) < end:
            records += (await consumer.getmany(tp, timeout_ms=100)).get(tp, [])
        return records
    finally:
        await consumer.stop()


async def until(condition: Callable[[], object], timeout: float = 20.0) -> None:
    """Waits for something that the world does in its own time."""
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.01)
