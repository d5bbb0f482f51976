"""Two instances share the partitions: one is killed and comes back, the other sleeps past its session and wakes.

A zombie may repeat what it had in hand; it loses nothing and puts nothing out of order.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.chaos.checker import judge
from tests.chaos.plan import Plan
from tests.chaos.world import Setting, World


async def test_a_killed_and_a_sleeping_instance_break_no_law(kafka: str, tmp_path: Path) -> None:
    setting = Setting(seed=11, rate=300, instances=(False, False), partitions=4, session=3.0)
    async with World(tmp_path, kafka, setting) as world:
        plan = Plan(world, say=False)
        world.load()
        await asyncio.sleep(2)
        await plan.do("kill for long", "a")
        await asyncio.sleep(2)
        await plan.do("sleep", "b")
        await world.unload()
        took = await world.settle(90)
        await world.gather()
        judgement = judge(world.book.histories())
    print("\n".join(judgement.lines()))
    assert not judgement.wrong, judgement.lines()
    assert took is not None, "it was not done with everything when it should have been"
