"""What is done to topics while brokers come and go? Each request is made again, for some minutes, until it is taken."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

TRIES = 20


class Topics:
    """Asks the brokers as an operator's tool does."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    async def widen(self, topic: str, partitions: int) -> None:
        """It has so many partitions then."""
        await self._ask(lambda admin: admin.create_partitions({topic: NewPartitions(total_count=partitions)}))

    async def alter(self, topic: str, configs: Mapping[str, str]) -> None:
        """These are its configs then; what is not among them is as by default."""
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs=dict(configs))

        async def ask(admin: AIOKafkaAdminClient) -> None:
            for response in await admin.alter_configs([resource]):
                for code, message, *_ in response.resources:
                    if code:
                        raise for_code(code)(message)

        await self._ask(ask)

    async def configs(self, topic: str) -> dict[str, str]:
        """What it is configured to be, as some broker knows."""
        found: dict[str, str] = {}

        async def ask(admin: AIOKafkaAdminClient) -> None:
            for response in await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)]):
                found.update((name, value) for *_, entries in response.resources for name, value, *_ in entries)

        await self._ask(ask)
        return found

    async def _ask(self, request: Callable[[AIOKafkaAdminClient], Awaitable[object]]) -> None:
        for _ in range(TRIES):
            admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap, request_timeout_ms=3000)
            try:
                async with asyncio.timeout(8):
                    await admin.start()
                    await request(admin)
                    return
            except (KafkaError, OSError, TimeoutError):
                await asyncio.sleep(1.0)
            finally:
                with contextlib.suppress(Exception):
                    await admin.close()
