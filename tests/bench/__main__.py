"""What can it do, and what does it cost? Every figure of the design's section "What it must reach", in one run.

    python -m tests.bench [SCENARIO ... | --all] [--quick] [--list] [--report FOLDER] [--json FILE] [--render FILE]

Each figure stands beside a baseline that was measured in the same run, in turn with it (A B A B). Nothing here passes
or fails: the table has what the design wants beside what was seen. `--report docs` fills docs/performance.md: with what
was measured now, and with what earlier runs have left of the other scenarios in docs/performance.json.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from tests.bench import backlog, configuring, idle, latency, pages, profiling, recovery, scaling, throughput, writing
from tests.bench.figures import Figure, Measured, conditions, load, now, save, table
from tests.bench.listening import Listening
from tests.bench.probes import Others
from tests.bench.rig import Rig, Scale
from tests.kafka.brokers import ApacheKafka
from tests.kafka.jars import NoKafka

FULL = Scale(rounds=3, events=200_000, seconds=8.0, backlog=1_000_000, owed=10_000_000)
QUICK = Scale(rounds=1, events=60_000, seconds=3.0, backlog=100_000, owed=200_000)


class Scenario(NamedTuple):
    """Something to measure."""

    run: Callable[[Rig], Awaitable[list[Figure]]]
    takes: tuple[float, float]
    """Seconds on a quiet machine, in full and `--quick`."""
    wanted: bool = False
    """Whether the design has a goal for it: these run if none is named."""

    @property
    def says(self) -> str:
        return (self.run.__doc__ or "").strip()


SCENARIOS = {
    "method": Scenario(throughput.method, (45, 13)),
    "throughput": Scenario(throughput.goals, (90, 17), wanted=True),
    "subscriptions": Scenario(throughput.subscriptions, (100, 30)),
    "fan-out": Scenario(throughput.fan_out, (35, 6), wanted=True),
    "events-a-post": Scenario(throughput.events_a_post, (80, 25)),
    "payload": Scenario(throughput.payload, (75, 20)),
    "dead": Scenario(throughput.dead, (75, 41)),
    "tls": Scenario(throughput.tls, (50, 7)),
    "latency": Scenario(latency.at_rates, (340, 65), wanted=True),
    "isolation": Scenario(latency.isolation, (150, 49), wanted=True),
    "kill": Scenario(recovery.kill, (85, 19), wanted=True),
    "start": Scenario(recovery.start, (30, 8), wanted=True),
    "idle": Scenario(idle.nothing_to_do, (110, 25)),
    "state": Scenario(writing.state, (140, 45)),
    "configuration": Scenario(configuring.sizes, (40, 29), wanted=True),
    "backlog": Scenario(backlog.drain, (75, 8), wanted=True),
    "owed": Scenario(backlog.owed, (170, 4), wanted=True),
    "million": Scenario(backlog.million, (30, 12)),
    "window": Scenario(backlog.window, (150, 19)),
    "scale-out": Scenario(scaling.out, (60, 8)),
    "profile": Scenario(profiling.profile, (45, 4)),
}


async def measure(rig: Rig, plan: Mapping[str, float], told: Callable[[dict[str, Measured]], None]) -> bool:
    """One scenario after another; what there is is `told` after each. Whether all gave their figures.

    `plan`: how many seconds each should take.
    """
    found: dict[str, Measured] = {}
    broken: list[str] = []
    left, began, conditioned = dict(plan), time.monotonic(), conditions()
    print(f"{len(plan)} scenarios, about {_minutes(sum(plan.values()))}", file=sys.stderr)
    for number, (name, wanted) in enumerate(plan.items(), 1):
        at, since = time.monotonic(), now()
        slow = (at - began) / (sum(plan.values()) - sum(left.values())) if len(left) < len(plan) else 1.0
        says = f"{SCENARIOS[name].says} ({number} of {len(plan)}, {_minutes(slow * sum(left.values()))} to go)"
        print(f"  {name}: {says}", file=sys.stderr, flush=True)
        del left[name]
        try:
            with Others([*rig.broker, rig.listening.pid]) as others:
                figures = await SCENARIOS[name].run(rig)
        except Exception:
            # The others may still be told; the run ends with status 1.
            traceback.print_exc()
            broken.append(name)
            continue
        # Where a scenario does not tell of each run, what it was over the whole of it.
        figures = [replace(one, others=others.cores) if math.isnan(one.others) else one for one in figures]
        found[name] = Measured({**conditioned, "at": since}, figures)
        took = f"{time.monotonic() - at:.0f} s, planned {wanted:.0f}"
        print(f"\n{name} ({took}, load {os.getloadavg()[0]:.1f})\n\n{table(figures)}\n", flush=True)
        told(found)
    if broken:
        print(f"no figures of {', '.join(broken)}: see above", file=sys.stderr)
    return not broken


def _minutes(seconds: float) -> str:
    return f"{math.ceil(seconds / 60)} minutes" if seconds > 60 else f"{seconds:.0f} seconds"


def says(name: str) -> str:
    """What a scenario is about."""
    return SCENARIOS[name].says if name in SCENARIOS else ""


def planned(names: list[str], scale: Scale, quick: bool) -> dict[str, float]:
    """Seconds that each should take: as long as it did when last looked at, by what is asked for more or less."""
    usual = QUICK if quick else FULL
    more = scale.rounds / usual.rounds * (scale.events / usual.events + scale.backlog / usual.backlog) / 2
    mores = {"owed": scale.owed / usual.owed}
    return {name: SCENARIOS[name].takes[quick] * mores.get(name, more) for name in names}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument(
        "scenarios", nargs="*", metavar="SCENARIO", help="see --list; those with a goal if none is named"
    )
    parser.add_argument("--list", action="store_true", help="say which scenarios there are")
    parser.add_argument("--all", action="store_true", help="every scenario")
    parser.add_argument("--quick", action="store_true", help="one round, short runs, a small backlog")
    parser.add_argument("--rounds", type=int, help="of every comparison")
    parser.add_argument("--events", type=int, help="of a run at full rate")
    parser.add_argument("--backlog", type=int, help="events of the backlog and of the window")
    parser.add_argument("--owed", type=int, help="events that are owed to dead endpoints")
    parser.add_argument("--json", type=Path, help="save the figures there instead of in last.json beside the pictures")
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="fill performance.md in it, with its pictures")
    parser.add_argument("--pictures", type=Path, help="the folder for what is drawn, instead of .cache/bench")
    parser.add_argument("--render", type=Path, metavar="FILE", help="print the Markdown of a saved run, and end")
    chosen = parser.parse_args()
    if chosen.list:
        for name, one in SCENARIOS.items():
            print(f"{name:<16} {'goal' if one.wanted else '    '} {one.takes[0]:>4.0f} s  {one.says}")
        return 0
    if chosen.render:
        if chosen.report:
            _report(chosen.report, load(chosen.render))
        else:
            print(pages.render(chosen.render, says))
        return 0
    wanted = [name for name, one in SCENARIOS.items() if one.wanted]
    names = chosen.scenarios or [*wanted, *(name for name in SCENARIOS if chosen.all and name not in wanted)]
    if unknown := [name for name in names if name not in SCENARIOS]:
        parser.error(f"unknown scenario {', '.join(unknown)}; expected {', '.join(SCENARIOS)}")
    given = {"rounds": chosen.rounds, "events": chosen.events, "backlog": chosen.backlog, "owed": chosen.owed}
    scale = (QUICK if chosen.quick else FULL)._replace(**{name: one for name, one in given.items() if one})
    # SIGTERM ends it as Ctrl-C does: with the broker, the listener and the senders that it started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        kafka = ApacheKafka().start()
    except NoKafka as why:
        print(f"no Apache Kafka: {why}", file=sys.stderr)
        return 2
    try:
        with tempfile.TemporaryDirectory(prefix="lmshooks-bench-") as folder, Listening() as listening:
            rig = Rig(kafka, listening, Path(folder), scale)
            rig.pictures = chosen.pictures or chosen.report or rig.pictures
            rig.pictures.mkdir(parents=True, exist_ok=True)

            def told(found: dict[str, Measured]) -> None:
                if chosen.report:
                    _report(chosen.report, found)
                if chosen.json or not chosen.report:
                    save(chosen.json or rig.pictures / "last.json", found)

            whole = asyncio.run(measure(rig, planned(names, scale, chosen.quick), told))
    finally:
        kafka.close()
    return 0 if whole else 1


def _report(folder: Path, found: dict[str, Measured]) -> None:
    """What was found, and what earlier runs have left of the other scenarios, in the order of the list."""
    known = load(folder / pages.NUMBERS) | found
    nothing = Measured({}, [])
    named = {name: known.get(name, nothing) for name, one in SCENARIOS.items() if one.wanted or name in known}
    pages.write(folder, named, says)


if __name__ == "__main__":
    sys.exit(main())
