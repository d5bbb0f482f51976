"""What does lmshooks lose, repeat and disorder under faults? `make chaos`, `kills`, `backlog`, `chaos-proof`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import uvloop

from tests.chaos.backlog import backlog
from tests.chaos.checker import Checker
from tests.chaos.histories import Book
from tests.chaos.kills import kill_often, told
from tests.chaos.plan import Plan
from tests.chaos.producing import MOST_LATE
from tests.chaos.proof import prove
from tests.chaos.report import Run, written
from tests.chaos.world import Setting, World
from tests.kafka.brokers import ApacheKafka
from tests.kafka.jars import ROOT

SETTLE = 600.0
"""Seconds in which all must be delivered once the faults are over."""


async def chaos(setting: Setting, minutes: float, folder: Path, report: Path, only: str = "") -> int:
    """Everything that can go wrong, for so many minutes, or what has some words in its name."""
    cluster = await asyncio.to_thread(lambda: ApacheKafka(3, doors=len(setting.instances)).start())
    try:
        async with World(folder, cluster.bootstrap, setting, cluster) as world:
            world.load()
            await Plan(world, only=only).run(minutes * 60)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(MOST_LATE):
                    while world.producing.behind > setting.rate:  # what brokers that were away kept it from
                        await asyncio.sleep(0.5)
            await world.unload()
            settled = await world.settle(SETTLE)
            await world.gather()
            exits = Counter(why for instance in world.instances for why in instance.exits)
    finally:
        cluster.close()
    command = f"make chaos MINUTES={minutes:g} SEED={setting.seed} RATE={setting.rate:g}"
    Run(setting.seed, minutes, setting.rate, command, settled, exits).save(folder)
    return judged(folder, report)


def judged(folder: Path, report: Path) -> int:
    """Judge the histories that a run left in a folder, and write the report."""
    gc.disable()  # what is kept are millions of lines without a cycle among them
    run, book = Run.load(folder), Book(folder / "histories")
    checker = Checker(book.histories())
    judgement = checker.run()
    written(run, checker, book, report)
    print("\n".join(judgement.lines()))
    print("\n".join(f"ended by itself, {n} times: {why}" for why, n in run.exits.items()) or "none ended by itself")
    print("faults: " + ", ".join(f"{kind} {count}" for kind, count in checker.blame.counts().most_common()))
    settled = "never" if run.settled is None else f"after {run.settled:.0f} s"
    print(f"nothing owed {settled}; the report is in {report}, the histories in {folder}")
    return int(bool(judgement.wrong) or run.settled is None)


async def kills(setting: Setting, count: int, folder: Path) -> int:
    """The form of issue-sized runs: kill -9 again and again under load, on one real broker."""
    kafka = await asyncio.to_thread(lambda: ApacheKafka().start())
    try:
        judgement, settled = await kill_often(folder, kafka.bootstrap, setting, count)
    finally:
        kafka.close()
    print("\n".join(judgement.lines()))
    print(told(judgement, count))
    return int(bool(judgement.wrong) or settled is None)


def main() -> int:
    """One of the runs; the exit status is 1 where a law was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("run", choices=("chaos", "judge", "kills", "backlog", "proof"))
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--rate", type=float, help="events a second (300; 2000 for kills)")
    parser.add_argument("--count", type=int, help="kills (50), or events of the backlog (1,000,000)")
    parser.add_argument("--only", default="", help="chaos: only faults that have this in their name")
    parser.add_argument("--histories", type=Path, help="judge: the folder that an earlier run of chaos named")
    parser.add_argument("--report", type=Path, default=ROOT / ".cache" / "chaos", help="where the report is written")
    args = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # an outage is hundreds of lines
    if args.run == "judge":
        return judged(args.histories, args.report)
    folder = Path(tempfile.mkdtemp(prefix="lmshooks-chaos-"))
    print(f"seed {args.seed}, histories in {folder}", flush=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        match args.run:
            case "chaos":
                setting = Setting(args.seed, args.rate or 300.0, replicas=3)
                status = runner.run(chaos(setting, args.minutes, folder, args.report, args.only))
            case "kills":
                status = runner.run(kills(Setting(args.seed, args.rate or 2000.0), args.count or 50, folder))
            case "backlog":
                status = runner.run(backlog(folder, args.count or 1_000_000))
            case _:
                status = runner.run(prove(folder, args.seed))
    if not status:
        shutil.rmtree(folder, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
