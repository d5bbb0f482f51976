"""What of aiokafka's own words reaches our log, and as what? What is left of a client that was closed?"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError
from aiokafka.protocol.admin import ApiVersionRequest

from lmshooks.adapters.kafka_client import closed, quiet_aiokafka, reading_options
from tests.kafka.clients import make_topic, settings_for, until


@pytest.fixture(autouse=True)
def every_line() -> Iterator[None]:
    logging.getLogger("aiokafka.consumer.fetcher")
    quiet_aiokafka(every=0.0)
    yield
    quiet_aiokafka()


def test_what_it_could_not_do_is_a_warning_and_chatter_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("aiokafka.consumer.fetcher")
    logger.error("Failed fetch messages from %s", 1)
    logger.info("fetching")
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "Failed fetch messages from 1")
    ]


@pytest.mark.parametrize(("error", "said"), [(NodeNotReadyError("node 1"), False), (ValueError("a bug"), True)])
async def test_a_request_that_failed_unheard_is_not_told_and_a_bug_is(
    error: Exception, said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    future = asyncio.get_running_loop().create_future()
    future.set_exception(error)
    del future
    gc.collect()
    assert bool([record for record in caplog.records if record.name == "asyncio"]) is said


def test_a_write_to_a_connection_that_has_just_been_closed_is_an_error_of_the_connection(embedded: str) -> None:
    """Under uvloop, whose transports raise RuntimeError then."""

    async def asked() -> None:
        client = AIOKafkaClient(bootstrap_servers=embedded)
        await client.bootstrap()
        try:
            (node,) = (broker.nodeId for broker in client.cluster.brokers())
            assert await client.ready(node)
            (connection,) = (one for (number, _), one in client._conns.items() if number == node)
            host, _, port = embedded.partition(":")
            _, gone = await asyncio.open_connection(host, int(port))
            gone.close()
            with contextlib.suppress(OSError):
                await gone.wait_closed()
            with pytest.raises(RuntimeError, match="closed"):
                gone.write(b"x")
            kept, connection._writer = connection._writer, gone
            with pytest.raises(KafkaConnectionError, match="closed"):
                await connection.send(ApiVersionRequest())
            kept.close()
            assert not connection.connected()
            assert await client.force_metadata_update(), "it goes on over another connection"
        finally:
            await client.close()

    uvloop.run(asked())


async def never() -> None:
    """As a group that does not answer that we leave."""
    await asyncio.get_running_loop().create_future()


async def broken_off() -> None:
    """As where a helper's cancellation comes out."""
    raise asyncio.CancelledError


@pytest.mark.parametrize("leave", [never, broken_off])
async def test_nothing_is_left_of_a_client_whose_stop_does_not_come_to_its_end(
    leave: Callable[[], Coroutine[Any, Any, None]], embedded: str
) -> None:
    settings = settings_for(embedded)
    (topic,) = settings.topics
    await make_topic(embedded, topic)
    before = asyncio.all_tasks()
    consumer = AIOKafkaConsumer(**reading_options(settings))
    await consumer.start()
    consumer.assign([TopicPartition(topic, 0)])
    consumer.seek(TopicPartition(topic, 0), 0)
    await consumer.end_offsets([TopicPartition(topic, 0)])
    connections = tuple(consumer._client._conns.values())
    assert any(connection.connected() for connection in connections)
    consumer._coordinator.close = leave
    await closed(consumer, 0.1)
    assert not any(connection.connected() for connection in connections)
    await until(lambda: asyncio.all_tasks() <= before, 5)
