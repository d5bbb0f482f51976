"""When does what go wrong? A plan from a seed: faults alone and mixed, the rarest kinds first, and pauses."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Container

from tests.chaos.answering import Mood
from tests.chaos.faults import Faults, Kind
from tests.chaos.histories import Faulted
from tests.chaos.world import World

AT_ONCE = 4
"""Faults that go on at one time, at most, where they are mixed."""
MIXED = 45.0
"""Seconds of mixed faults, then a pause."""
ALONE = 60.0
"""Seconds of faults one after the other, each with a pause of its own."""
PAUSE = 6.0
"""Seconds in which a recovery is seen undisturbed."""
LONG = 15.0
"""Seconds a pause waits for the faults of its round: a rolling restart while brokers are away may take a minute."""
TRIED = 6
"""Of the rarest kinds, how many are looked at for one that may begin now."""


class Plan:
    """Runs faults until the time is over. The seed decides what comes, not when a process gets to run."""

    def __init__(self, world: World, say: bool = True, only: str = "") -> None:
        """`only`: kinds whose names have these words in them, and no other."""
        self.world = world
        self.rng = random.Random(f"{world.setting.seed}/plan")
        self.faults = Faults(world, random.Random(f"{world.setting.seed}/faults"))
        self.faults.kinds = [kind for kind in self.faults.kinds if only in kind.name]
        self.done: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        """By kind: how often it was begun among others, and alone."""
        self._say = say
        self._busy: set[str] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._began = 0.0

    async def run(self, seconds: float) -> None:
        """Raises what a fault raises: a harness that breaks proves nothing."""
        self._began = time.monotonic()
        dying = asyncio.create_task(half_dead(self.world, self._busy))
        try:
            while time.monotonic() - self._began < seconds:
                await self._round(False, min(MIXED, self._left(seconds)))
                await self._round(True, min(ALONE, self._left(seconds)))
        finally:
            dying.cancel()
            await self._over()
            await self.world.listeners["half-dead"].set(None)
        await self.faults.heal()

    def _left(self, seconds: float) -> float:
        return self._began + seconds - time.monotonic()

    async def _round(self, alone: bool, seconds: float) -> None:
        """Faults for so many seconds, and until they are over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.world.check()
            self._begin(alone)
            if alone:
                await self._over(LONG)
                await asyncio.sleep(PAUSE)
            else:
                await asyncio.sleep(self.rng.uniform(0.5, 3.0))
                self._collect()
        await self._over(LONG)
        await asyncio.sleep(0.0 if alone else PAUSE)

    async def do(self, name: str, target: str) -> None:
        """One fault, by its name, from beginning to end."""
        await self._do(next(kind for kind in self.faults.kinds if kind.name == name), target, name)

    def note(self, began: float, kind: str, target: str) -> None:
        """A fault that ends now."""
        self.world.book.write(Faulted(began, time.time(), kind, target))

    def _begin(self, alone: bool) -> None:
        if len(self._running) >= (1 if alone else AT_ONCE):
            return
        done = self.done[alone]
        order = sorted(self.faults.kinds, key=lambda kind: (done[kind.name], self.rng.random()))
        if self.rng.random() < 0.25:
            self.rng.shuffle(order)
        for kind in order[:TRIED]:
            target = self.faults.target(kind)
            held = self._free(kind, target)
            if held:
                done[kind.name] += 1
                self._start(kind, target, held)
                return

    def _free(self, kind: Kind, target: str) -> str:
        """What the fault would hold; "" where that is held already."""
        own = {"listener": target}.get(kind.resource, f"{kind.resource} {target}".strip())
        # A fault of the files restarts every instance; the others of an instance may overlap with the network's.
        instances = any(one.startswith("instance") for one in self._busy)
        clash = (kind.resource == "instance" and "files" in self._busy) or (kind.resource == "files" and instances)
        return "" if clash or own in self._busy else own

    def _start(self, kind: Kind, target: str, held: str) -> None:
        self._busy.add(held)
        self._running.add(asyncio.create_task(self._do(kind, target, held)))

    async def _do(self, kind: Kind, target: str, held: str) -> None:
        began = time.time()
        if self._say:
            print(f"{time.monotonic() - self._began:7.1f} s  {kind.name} {target}", flush=True)
        try:
            await kind.does(target)
        finally:
            self._busy.discard(held)
            self.note(began, kind.name, target)

    def _collect(self) -> None:
        for task in [task for task in self._running if task.done()]:
            self._running.discard(task)
            task.result()

    async def _over(self, timeout: float | None = None) -> None:
        """Until what goes on is over, but for what takes longer than so many seconds."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout)
            self._collect()


async def half_dead(world: World, busy: Container[str] = ()) -> None:
    """One listener is dead half of the time, whatever else happens; not while it is `busy` with another fault."""
    listener = world.listeners["half-dead"]
    while True:
        await asyncio.sleep(7.0)
        if "half-dead" not in busy:
            dead = listener.mood is Mood.REFUSES
            await listener.set(None if dead else Mood.REFUSES)
            if not dead:
                world.book.write(Faulted(time.time(), time.time() + 7.0, "listener half dead", "half-dead"))
