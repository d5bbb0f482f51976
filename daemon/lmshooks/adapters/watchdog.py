"""Does what is polled still come in, and if not, where does it go on? The watch over the intake's partitions.

A consumer may stall silently: it heartbeats, stays a member, and its fetches are never answered; or it fetches, and no
longer finds the group's coordinator. Nothing but the clock shows it, and only a fresh client that gets an answer tells
it from an outage.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from lmshooks.adapters.kafka_client import describe

log = logging.getLogger(__name__)

STALL = 30.0
"""Seconds without an answered fetch of a partition that is polled, while a fresh client gets an answer: a stall."""


class Feed:
    """One partition of one assignment."""

    __slots__ = ("checked", "held_since", "mending", "polled", "position", "since", "started")

    def __init__(self) -> None:
        self.started = False
        self.mending = False
        self.position = -1
        self.held_since: float | None = None
        self.polled: int | None = None
        self.checked = -1
        self.since = 0.0

    @property
    def ready(self) -> bool:
        """Whether it is polled."""
        return self.started and not self.mending and self.held_since is None

    def stuck(self, consumer: AIOKafkaConsumer, tp: TopicPartition, now: float, stall: float) -> bool:
        """Whether no fetch of it was answered, and its position did not move, for `stall` seconds."""
        if tp not in consumer.assignment():
            return False
        polled = consumer.last_poll_timestamp(tp)
        highwater = consumer.highwater(tp)
        behind = highwater is not None and self.position < highwater
        if self.position != self.checked or (polled != self.polled and not behind):
            self.polled, self.checked, self.since = polled, self.position, now
        return now - self.since > stall


class Watchdog:
    """Watches one intake over all its consumers. `answers` asks a fresh client whether Kafka is there."""

    def __init__(
        self, stall: float, joining: float, answers: Callable[[list[TopicPartition]], Awaitable[bool]]
    ) -> None:
        """`joining`: seconds that getting an assignment may take, over `stall`."""
        self._stall = stall
        self._joining = joining
        self._answers = answers
        self.last_poll = time.monotonic()
        """When the poll loop last went round (monotonic seconds)."""

    @property
    def polling(self) -> bool:
        """Whether the poll loop went round lately."""
        return time.monotonic() - self.last_poll < self._stall

    async def watch(
        self,
        consumer: AIOKafkaConsumer,
        feeds: Callable[[], Mapping[TopicPartition, Feed]],
        asked: list[TopicPartition],
        tell: Callable[[str], None],
        silent_since: Callable[[], float | None],
    ) -> None:
        """Raises KafkaError when the consumer stalls: it fetches or commits nothing, although a fresh client could.

        `asked` is what a fresh client is asked for where nothing is assigned; `tell` is told why nothing is.
        `silent_since` says since when no commit was answered (monotonic seconds), None where the last one was.
        """
        self.last_poll = time.monotonic()
        answered: float | None = None
        while True:
            await asyncio.sleep(min(2.0, self._stall / 4))
            now = time.monotonic()
            stuck = [tp for tp, feed in feeds().items() if feed.ready and feed.stuck(consumer, tp, now, self._stall)]
            if now - self.last_poll > self._stall + self._joining:
                # Not even polling: joining the group, or waiting for an assignment that does not come.
                tell("no assignment from the group")
                stuck = stuck or asked
            if stuck and await self._answers(stuck):
                log.error("intake.stalled partitions=%d", len(stuck))
                raise KafkaError(f"stalled: no fetch of {stuck[0].topic}/{stuck[0].partition} was answered")
            silent = silent_since()
            if silent is not None and now - silent > self._stall and await self._answers(list(feeds())):
                if answered == silent:  # not the first time: a group that has just come back has a moment for ours
                    log.error("intake.stalled partitions=%d", len(feeds()))
                    raise KafkaError("stalled: no commit was answered")
                answered = silent


async def mended(
    consumer: AIOKafkaConsumer,
    tp: TopicPartition,
    position: int,
    ours: Callable[[], bool],
    expired: Callable[[int], int],
    tell: Callable[[str], None],
) -> int | None:
    """Where a partition goes on whose position was out of range; None where it is not ours any more.

    `expired` is asked for it, with the log's start, where retention took the position.
    """
    while ours():
        try:
            log_start: int = (await consumer.beginning_offsets([tp]))[tp]
            log_end: int = (await consumer.end_offsets([tp]))[tp]
        except (KafkaError, TimeoutError) as error:
            log.warning("intake.bounds_unknown why=%s", describe(error))
            await asyncio.sleep(0.5)
            continue
        if not ours():
            return None
        if position < log_start:
            return expired(log_start)
        if position <= log_end:
            return position
        # The log ends before where we were: its tail was lost. Wait for it; never read anything twice unseen.
        tell(f"{tp.topic}/{tp.partition} ends at {log_end}, before our position {position}")
        log.error("intake.log_shrunk partition=%s/%d position=%d end=%d", *tp, position, log_end)
        await asyncio.sleep(5.0)
    return None
