"""Partitions that are added to a topic find an owner, whoever leads the group and whatever it knows of that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewPartitions

from lmshooks.adapters.kafka_client import KafkaSettings, closed
from lmshooks.adapters.membership import LOOK, Member
from tests.kafka.clients import Indifferent, admin_of, apache, make_topic, settings_for, until

__all__ = ["apache"]


@asynccontextmanager
async def joined(settings: KafkaSettings, count: int) -> AsyncIterator[Member]:
    """A member that has so many partitions, and does not leave the group in order."""
    member = Member(settings, Indifferent())
    watching = asyncio.create_task(member.watch())
    await member.start()
    try:
        await until(lambda: len(member.consumer.assignment()) == count)
        yield member
    finally:
        watching.cancel()
        await closed(member.consumer, 20.0)


def generation_of(member: Member) -> int:
    """How often the group was shared out anew."""
    generation: int = member.consumer._coordinator.generation
    return generation


async def add_partition(bootstrap: str, topic: str, count: int) -> None:
    async with admin_of(bootstrap) as admin:
        await admin.create_partitions({topic: NewPartitions(total_count=count)})


async def sees(member: Member, topic: str, count: int) -> None:
    """It need not wait half a minute for it."""
    while len(member.consumer.partitions_for_topic(topic) or ()) != count:
        await member.refresh()


@pytest.mark.parametrize("instance_id", ["one", None])
async def test_an_added_partition_is_taken_though_the_leader_started_again(apache, instance_id):
    settings = settings_for(apache.bootstrap, instance_id=instance_id, session_timeout=30.0)
    (topic,) = settings.topics
    await make_topic(apache.bootstrap, topic, 2)
    async with joined(settings, 2):
        pass
    async with joined(settings, 2) as member:
        await add_partition(apache.bootstrap, topic, 3)
        await sees(member, topic, 3)
        await until(lambda: TopicPartition(topic, 2) in member.consumer.assignment())


async def test_with_the_partitions_that_it_joined_with_nobody_joins_again(apache):
    settings = settings_for(apache.bootstrap, instance_id="one")
    (topic,) = settings.topics
    await make_topic(apache.bootstrap, topic, 2)
    async with joined(settings, 2) as member:
        await member.refresh()
        await asyncio.sleep(3 * LOOK)
        assert generation_of(member) == 1


async def test_one_rebalance_is_enough_for_all(apache):
    settings = settings_for(apache.bootstrap)
    (topic,) = settings.topics
    await make_topic(apache.bootstrap, topic, 2)
    async with joined(settings, 2) as first, joined(settings, 1) as second:
        await until(lambda: len(first.consumer.assignment()) == 1)
        generation = generation_of(first)
        await add_partition(apache.bootstrap, topic, 4)
        await sees(second, topic, 4)
        await until(lambda: len(first.consumer.assignment()) == len(second.consumer.assignment()) == 2)
        await asyncio.sleep(3 * LOOK)
        assert generation_of(first) == generation + 1


async def test_one_that_has_no_partition_sees_to_the_first_that_is_added(apache):
    settings = settings_for(apache.bootstrap)
    (topic,) = settings.topics
    await make_topic(apache.bootstrap, topic, 1)
    async with joined(settings, 1), joined(settings, 0) as idle:
        await until(lambda: generation_of(idle) == 2)
        await add_partition(apache.bootstrap, topic, 2)
        await sees(idle, topic, 2)
        await until(lambda: len(idle.consumer.assignment()) == 1)
