"""How long do fetches wait at their broker? Long where nothing comes, and shortly as soon as anything does."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.protocol.fetch import FetchRequest

from lmshooks.adapters.kafka_client import LONG_POLL, QUIET, SHORT_POLL, closed
from lmshooks.adapters.membership import Member
from tests.kafka.clients import Indifferent, apache, make_topic, settings_for, until

__all__ = ["apache"]

PARTITIONS = 2


class Waits:
    """What the fetches of a member ask for, from now on."""

    def __init__(self, member: Member) -> None:
        self.asked: list[int] = []
        """Milliseconds, one for each request."""
        self._send = member.consumer._client.send
        member.consumer._client.send = self._note

    async def _note(self, node, request, **more):
        if isinstance(request, FetchRequest):
            self.asked.append(request._max_wait_ms)
        return await self._send(node, request, **more)


async def test_a_quiet_consumer_polls_long_and_a_busy_partition_beside_a_quiet_one_does_not_wait_for_it(apache):
    settings = settings_for(apache.bootstrap)
    (topic,) = settings.topics
    await make_topic(apache.bootstrap, topic, PARTITIONS)
    member = Member(settings, Indifferent())
    consumer = await member.start()
    producer = AIOKafkaProducer(bootstrap_servers=apache.bootstrap)
    await producer.start()
    tps = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    try:
        await until(lambda: len(consumer.assignment()) == PARTITIONS)
        for tp in tps:
            consumer.seek(tp, 0)
        waits = Waits(member)
        await until(lambda: LONG_POLL * 1000 in waits.asked)
        assert len(waits.asked) <= (QUIET / SHORT_POLL) * 1.5, "not more than it takes to be quiet"
        del waits.asked[:]
        await asyncio.sleep(8 * LONG_POLL)
        assert len(waits.asked) <= 8 + 1
        for number in range(20):
            await producer.send_and_wait(topic, b"x", partition=0)
            del waits.asked[:]
            assert [record.offset for record in (await consumer.getmany(*tps, timeout_ms=5000))[tps[0]]] == [number]
            await until(lambda: waits.asked)
            assert set(waits.asked) == {SHORT_POLL * 1000}
    finally:
        await producer.stop()
        await closed(consumer, 20.0)
