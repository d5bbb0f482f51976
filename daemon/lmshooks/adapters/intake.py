"""Which partitions are ours, what comes in on them, and how far is committed? The consumer group.

    group says "yours"  -> paused at once; committed offset, metadata and log bounds are asked for
                        -> sink.on_assigned(...)          the machine claims the partition
    start_at(p, offset) -> records flow: sink.on_records  (hold(p, True/False) stops and goes on)
    group takes it back -> nothing more flows; sink.on_revoked is awaited: the last checkpoint; commits still work

The group protocol is eager: every rebalance takes all partitions back, and forgets pauses. aiokafka hands out records
while its `assigned` callback still runs, so the callback pauses before it awaits, and only partitions that were started
are polled. `getmany` is never cancelled while its consumer is to be used again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError, OffsetOutOfRangeError

from lmshooks.adapters.commits import Commits, beginnings
from lmshooks.adapters.kafka_client import KafkaSettings, closed, describe
from lmshooks.adapters.membership import MAX_RECORDS, Member, Standing, introduce
from lmshooks.adapters.parsed_records import Unreadable
from lmshooks.adapters.watchdog import STALL, Faults, Feed, Mender, Watchdog
from lmshooks.core.events import Record
from lmshooks.core.positions import Partition

log = logging.getLogger(__name__)

_LONG_HOLD = 2.0
"""Seconds after which a held partition is paused: until then its buffer is kept."""
_POLL_MS, _HELD_POLL_MS = 100, 5
"""Milliseconds that a poll waits for records; and while partitions are held, which do not cut a poll short when they go
on."""
_SCAN = 0.05
"""Seconds between looks at positions that moved without records (gaps, control records)."""

_Answer = dict[TopicPartition, Sequence[Record]]


class Sink(Protocol):
    """Who takes what comes in: the loop. Offsets are Kafka's; sync methods must not block."""

    async def on_assigned(
        self, partition: Partition, committed: int | None, metadata: str, log_start: int, log_end: int, start: int
    ) -> None:
        """The group gave us the partition. Answered by `start_at`, when the machine says so."""

    async def on_revoked(self, partitions: Sequence[Partition]) -> None:
        """The group takes them back when this returns: the last checkpoint is taken here; commits still work."""

    def on_lost(self, partitions: Sequence[Partition]) -> None:
        """They are gone already."""

    def on_records(self, partition: Partition, records: Sequence[Record], next_offset: int, log_end: int) -> None:
        """Records in order; none where only the position moved."""

    def on_expired(self, partition: Partition, log_start: int) -> int:
        """The position is no longer in the log; returns where to go on."""


class Intake(ConsumerRebalanceListener):  # type: ignore[misc]
    """The group member. `run` lives until `stop`; Kafka may go and come back meanwhile."""

    def __init__(self, settings: KafkaSettings, sink: Sink, stall: float = STALL) -> None:
        self._settings = settings
        self._sink = sink
        self._consumer: AIOKafkaConsumer | None = None
        self._feeds: dict[TopicPartition, Feed] = {}
        self._ready: tuple[TopicPartition, ...] = ()
        self._held: set[TopicPartition] = set()
        self._changed = asyncio.Event()
        self._stopping = False
        self._ended = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._commits = Commits(settings)
        self._asking = asyncio.Lock()
        self._faults = Faults()
        self._mender = Mender(lambda: self._feeds, self._faults, self.start_at, sink)
        self._watchdog = Watchdog(stall, settings.session_timeout, self._commits.answers)
        self._scanned = 0.0
        self.rebuilds = 0
        """Consumers made anew after the first."""

    @property
    def fault(self) -> str | None:
        """Why nothing comes in, or not from every partition, in one line; None while all is well."""
        return self._faults.first

    @property
    def alive(self) -> bool:
        """Whether it polls, or said lately why it does not: else only a restart helps."""
        patience = self._watchdog.patience + 6 * self._settings.request_timeout
        return time.monotonic() - max(self._watchdog.last_poll, self._faults.told_at) < patience

    @property
    def healthy(self) -> bool:
        """Whether we are in the group and polling."""
        return self.fault is None and self._consumer is not None and self._watchdog.polling

    @property
    def last_poll(self) -> float:
        """When the poll loop last went round (monotonic seconds)."""
        return self._watchdog.last_poll

    @property
    def assigned(self) -> tuple[Partition, ...]:
        """The partitions that the group gave us."""
        return tuple(Partition(*tp) for tp in self._feeds)

    # --- what the loop asks for -------------------------------------------------------------------------------------

    def start_at(self, partition: Partition, offset: int) -> None:
        """Records flow from `offset` on. Nothing happens where the partition is not ours any more."""
        tp = TopicPartition(*partition)
        feed, consumer = self._feeds.get(tp), self._consumer
        if feed is None or consumer is None:
            return
        with contextlib.suppress(IllegalStateError):
            consumer.seek(tp, offset)
            feed.started, feed.position, feed.since = True, offset, time.monotonic()
            if feed.held_since is None:
                consumer.resume(tp)
        self._recount()

    def hold(self, partition: Partition, held: bool) -> None:
        """No records of it until told otherwise."""
        tp = TopicPartition(*partition)
        feed = self._feeds.get(tp)
        if feed is None or held == (feed.held_since is not None):
            return
        if held:
            feed.held_since = time.monotonic()
        else:
            feed.held_since, feed.since = None, time.monotonic()
            if self._consumer is not None and feed.started and not feed.mending:
                with contextlib.suppress(IllegalStateError):
                    self._consumer.resume(tp)
        self._recount()

    async def commit(self, partition: Partition, offset: int, metadata: str) -> bool:
        """Whether the group's offset is certainly committed. False: it is not, or nobody knows."""
        tp, consumer = TopicPartition(*partition), self._consumer
        if consumer is None or tp not in self._feeds:
            return False
        return await self._commits.commit(consumer, tp, offset, metadata)

    async def log_end(self, partition: Partition) -> int | None:
        """Where the partition's log ends now; None where Kafka does not say in time."""
        tp, consumer = TopicPartition(*partition), self._consumer
        if consumer is None:
            return None
        try:
            async with asyncio.timeout(2 * self._settings.request_timeout):
                end: int = (await consumer.end_offsets([tp]))[tp]
                return end
        except (KafkaError, TimeoutError):
            return None

    # --- the life of consumers --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until `stop`. Makes a consumer, polls it, and makes another where it failed or stalled."""
        wait = 0.2
        while not self._stopping:
            began = time.monotonic()
            try:
                await self._live()
            except Exception as error:
                # aiokafka raises more than KafkaErrors. Whatever it was, the next consumer begins where this one stood.
                expected = isinstance(error, (KafkaError, OSError, TimeoutError))
                self._faults.tell(describe(error))
                log.warning("intake.failed why=%s", describe(error), exc_info=not expected)
            wait = 0.2 if time.monotonic() - began > 60 else min(wait * 2, 5.0)
            await self._pause(wait)

    async def _pause(self, wait: float) -> None:
        # A method of its own: `stop` may have been called meanwhile.
        if not self._stopping:
            self.rebuilds += 1
            await asyncio.sleep(wait)

    async def stop(self) -> None:
        """No more records; the sink's last checkpoint (`on_revoked`); then out of the group."""
        self._stopping = True
        self._ready = ()
        self._changed.set()
        consumer = self._consumer
        if consumer is None:
            return
        # aiokafka's stop() calls no callback.
        await self._give_back(tuple(self._feeds))
        await self._close(consumer)
        self._ended.set()

    async def _live(self) -> None:
        settings = self._settings
        member = Member(settings, self)
        self._consumer = consumer = member.consumer
        poll = asyncio.create_task(self._poll(member), name="intake-poll")
        watch = asyncio.create_task(
            self._watchdog.watch(
                consumer,
                feeds=lambda: self._feeds,
                asked=[TopicPartition(topic, 0) for topic in settings.topics[:1]],
                tell=self._faults.stand,
                silent_since=lambda: self._commits.silent_since,
            ),
            name="intake-watch",
        )
        ended = asyncio.create_task(self._ended.wait(), name="intake-ended")
        grown = asyncio.create_task(member.watch(), name="intake-partitions")
        try:
            await asyncio.wait({poll, watch, grown, ended}, return_when=asyncio.FIRST_COMPLETED)
            for task in (poll, watch, grown):
                if task.done() and not task.cancelled() and not self._stopping:
                    task.result()
            if self._stopping:
                await ended
        finally:
            # Whatever ended it, this consumer is not used again: cancelling its getmany does no harm.
            if not self._stopping:
                self._lose(tuple(self._feeds))
                await self._close(consumer)
            helpers = (poll, watch, ended, grown)
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    async def _close(self, consumer: AIOKafkaConsumer) -> None:
        if self._consumer is consumer:
            self._consumer = None
        for task in (*self._tasks, *self._mender.tasks):
            task.cancel()
        await closed(consumer, self._settings.request_timeout)
        await self._commits.close()

    async def _poll(self, member: Member) -> None:
        consumer = await member.start()
        while not self._stopping:
            self._watchdog.last_poll = time.monotonic()
            self._pause_long_holds(consumer)
            ready = self._ready
            if not ready:
                # getmany without partitions would mean all of them; it alone raises what the group refuses.
                consumer._coordinator.check_errors()
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await self._changed.wait()
                continue
            answer = await self._taken(consumer, ready)
            self._faults.over(None)
            if answer is None:
                continue
            # No await from here on that gives way: what was read is handed over before any rebalance can begin.
            for tp, records in answer.items():
                await self._hand_over(consumer, tp, records)
            now = time.monotonic()
            if not answer or now - self._scanned > _SCAN:
                self._scanned = now
                for tp in ready:
                    await self._hand_over(consumer, tp, ())
            if answer:
                await asyncio.sleep(0)

    async def _taken(self, consumer: AIOKafkaConsumer, ready: Sequence[TopicPartition]) -> _Answer | None:
        """What came in; None where a partition is not as it was."""
        try:
            wait = _HELD_POLL_MS if self._held else _POLL_MS
            answer: _Answer = await consumer.getmany(*ready, timeout_ms=wait, max_records=MAX_RECORDS)
            return answer
        except OffsetOutOfRangeError as error:
            self._mender.out_of_range(consumer, error.args[0] if error.args else ())
            self._recount()
        except Unreadable as error:
            self._mender.unreadable(consumer, error)
            self._recount()
        except IllegalStateError:
            await asyncio.sleep(0)
        return None

    async def _hand_over(self, consumer: AIOKafkaConsumer, tp: TopicPartition, records: Sequence[Record]) -> None:
        feed = self._feeds.get(tp)
        if feed is None or self._stopping:
            return
        if not feed.ready:
            if records and feed.started:
                # Held while this poll was under way: its records are read again when the hold ends.
                with contextlib.suppress(IllegalStateError):
                    consumer.seek(tp, feed.position)
            return
        try:
            position: int = await consumer.position(tp)
        except IllegalStateError:
            return
        if position == feed.position and not records:
            return
        feed.position, feed.since = position, time.monotonic()
        self._faults.over(tp)
        self._sink.on_records(Partition(*tp), records, position, max(position, consumer.highwater(tp) or 0))

    def _pause_long_holds(self, consumer: AIOKafkaConsumer) -> None:
        # A buffer that nobody reads slows the other partitions of its broker by 100 ms a fetch.
        if not self._held:
            return
        now = time.monotonic()
        for tp in tuple(self._held):
            feed = self._feeds.get(tp)
            if feed is None or feed.held_since is None:
                self._held.discard(tp)
            elif now - feed.held_since > _LONG_HOLD:
                self._held.discard(tp)
                with contextlib.suppress(IllegalStateError):
                    consumer.pause(tp)

    def _recount(self) -> None:
        self._ready = tuple(tp for tp, feed in self._feeds.items() if feed.ready)
        self._held = {tp for tp, feed in self._feeds.items() if feed.held_since is not None}
        self._changed.set()

    # --- rebalances -------------------------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """aiokafka: before it joins again. Its heartbeats go on while this is awaited."""
        await self._give_back(tuple(revoked))

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """aiokafka: records may be handed out from now on, before this returns. No await in here."""
        consumer = self._consumer
        if consumer is None:
            return
        tps = tuple(assigned)
        for tp in tps:
            # A position, so that it is not looked up; a pause, so that nothing is fetched until `start_at`.
            consumer.seek(tp, 0)
            consumer.pause(tp)
        self._faults.forget()
        self._feeds = {tp: Feed() for tp in tps}
        self._recount()
        self._spawn(self._introduce(consumer, self._feeds))

    async def _give_back(self, tps: Sequence[TopicPartition]) -> None:
        known = [tp for tp in tps if tp in self._feeds]
        for tp in known:
            self._feeds[tp].started = False
        self._recount()
        if not known:
            return
        partitions = [Partition(*tp) for tp in known]
        try:
            async with asyncio.timeout(self._settings.session_timeout * 0.8):
                await self._sink.on_revoked(partitions)
        except TimeoutError:
            log.warning("intake.revoke_overdue partitions=%d", len(known))
        except Exception:
            # aiokafka would swallow it.
            log.exception("intake.revoke_failed")
        self._lose(known)

    def _lose(self, tps: Sequence[TopicPartition]) -> None:
        gone = [tp for tp in tps if self._feeds.pop(tp, None) is not None]
        self._faults.over(*gone)
        self._recount()
        self._commits.drop()
        if gone:
            self._sink.on_lost([Partition(*tp) for tp in gone])

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _introduce(self, consumer: AIOKafkaConsumer, feeds: dict[TopicPartition, Feed]) -> None:
        """Asks where the partitions stand, and tells the sink."""

        async def ask(tps: Sequence[TopicPartition]) -> dict[TopicPartition, Standing]:
            async with asyncio.timeout(3 * self._settings.request_timeout):
                async with self._asking:  # who fails closes the admin client, under whoever asks it too
                    committed = await self._commits.committed(list(tps))
                starts = await consumer.beginning_offsets(tps)
                ends = await consumer.end_offsets(tps)
                begin = await beginnings(consumer, self._settings.start, starts, ends)
            return {tp: Standing(*committed[tp], starts[tp], ends[tp], begin[tp]) for tp in tps}

        async def known(tp: TopicPartition, standing: Standing) -> None:
            if self._feeds is feeds and tp in feeds:
                self._faults.over(tp)
                await self._sink.on_assigned(Partition(*tp), *standing)

        def unknown(tp: TopicPartition, why: str) -> None:
            if tp in feeds:
                self._faults.tell(f"{tp.topic}/{tp.partition} is not known: {why}", tp)

        await introduce(list(feeds), lambda: self._feeds is feeds, ask, known, unknown)
