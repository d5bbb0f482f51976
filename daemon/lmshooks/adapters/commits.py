"""How far has the group got? Commits with metadata, and the reading of both.

Commits that are asked for while one is under way go out together in the next. aiokafka's own `committed` leaves the
metadata out, so it is read by an admin client.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    IllegalStateError,
    InvalidCommitOffsetSizeError,
    KafkaError,
    OffsetMetadataTooLargeError,
    TopicAuthorizationFailedError,
)
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.structs import OffsetAndMetadata

from lmshooks.adapters.kafka_client import (
    KafkaSettings,
    TopicMissing,
    closed,
    connected_admin,
    describe,
    reading_options,
)

log = logging.getLogger(__name__)

_Offsets = dict[TopicPartition, OffsetAndMetadata]
_Asked = dict[TopicPartition, tuple[OffsetAndMetadata, "asyncio.Future[bool]"]]

_OF_ONE = (TopicMissing, TopicAuthorizationFailedError, OffsetMetadataTooLargeError, InvalidCommitOffsetSizeError)
"""What the group says of one partition, where it may have committed the others of the request."""


class Commits:
    """The group's offsets."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._admin: AIOKafkaAdminClient | None = None
        self._connecting = asyncio.Lock()
        self._asked: _Asked = {}
        self._refused: set[TopicPartition] = set()
        self._committer: asyncio.Task[None] | None = None
        self.silent_since: float | None = None
        """When the first of those commits was made that the group has not answered in time (monotonic seconds)."""

    async def commit(self, consumer: AIOKafkaConsumer, tp: TopicPartition, offset: int, metadata: str) -> bool:
        """Whether it is certainly committed, within twice the request time-out."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        before = self._asked.get(tp)
        if before is not None and not before[1].done():
            # Nothing says that the earlier one was committed; the later one covers it.
            before[1].set_result(False)
        self._asked[tp] = (OffsetAndMetadata(offset, metadata), answer)
        if self._committer is None or self._committer.done():
            self._committer = asyncio.create_task(self._send(consumer), name="commits")
        return await answer

    async def _send(self, consumer: AIOKafkaConsumer) -> None:
        while self._asked:
            asked, self._asked = self._asked, {}
            began = time.monotonic()
            made: set[TopicPartition] = set()
            try:
                # One lost partition would fail the whole request.
                ours = asked if _forgotten(consumer) else consumer.assignment()
                mine = {tp: what for tp, (what, _) in asked.items() if tp in ours}
                async with asyncio.timeout(2 * self._settings.request_timeout):
                    await self._make(consumer, mine, made)
            except (KafkaError, IllegalStateError, TimeoutError) as error:
                log.warning("commit.failed partitions=%d why=%s", len(asked), describe(error))
                if not isinstance(error, TimeoutError):
                    self.silent_since = None
                elif self.silent_since is None:
                    self.silent_since = began
            finally:
                for tp, (_, answer) in asked.items():
                    if not answer.done():
                        answer.set_result(tp in made)

    async def _make(self, consumer: AIOKafkaConsumer, mine: _Offsets, made: set[TopicPartition]) -> None:
        """Commits all at once, and each alone where the group refuses one of them. Adds to `made` what is committed.

        Which one it was that was refused, and whether all others were made, aiokafka does not say. One that was refused
        by itself is left out of the others' request until it is made.
        """
        shared = {tp: what for tp, what in mine.items() if tp not in self._refused}
        try:
            if shared:
                await _commit(consumer, shared)
                made.update(shared)
                self.silent_since = None
        except _OF_ONE as error:
            log.debug("commit of %d at once: %s", len(shared), describe(error))
        for tp in [tp for tp in mine if tp not in made]:
            try:
                await _commit(consumer, {tp: mine[tp]})
                made.add(tp)
                self._refused.discard(tp)
            except _OF_ONE as error:
                if tp not in self._refused:  # it is asked for again and again
                    log.warning("commit.failed partition=%s/%d why=%s", *tp, describe(error))
                self._refused.add(tp)
            self.silent_since = None

    def drop(self) -> None:
        """The partitions are given back: what is still asked for is not committed any more, and answered so.

        aiokafka makes a commit again and again while the coordinator is away, each time as the member that it is by
        then. One that outlived its assignment would so get past the group's generation, which is there to refuse it.
        """
        self.silent_since = None
        self._refused.clear()
        if self._committer is not None:
            self._committer.cancel()
        asked, self._asked = self._asked, {}
        for _, answer in asked.values():
            if not answer.done():
                answer.set_result(False)

    async def committed(self, tps: list[TopicPartition]) -> dict[TopicPartition, tuple[int | None, str]]:
        """Offset (None: never committed) and metadata of each. Raises what aiokafka raises."""
        try:
            admin = await self._connected()
            # All of them by name: brokers differ in what they leave out of an answer about everything.
            found = await admin.list_consumer_group_offsets(self._settings.group_id, partitions=tps)
        except Exception:
            await self.close()
            raise
        answer: dict[TopicPartition, tuple[int | None, str]] = {}
        for tp in tps:
            known = found.get(tp)
            answer[tp] = (known.offset, known.metadata or "") if known is not None and known.offset >= 0 else (None, "")
        return answer

    async def answers(self, tps: list[TopicPartition]) -> bool:
        """Whether a fresh client is answered by the leaders of these partitions and by the group's coordinator."""
        consumer = AIOKafkaConsumer(**reading_options(self._settings))
        try:
            async with asyncio.timeout(3 * self._settings.request_timeout):
                await consumer.start()
                await consumer.end_offsets(tps)
                await self.committed(tps)
                return True
        except Exception as error:
            log.debug("kafka does not answer: %s", describe(error))
            await self.close()
            return False
        finally:
            await closed(consumer, self._settings.request_timeout)

    async def close(self) -> None:
        """Drops the admin client; the next use makes another."""
        admin, self._admin = self._admin, None
        if admin is not None:
            with contextlib.suppress(Exception):
                await admin.close()

    async def _connected(self) -> AIOKafkaAdminClient:
        async with self._connecting:  # of two at once the second would take the place of the first, which stays open
            if self._admin is None:
                self._admin = await connected_admin(self._settings)
            return self._admin


def _forgotten(consumer: AIOKafkaConsumer) -> bool:
    """Whether aiokafka has forgotten an assignment that the group still takes commits of.

    With a pattern it subscribes anew when topics come or go, and only then has the partitions given back: their last
    commit comes in between. Until they are given back, which is when `drop` is called, the member and its generation
    are those of the assignment that was; one that the group has dropped has none, and does not commit.
    """
    if consumer.assignment():
        return False
    subscription, coordinator = consumer._subscription.subscription, consumer._coordinator
    return (
        subscription is not None
        and subscription.assignment is None
        and coordinator is not None
        and coordinator.generation != OffsetCommitRequest.DEFAULT_GENERATION_ID
    )


async def _commit(consumer: AIOKafkaConsumer, offsets: _Offsets) -> None:
    if _forgotten(consumer):
        await consumer._coordinator.commit_offsets(None, offsets)  # what consumer.commit does after it has looked
    else:
        await consumer.commit(offsets)


async def beginnings(
    consumer: AIOKafkaConsumer, start: str, starts: dict[TopicPartition, int], ends: dict[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """Where a group without commits begins, by the setting `start` and the bounds of the logs."""
    if start == "earliest":
        return starts
    if start == "latest":
        return ends
    when = datetime.fromisoformat(start)
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    found = await consumer.offsets_for_times(dict.fromkeys(ends, max(0, int(when.timestamp() * 1000))))
    return {tp: found[tp].offset if found.get(tp) is not None else end for tp, end in ends.items()}
