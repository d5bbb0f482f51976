"""Where does the CPU go? The daemon at full rate under a sampler: a flame graph each, and the modules' shares."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.bench import flames
from tests.bench.figures import Figure, figure
from tests.bench.rig import ACCOUNTS, Rig, started
from tests.kafka.daemons import SECRET

MOST = 12
"""Modules that are told."""


async def profile(rig: Rig) -> list[Figure]:
    """Where the CPU goes, by default and at one event a POST: shares by module, and a picture of each."""
    found = []
    for name, most, events in (("default", 100, 5 * rig.scale.events), ("single", 1, rig.scale.events)):
        topic = await rig.topic(events)
        stacks = flames.trimmed(await _sampled(rig, topic, most, events), "asyncio.runners:")
        whole = sum(stacks.values())
        title = f"lmshooks, {most} events a POST at most: {whole:,} samples of CPU"
        picture = flames.save(rig.pictures / f"profile-{name}.svg", stacks, title)
        found += [
            figure(f"{name}: {module}", "% of the CPU", [100 * share], note=str(picture) if at == 0 else "")
            for at, (module, share) in enumerate(flames.modules(stacks)[:MOST])
        ]
    return found


async def _sampled(rig: Rig, topic: str, most: int, events: int) -> dict[tuple[str, ...], int]:
    daemon = rig.make(topic, rig.subscriptions(ACCOUNTS, max_events=most))
    output = daemon.folder / "stacks"

    def spawn() -> None:
        command = [sys.executable, "-m", "tests.bench.sampled", str(output), "run", "--config", str(daemon.folder)]
        with daemon.log.open("ab") as log:
            daemon.process = subprocess.Popen(command, env={**os.environ, "SECRET": SECRET}, stderr=log)

    daemon.spawn = spawn  # type: ignore[method-assign]  # the same daemon, under the sampler
    rig.listening.take()
    async with started(daemon):
        await rig.arrived(events)
    return flames.load(output)
