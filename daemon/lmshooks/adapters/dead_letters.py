"""Where do events go that are given up? The dead-letter topic: the bytes as they were, and why in the headers.

The value is exactly what was given up, so that a replay is a copy; everything about it is a header. A letter may be in
the topic twice (a write whose confirmation was lost is repeated): topic, partition, offset, index and subscription
name it.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from lmshooks.adapters.kafka_client import KafkaSettings, Producing, describe

if TYPE_CHECKING:
    from lmshooks.core.commands import Bury

log = logging.getLogger(__name__)

MAX_LETTER = 16 * 1024 * 1024
"""Bytes of one letter, at most: a larger one is written without its value."""

PREFIX = "lmshooks-"
"""Of our headers; an original header of that beginning is left out, so that none can be forged."""


class DeadLetters:
    """Writes dead letters."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producing = Producing(settings, max_request_size=MAX_LETTER)

    async def write(self, bury: Bury) -> bool:
        """Whether the letter is certainly in the topic, on every in-sync replica."""
        headers = headers_of(bury)
        try:
            async with asyncio.timeout(2 * self._settings.request_timeout):
                producer = await self._producing.get()
                try:
                    await self._send(producer, bury, bury.value, headers)
                except MessageSizeTooLargeError:
                    # What is too large for the topic is so at every try: the letter without its value, and if need be
                    # without the record's own headers, still says where both are.
                    left_out = [(PREFIX + "value", b"left-out")]
                    try:
                        await self._send(producer, bury, None, [*headers, *left_out])
                    except MessageSizeTooLargeError:
                        ours = headers_of(replace(bury, headers=()))
                        await self._send(producer, bury, None, [*ours, *left_out, (PREFIX + "headers", b"left-out")])
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("letter.unwritten partition=%s offset=%d why=%s", bury.partition, bury.offset, describe(error))
            self._producing.failed(error)
            return False
        self._producing.succeeded()
        return True

    async def stop(self) -> None:
        """Closes the producer."""
        await self._producing.stop()

    async def _send(
        self, producer: AIOKafkaProducer, bury: Bury, value: bytes | None, headers: list[tuple[str, bytes]]
    ) -> None:
        future = await producer.send(
            self._settings.dead_letter_topic, key=str(bury.partition).encode(), value=value, headers=headers
        )
        # Shielded: the deadline must not cancel a future that the producer still means to resolve.
        await asyncio.shield(future)


def headers_of(bury: Bury) -> list[tuple[str, bytes]]:
    """The original headers, then ours. What is not known is left out, not empty."""
    ours = {
        "reason": str(bury.reason),
        "why": bury.why,
        "topic": bury.partition.topic,
        "partition": str(bury.partition.number),
        "offset": str(bury.offset),
        "index": str(bury.index),
        "subscription": bury.subscription_id,
        "delivery": bury.delivery_id,
    }
    original = [(name, value) for name, value in bury.headers if not name.startswith(PREFIX)]
    return original + [
        (PREFIX + name, text.encode("utf-8", "replace")) for name, text in ours.items() if text is not None
    ]
