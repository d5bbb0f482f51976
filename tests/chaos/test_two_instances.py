"""Two instances share the partitions: one is killed and comes back, one is cut off from Kafka, one sleeps and wakes.

A zombie may repeat what it had in hand; it loses nothing, puts nothing out of order, and when it is back it sends
nothing that is another's by now.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.checker import TWO_OWNERS, judge
from tests.chaos.plan import Plan
from tests.chaos.proxy import Weather
from tests.chaos.world import Setting, World
from tests.kafka.brokers import ApacheKafka
from tests.kafka.jars import NoKafka, required

SESSION = 3.0
CUT = SESSION + TWO_OWNERS + 4
"""Seconds: longer than another's claim may go unnoticed."""


@pytest.fixture
def own_kafka() -> Iterator[ApacheKafka]:
    """With a door of its own for each instance."""
    try:
        broker = ApacheKafka(doors=2).start()
    except NoKafka as why:
        (pytest.fail if required() else pytest.skip)(f"no Apache Kafka: {why}")
    yield broker
    broker.close()


async def test_instances_that_are_killed_cut_off_and_asleep_break_no_law(
    own_kafka: ApacheKafka, tmp_path: Path
) -> None:
    setting = Setting(seed=11, rate=300, instances=(False, False), partitions=4, session=SESSION)
    async with World(tmp_path, own_kafka.bootstrap, setting, own_kafka) as world:
        plan = Plan(world, say=False)
        world.load()
        await asyncio.sleep(2)
        await plan.do("kill for long", "b")
        await cut_off(world, plan)
        await plan.do("sleep", "b")
        await world.unload()
        took = await world.settle(120)
        await world.gather()
        judgement = judge(world.book.histories())
    print("\n".join(judgement.lines()))
    assert not judgement.wrong, judgement.lines()
    assert took is not None, "it was not done with everything when it should have been"


async def cut_off(world: World, plan: Plan) -> None:
    """The first instance hears nothing of Kafka until another has long taken over."""
    began = time.time()
    for proxy in world.doors[0]:
        await proxy.set(Weather.SILENT)
    await asyncio.sleep(CUT)
    for proxy in world.doors[0]:
        await proxy.set(Weather.CLEAR)
    plan.note(began, "Kafka's network silent", world.instances[0].name)
    await asyncio.sleep(SESSION)
