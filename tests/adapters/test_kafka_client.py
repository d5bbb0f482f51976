"""What of aiokafka's own words reaches our log, and as what?"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import Iterator

import pytest
import uvloop
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError
from aiokafka.protocol.admin import ApiVersionRequest

from lmshooks.adapters.kafka_client import quiet_aiokafka


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
