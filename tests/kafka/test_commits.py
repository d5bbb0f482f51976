"""A commit belongs to the assignment in which it was asked for: it is made in that one, or not at all."""

from __future__ import annotations

import asyncio

from aiokafka import TopicPartition

from lmshooks.adapters.commits import Commits
from lmshooks.adapters.kafka_client import closed
from lmshooks.adapters.membership import Member
from tests.kafka.clients import Indifferent, make_topic, settings_for, until

LATER = 1.0
"""Seconds in which a commit that is still tried would be made: aiokafka's pause between two is a tenth of one."""


async def test_one_that_waits_for_its_coordinator_is_not_made_after_the_partitions_were_given_back(own_kafka):
    settings = settings_for(own_kafka.bootstrap, request_timeout=15.0)  # it is tried for twice that
    (topic,) = settings.topics
    await make_topic(own_kafka.bootstrap, topic, 2)
    old, new = TopicPartition(topic, 0), TopicPartition(topic, 1)
    consumer, commits = Member(settings, Indifferent()).consumer, Commits(settings)
    await consumer.start()
    try:
        await until(lambda: len(consumer.assignment()) == 2)
        own_kafka.kill()
        waiting = [asyncio.create_task(commits.commit(consumer, old, offset, "old")) for offset in (5, 6)]
        await asyncio.wait(waiting, timeout=0.5)  # the first is under way, and the second has taken its place
        commits.drop()
        await asyncio.to_thread(own_kafka.start)
        while not await commits.commit(consumer, new, 7, "new"):
            await asyncio.sleep(0.1)
        await asyncio.sleep(LATER)
        assert [one.done() and one.result() for one in waiting] == [False, False]
        assert await commits.committed([old, new]) == {old: (None, ""), new: (7, "new")}
    finally:
        await commits.close()
        await closed(consumer)
