"""What does a kill -9 cost? Under load, with four listeners: one well, one half dead, one slow, one of all accounts.

The one instance has a stable id, so that its next life goes on at once. Law 9 allows what three checkpoints settle.
"""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import replace
from pathlib import Path

from tests.chaos.checker import judge
from tests.chaos.histories import Faulted
from tests.chaos.plan import half_dead
from tests.chaos.specs import SPECS
from tests.chaos.verdicts import Judgement, Wrong
from tests.chaos.world import Setting, World

FOUR = SPECS[:4]
ALLOWED = 3 * 500
"""Events a kill may repeat: three checkpoints' worth at five hundred settled events each."""
SETTLE = 180.0


async def kill_often(folder: Path, bootstrap: str, setting: Setting, kills: int) -> tuple[Judgement, float | None]:
    """The judgement, and the seconds it took to be done with everything once the load stopped; None: it was not."""
    setting = replace(setting, instances=(True,), specs=FOUR, partitions=4)
    async with World(folder, bootstrap, setting) as world:
        (instance,) = world.instances
        world.load()
        dying = world.background(half_dead(world))
        for _ in range(kills):
            await asyncio.sleep(world.rng.uniform(1.5, 3.0))
            began = time.time()
            await instance.stop(signal.SIGKILL)
            instance.start()
            await instance.daemon.ready(60)
            world.book.write(Faulted(began, time.time(), "kill", instance.name))
        await asyncio.sleep(1.5)
        dying.cancel()
        await world.listeners["half-dead"].set(None)
        await world.unload()
        took = await world.settle(SETTLE)
        await world.gather()
        return judge(world.book.histories()), took


def told(judgement: Judgement, kills: int) -> str:
    """One line for people."""
    wrong = judgement.wrong
    most = max(judgement.repeated_by.values(), default=0)
    return (
        f"{judgement.logged} events, {judgement.delivered} deliveries, {kills} kills: {wrong[Wrong.LOST]} lost, "
        f"{wrong[Wrong.DISORDERED]} disordered, {judgement.duplicates} repeated: "
        f"{judgement.duplicates / max(1, kills):.0f} a kill, {most} at most; law 9 allows {ALLOWED}"
    )
