"""What of aiokafka's own words reaches our log, and as what?"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Iterator

import pytest
from aiokafka.errors import NodeNotReadyError

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
