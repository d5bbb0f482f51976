"""How does an instance take part in the group? Its consumer, a look at how many partitions there are, and the asking
where those stand that it was given.

aiokafka has the group's leader alone see to partitions that are added to a topic. A leader with a stable instance id
that starts again within its session is back without a rebalance, and is not told that it leads (KAFKA-13435): then
nobody sees to them, and what they hold waits for the next rebalance. So every member looks, and says how many it saw
when it joined: to one that says nothing new the broker only answers with what holds already.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, ClassVar, NamedTuple

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyAssignorUserDataV1, StickyPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from aiokafka.errors import KafkaError

from lmshooks.adapters.kafka_client import (
    KafkaSettings,
    describe,
    poll_long_when_quiet,
    reading_options,
    refuse_missing_topics,
)
from lmshooks.adapters.parsed_records import as_parsed

log = logging.getLogger(__name__)

MAX_RECORDS = 2000
"""Of one poll, at most."""
LOOK = 1.0
"""Seconds between looks at how many partitions there are, as far as the client knows: it asks every 30."""
_JOIN = 6.5
"""Seconds that a request of the group's consumer may take, at least: a join is answered after the group's initial
delay (3 s is a broker's default, the embedded one takes 3 to 5), and one that is given up begins anew, for ever."""


class _Assignor(StickyPartitionAssignor):  # type: ignore[misc]
    """aiokafka's sticky one; a subclass for each consumer, since it keeps what it knows in the class."""

    count: ClassVar[Callable[[Iterable[str]], dict[str, int]]]
    joined: ClassVar[dict[str, int]] = {}
    """Topic -> partitions, as said when joining."""

    @classmethod
    def metadata(cls, topics: Iterable[str]) -> Any:
        """What a member says when it joins. Who reads it reads the assignment, and not what follows it."""
        said = super().metadata(topics)
        cls.joined = cls.count(topics)
        assignment = said.user_data or StickyAssignorUserDataV1([], cls.DEFAULT_GENERATION_ID).encode()
        seen = orjson.dumps(cls.joined, option=orjson.OPT_SORT_KEYS)
        return ConsumerProtocolMemberMetadata(said.version, said.subscription, assignment + seen)


class Member(ConsumerRebalanceListener):  # type: ignore[misc]
    """A member of the group. Its consumer is subscribed, and not started yet."""

    def __init__(self, settings: KafkaSettings, listener: ConsumerRebalanceListener) -> None:
        """`listener` is told of partitions that come and go; see aiokafka."""
        self._listener = listener
        self._assignor: type[_Assignor] = type("Assignor", (_Assignor,), {"count": self._count})
        self.consumer = AIOKafkaConsumer(
            **(reading_options(settings) | {"request_timeout_ms": int(max(settings.request_timeout, _JOIN) * 1000)}),
            value_deserializer=as_parsed,
            group_id=settings.group_id,
            group_instance_id=settings.instance_id,
            session_timeout_ms=int(settings.session_timeout * 1000),
            heartbeat_interval_ms=int(min(1.0, settings.session_timeout / 5) * 1000),
            rebalance_timeout_ms=int(settings.session_timeout * 1000),
            # Its supervision knows nothing of holds; the watchdog does.
            max_poll_interval_ms=24 * 3600 * 1000,
            partition_assignment_strategy=[self._assignor],
            max_poll_records=MAX_RECORDS,
        )
        if settings.topic_pattern:
            self.consumer.subscribe(pattern=settings.topic_pattern, listener=self)
        else:
            self.consumer.subscribe(topics=list(settings.topics), listener=self)

    def _count(self, topics: Iterable[str]) -> dict[str, int]:
        return {topic: len(self.consumer.partitions_for_topic(topic) or ()) for topic in topics}

    async def start(self) -> AIOKafkaConsumer:
        """Join, however long that takes. Its consumer."""
        await self.consumer.start()
        poll_long_when_quiet(self.consumer)
        refuse_missing_topics(self.consumer)
        return self.consumer

    async def watch(self) -> None:
        """Join again where there are other partitions than those it joined with. Until cancelled."""
        told: dict[str, int] = {}
        while True:
            await asyncio.sleep(LOOK)
            joined = self._assignor.joined
            there = self._count(joined)
            if not any(count and count != joined[topic] for topic, count in there.items()):
                continue
            if there != told:
                told = there
                log.info("membership.partitions_changed joined=%s now=%s", joined, there)
            self.consumer._coordinator.request_rejoin()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """aiokafka: before it joins again. How many partitions there are is asked for: one rebalance is enough then."""
        await self._listener.on_partitions_revoked(revoked)
        await self.refresh()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> Any:
        """aiokafka: it has joined."""
        return self._listener.on_partitions_assigned(assigned)

    async def refresh(self) -> None:
        """Ask Kafka how many partitions there are, and wait for the answer, a second at most."""
        with contextlib.suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(LOOK):
                await self.consumer._client.force_metadata_update()


class Standing(NamedTuple):
    """Where a partition stands: what the group committed, its log's bounds, where a group without commits begins."""

    committed: int | None
    metadata: str
    log_start: int
    log_end: int
    start: int


async def introduce(
    tps: Sequence[TopicPartition],
    ours: Callable[[], bool],
    ask: Callable[[Sequence[TopicPartition]], Awaitable[dict[TopicPartition, Standing]]],
    known: Callable[[TopicPartition, Standing], Awaitable[None]],
    unknown: Callable[[TopicPartition, str], None],
) -> None:
    """Asks where partitions stand, for as long as it takes or they are `ours`; `known` is told, once of each.

    All at once; but one whose leader is missing fails the whole question. Then each is asked about alone, and only
    those wait that do not answer; `unknown` is told which and why.
    """
    wait = 0.1

    async def alone(tp: TopicPartition) -> bool:
        try:
            standing = (await ask([tp]))[tp]
        except Exception as error:
            if ours():
                log.warning("intake.assignment_unknown partition=%s/%d why=%s", *tp, describe(error))
                unknown(tp, describe(error))
            return False
        await known(tp, standing)
        return True

    while tps and ours():
        try:
            standings = await ask(tps)
        except Exception as error:
            # aiokafka raises more than KafkaErrors here (AttributeError on some group errors).
            log.warning("intake.assignment_unknown partitions=%d why=%s", len(tps), describe(error))
        else:
            for tp in tps:
                await known(tp, standings[tp])
            return
        answered = await asyncio.gather(*(alone(tp) for tp in tps))
        tps = [tp for tp, done in zip(tps, answered, strict=True) if not done]
        await asyncio.sleep(wait)
        wait = min(wait * 2, 2.0)
