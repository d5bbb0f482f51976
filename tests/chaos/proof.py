"""Would the harness see a daemon that breaks a law? Three bugs put in on purpose, each of which must be convicted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.chaos.bugs import BUGS
from tests.chaos.checker import judge
from tests.chaos.plan import Plan, half_dead
from tests.chaos.proxy import Weather
from tests.chaos.verdicts import Judgement, Wrong
from tests.chaos.world import Setting, World
from tests.kafka.brokers import ApacheKafka

CONVICTED = {
    "commit-before-the-state-write": {Wrong.COMMITTED, Wrong.LOST},
    "no-tenure-check": {Wrong.TWO_OWNERS, Wrong.COMMITTED, Wrong.LOST, Wrong.DISORDERED, Wrong.REPEATED},
    "window-end-not-written": {Wrong.EARLY},
}
"""Bug -> what it must be convicted of, one of these at least."""


async def prove(folder: Path, seed: int) -> int:
    """Each bug in a world of its own, and the daemon as it is in the same ones: convicted, and acquitted."""
    failed = 0
    for bug, wanted in CONVICTED.items():
        for put_in in (bug, None):
            setting = Setting(seed, 300.0, instances=(False, False), replicas=1, bug=put_in)
            judgement = await _run(folder / f"{bug}-{put_in is not None}", setting, SCENES[bug])
            found = wanted & judgement.wrong.keys()
            right = bool(found) if put_in else not judgement.wrong
            failed += not right
            said = ", ".join(f"{wrong}: {judgement.wrong[wrong]}" for wrong in judgement.wrong) or "nothing"
            print(f"{'' if right else 'FAILED '}{bug}, {'put in' if put_in else 'not in'}: {said}", flush=True)
    return failed


async def _run(folder: Path, setting: Setting, scene: Callable[[World, Plan], Awaitable[None]]) -> Judgement:
    cluster = await asyncio.to_thread(lambda: ApacheKafka(1, doors=len(setting.instances)).start())
    try:
        async with World(folder, cluster.bootstrap, setting, cluster) as world:
            world.load()
            dying = world.background(half_dead(world))
            await scene(world, Plan(world, say=False))
            dying.cancel()
            await world.listeners["half-dead"].set(None)
            await world.unload()
            await world.settle(40 if setting.bug else 120)
            await world.gather()
            return judge(world.book.histories())
    finally:
        cluster.close()


async def _owing(world: World, plan: Plan) -> None:
    """Listeners fail; instances are killed when what is owed to these is written down for the first time."""
    for _ in range(3):
        await asyncio.gather(
            plan.do("listener 500", "every"), plan.do("listener refuses", "changing"),
            plan.do("listener hangs", "healthy"), _later(1.3, plan.do("kill", "a")), _later(1.8, plan.do("kill", "b")),
        )  # fmt: skip


async def _later(seconds: float, what: Awaitable[None]) -> None:
    """A checkpoint passes what failed only after another one: a second or two."""
    await asyncio.sleep(seconds)
    await what


async def _zombie(world: World, plan: Plan) -> None:
    """An instance loses its brokers for longer than its session, keeps its listeners, and has something to retry."""
    await asyncio.sleep(3)
    for _ in range(2):
        proxies = world.doors[0]
        began = time.time()
        await world.listeners["every"].set(None)
        for proxy in proxies:
            await proxy.set(Weather.SILENT)
        await asyncio.sleep(world.setting.session + 12)
        for proxy in proxies:
            await proxy.set(Weather.CLEAR)
        plan.note(began, "Kafka's network silent", world.instances[0].name)
        await plan.do("sleep", "b")
        await asyncio.sleep(4)


async def _closing(world: World, plan: Plan) -> None:
    """Windows close."""
    await asyncio.sleep(25)


SCENES = {
    "commit-before-the-state-write": _owing,
    "no-tenure-check": _zombie,
    "window-end-not-written": _closing,
}
assert SCENES.keys() == CONVICTED.keys() == BUGS.keys()
