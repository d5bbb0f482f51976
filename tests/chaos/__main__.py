"""What does lmshooks lose, repeat and disorder under faults? `make chaos`, `kills`, `backlog`, `chaos-proof`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from tests.chaos.checker import judge
from tests.chaos.histories import Book
from tests.chaos.plan import Plan
from tests.chaos.world import Setting, World
from tests.kafka.brokers import ApacheKafka

SETTLE = 240.0


async def chaos(setting: Setting, minutes: float, folder: Path) -> int:
    cluster = await asyncio.to_thread(lambda: ApacheKafka(3, doors=len(setting.instances)).start())
    try:
        async with World(folder, cluster.bootstrap, setting, cluster) as world:
            world.load()
            plan = Plan(world)
            await plan.run(minutes * 60)
            await world.unload()
            took = await world.settle(SETTLE)
            print("settled in", took)
            await world.gather()
        print(dict(plan.done))
        for instance in world.instances:
            print(instance.name, instance.exits)
        judgement = judge(world.book.histories())
        print("\n".join(judgement.lines()))
        return bool(judgement.wrong) or took is None
    finally:
        cluster.close()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--rate", type=float, default=300)
    parser.add_argument("--judge", type=Path)
    args = parser.parse_args()
    if args.judge:
        print("\n".join(judge(Book(args.judge).histories()).lines()))
        return 0
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # an outage is hundreds of lines
    folder = Path(tempfile.mkdtemp(prefix="lmshooks-chaos-"))
    print("seed", args.seed, folder, flush=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(chaos(Setting(args.seed, args.rate, replicas=3), args.minutes, folder))


if __name__ == "__main__":
    began = time.monotonic()
    status = main()
    print(f"{time.monotonic() - began:.0f} s")
    sys.exit(status)
