"""What can it do, and what does it cost? Every figure of the design's section "What it must reach", in one run.

    python -m tests.bench [SCENARIO ...] [--quick] [--list] [--json FILE] [--render FILE]

Each figure stands beside a baseline that was measured in the same run, in turn with it (A B A B). Nothing here passes
or fails: the table has what the design wants beside what was seen. `--render` prints the Markdown of a run saved as
JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from tests.bench import backlog, configuring, latency, profiling, recovery, scaling, throughput
from tests.bench.figures import Figure, conditions, render, save, table
from tests.bench.listening import Listening
from tests.bench.rig import Rig, Scale
from tests.kafka.brokers import ApacheKafka, NoKafka

FULL = Scale(rounds=3, events=200_000, seconds=10.0, backlog=1_000_000)
QUICK = Scale(rounds=1, events=60_000, seconds=3.0, backlog=100_000)


class Scenario(NamedTuple):
    """Something to measure."""

    run: Callable[[Rig], Awaitable[list[Figure]]]
    wanted: bool = False
    """Whether the design has a goal for it: these run if none is named."""

    @property
    def says(self) -> str:
        return (self.run.__doc__ or "").strip()


SCENARIOS = {
    "method": Scenario(throughput.method),
    "throughput": Scenario(throughput.goals, wanted=True),
    "subscriptions": Scenario(throughput.subscriptions),
    "fan-out": Scenario(throughput.fan_out, wanted=True),
    "events-a-post": Scenario(throughput.events_a_post),
    "payload": Scenario(throughput.payload),
    "dead": Scenario(throughput.dead),
    "tls": Scenario(throughput.tls),
    "latency": Scenario(latency.at_rates, wanted=True),
    "isolation": Scenario(latency.isolation, wanted=True),
    "kill": Scenario(recovery.kill, wanted=True),
    "start": Scenario(recovery.start, wanted=True),
    "configuration": Scenario(configuring.sizes, wanted=True),
    "backlog": Scenario(backlog.drain, wanted=True),
    "owed": Scenario(backlog.owed, wanted=True),
    "window": Scenario(backlog.window),
    "scale-out": Scenario(scaling.out),
    "profile": Scenario(profiling.profile),
}


async def measure(rig: Rig, names: list[str], path: Path) -> bool:
    """One scenario after another; what is there is saved after each. Whether all gave their figures."""
    told = conditions()
    found: dict[str, list[Figure]] = {}
    broken: list[str] = []
    for name in names:
        began = time.monotonic()
        print(f"  {name}: {SCENARIOS[name].says}", file=sys.stderr, flush=True)
        try:
            found[name] = await SCENARIOS[name].run(rig)
        except Exception:
            # The others may still be told; the run ends with status 1.
            traceback.print_exc()
            broken.append(name)
            continue
        print(f"\n{name} ({time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f})\n")
        print(table(found[name]) + "\n", flush=True)
        save(path, told, found)
    if broken:
        print(f"no figures of {', '.join(broken)}: see above", file=sys.stderr)
    return not broken


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument(
        "scenarios", nargs="*", metavar="SCENARIO", help="see --list; those with a goal if none is named"
    )
    parser.add_argument("--list", action="store_true", help="say which scenarios there are")
    parser.add_argument("--quick", action="store_true", help="one round, short runs, a small backlog")
    parser.add_argument("--rounds", type=int, help="of every comparison")
    parser.add_argument("--events", type=int, help="of a run at full rate")
    parser.add_argument("--backlog", type=int, help="events of the backlog, of the window, and of what is owed")
    parser.add_argument("--json", type=Path, help="save the figures there instead of in last.json beside the pictures")
    parser.add_argument("--pictures", type=Path, help="the folder for what is drawn, instead of .cache/bench")
    parser.add_argument("--render", type=Path, metavar="FILE", help="print the Markdown of a saved run, and end")
    chosen = parser.parse_args()
    if chosen.list:
        for name, one in SCENARIOS.items():
            print(f"{name:<16} {'goal' if one.wanted else '    '}  {one.says}")
        return 0
    if chosen.render:
        print(render(chosen.render, lambda name: SCENARIOS[name].says if name in SCENARIOS else ""))
        return 0
    names = chosen.scenarios or [name for name, one in SCENARIOS.items() if one.wanted]
    if unknown := [name for name in names if name not in SCENARIOS]:
        parser.error(f"unknown scenario {', '.join(unknown)}; expected {', '.join(SCENARIOS)}")
    given = {"rounds": chosen.rounds, "events": chosen.events, "backlog": chosen.backlog}
    scale = (QUICK if chosen.quick else FULL)._replace(**{name: one for name, one in given.items() if one})
    try:
        kafka = ApacheKafka().start()
    except NoKafka as why:
        print(f"no Apache Kafka: {why}", file=sys.stderr)
        return 2
    try:
        with tempfile.TemporaryDirectory(prefix="lmshooks-bench-") as folder, Listening() as listening:
            rig = Rig(kafka, listening, Path(folder), scale)
            rig.pictures = chosen.pictures or rig.pictures
            rig.pictures.mkdir(parents=True, exist_ok=True)
            whole = asyncio.run(measure(rig, names, chosen.json or rig.pictures / "last.json"))
    finally:
        kafka.close()
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
