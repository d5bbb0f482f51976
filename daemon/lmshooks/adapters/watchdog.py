"""Does what is polled still come in, and if not, where does it go on? The watch over the intake's partitions.

A consumer may stall silently: it heartbeats, stays a member, and its fetches are never answered; or it fetches, and no
longer finds the group's coordinator. Nothing but the clock shows it, and only a fresh client that gets an answer tells
it from an outage.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from lmshooks.adapters.kafka_client import describe
from lmshooks.adapters.parsed_records import Unreadable
from lmshooks.core.positions import Partition

log = logging.getLogger(__name__)

STALL = 30.0
"""Seconds without an answered fetch of a partition that is polled, while a fresh client gets an answer: a stall."""
REST = 5.0
"""Seconds for which a partition is left alone that only a broker can mend, perhaps from another one's copy."""


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


class Faults:
    """Why nothing comes in, or not everything: of the consumer (None), and of single partitions.

    Whoever tells of one says when it is over.
    """

    def __init__(self) -> None:
        self._why: dict[TopicPartition | None, str] = {}
        self.told_at = time.monotonic()
        """When the consumer's was last told (monotonic seconds)."""

    @property
    def first(self) -> str | None:
        """The one to show: the consumer's before those of partitions. None while all is well."""
        return self._why.get(None) or next(iter(self._why.values()), None)

    def tell(self, why: str, tp: TopicPartition | None = None) -> None:
        """There is one."""
        self._why[tp] = why
        if tp is None:
            self.told_at = time.monotonic()

    def stand(self, why: str) -> None:
        """The consumer's is still there; `why`, where none was told that says more."""
        self.tell(self._why.get(None) or why)

    def over(self, *tps: TopicPartition | None) -> None:
        """There is none of these."""
        for tp in tps:
            self._why.pop(tp, None)

    def forget(self) -> None:
        """There is none at all: another assignment."""
        self._why.clear()


class Watchdog:
    """Watches one intake over all its consumers. `answers` asks a fresh client whether Kafka is there."""

    def __init__(
        self, stall: float, joining: float, answers: Callable[[list[TopicPartition]], Awaitable[bool]]
    ) -> None:
        """`joining`: seconds that getting an assignment may take, over `stall`."""
        self._stall = stall
        self.patience = stall + joining
        """Seconds without a turn of the poll loop after which it is told why."""
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
            absent = now - self.last_poll > self.patience
            stuck = [tp for tp, feed in feeds().items() if feed.ready and feed.stuck(consumer, tp, now, self._stall)]
            if absent:
                # Not even polling: joining the group, or waiting for an assignment that does not come.
                tell("no assignment from the group")
            # With a pattern there may be no partition to ask about; the group's coordinator is asked all the same.
            if (absent or stuck) and await self._answers(stuck or asked):
                log.error("intake.stalled partitions=%d", len(stuck))
                if not stuck:
                    raise KafkaError("stalled: no assignment from the group")
                raise KafkaError(f"stalled: no fetch of {stuck[0].topic}/{stuck[0].partition} was answered")
            silent = silent_since()
            if silent is not None and now - silent > self._stall and await self._answers(list(feeds())):
                if answered == silent:  # not the first time: a group that has just come back has a moment for ours
                    log.error("intake.stalled partitions=%d", len(feeds()))
                    raise KafkaError("stalled: no commit was answered")
                answered = silent


class Expiring(Protocol):
    """Who says where a partition goes on of which retention took the position."""

    def on_expired(self, partition: Partition, log_start: int) -> int:
        """The log begins at `log_start` now; returns the offset to go on at."""


class Mender:
    """Sees to partitions that cannot be polled as they stand: they are `mending` meanwhile, and the others go on."""

    def __init__(
        self,
        feeds: Callable[[], Mapping[TopicPartition, Feed]],
        faults: Faults,
        go_on: Callable[[Partition, int], None],
        sink: Expiring,
    ) -> None:
        """`go_on` starts a partition anew, at an offset."""
        self._feeds = feeds
        self._faults = faults
        self._go_on = go_on
        self._sink = sink
        self.tasks: set[asyncio.Task[None]] = set()
        """What is under way, of one consumer: to be cancelled with it."""

    def out_of_range(self, consumer: AIOKafkaConsumer, bad: Iterable[TopicPartition]) -> None:
        """The log does not hold their positions."""
        for tp in bad:
            feed = self._feeds().get(tp)
            if feed is not None and feed.ready:
                feed.mending = True
                self._spawn(self._find_place(consumer, tp, feed))

    def unreadable(self, consumer: AIOKafkaConsumer, error: Unreadable) -> None:
        """What stands at its position cannot be parsed."""
        feeds = self._feeds()
        # What the same poll had read of other partitions is lost with the error: they go back to what was handed over.
        for tp, feed in feeds.items():
            if feed.ready:
                with contextlib.suppress(IllegalStateError):
                    consumer.seek(tp, feed.position)
        tp, bad = error.tp, feeds.get(error.tp)
        if bad is not None and bad.ready:
            bad.mending = True
            with contextlib.suppress(IllegalStateError):
                consumer.pause(tp)
            self._faults.tell(f"{tp.topic}/{tp.partition} cannot be read at {error.offset}: {error.why}", tp)
            log.error("intake.unreadable partition=%s/%d offset=%d why=%s", *tp, error.offset, error.why)
            self._spawn(self._rest(tp, bad))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _rest(self, tp: TopicPartition, feed: Feed) -> None:
        await asyncio.sleep(REST)
        if self._feeds().get(tp) is feed:
            # Its fault is over when its position moves.
            feed.mending = False
            self._go_on(Partition(*tp), feed.position)

    async def _find_place(self, consumer: AIOKafkaConsumer, tp: TopicPartition, feed: Feed) -> None:
        partition, position = Partition(*tp), feed.position
        while self._feeds().get(tp) is feed:
            try:
                log_start: int = (await consumer.beginning_offsets([tp]))[tp]
                log_end: int = (await consumer.end_offsets([tp]))[tp]
            except Exception as error:
                # aiokafka raises more than KafkaErrors; unseen, it would hold the partition for ever.
                log.warning("intake.bounds_unknown partition=%s/%d why=%s", *tp, describe(error))
                await asyncio.sleep(0.5)
                continue
            if self._feeds().get(tp) is not feed:
                return
            if position <= log_end:
                onward = self._sink.on_expired(partition, log_start) if position < log_start else position
                self._faults.over(tp)
                feed.mending = False
                self._go_on(partition, onward)
                return
            # The log ends before where we were: its tail was lost. Wait for it; never read anything twice unseen.
            self._faults.tell(f"{tp.topic}/{tp.partition} ends at {log_end}, before our position {position}", tp)
            log.error("intake.log_shrunk partition=%s/%d position=%d end=%d", *tp, position, log_end)
            await asyncio.sleep(REST)
