"""What do many subscriptions cost? Time and memory to load them from YAML, and time to match an event against them.

python -m tests.bench.configuring FOLDER      what is in the folder, measured in this process, as a line of JSON
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from lmshooks.config import load
from lmshooks.core.catalogue import CATALOGUE
from lmshooks.core.routing import Index
from tests.bench.figures import Figure, figure
from tests.bench.probes import peak_of, resident_of
from tests.bench.rig import Rig
from tests.kafka.daemons import SECRET

COUNTS = (10, 1000, 10_000, 100_000)
MATCHED = 200_000
"""Events."""
ENTRY = """\
  - id: subscription-{at}
    account: "account-{account}"
    name: Completions to system {at}
    url: https://listener-{at}.example.com/hooks/learning
    auth:
      signature:
        secrets: [{{env: SECRET}}]
    events: [COURSE_COMPLETED, COURSE_ENROLLMENT, LEARNING_PATH_*]
"""
A_FILE = 1000
"""Subscriptions."""


def write(folder: Path, count: int) -> None:
    """A configuration folder with so many subscriptions, two an account."""
    (folder / "subscriptions").mkdir(parents=True)
    (folder / "daemon.yaml").write_text("kafka: {bootstrap_servers: localhost, topics: [events]}\n")
    for first in range(0, count, A_FILE):
        entries = [ENTRY.format(at=at, account=at // 2) for at in range(first, min(count, first + A_FILE))]
        text = "subscriptions:\n" + "".join(entries)
        (folder / "subscriptions" / f"{first // A_FILE:04}.yaml").write_text(text)


def measure(folder: Path, count: int) -> dict[str, float]:
    """In this process: seconds, MiB, and microseconds an event."""
    before, began, spent = resident_of(os.getpid()), time.perf_counter(), time.process_time()
    loaded = load(folder, {"SECRET": SECRET})
    took, spent = time.perf_counter() - began, time.process_time() - spent
    held, peak = resident_of(os.getpid()), peak_of(os.getpid())
    index = Index(loaded.configuration.subscriptions.values())
    names = sorted(CATALOGUE)
    # As many accounts as a partition's worth of traffic has at a time, whatever the number of subscriptions.
    pairs = [(f"account-{at * 7919 % (count // 2)}", names[at % len(names)]) for at in range(1000)]
    first = _matching(index, pairs, len(pairs))  # of the first sight of each; then they are remembered
    again = min(_matching(index, pairs, MATCHED) for _ in range(5))
    return {"seconds": took, "cpu": spent, "held": held - before, "peak": peak, "first": first, "again": again}


def _matching(index: Index, pairs: list[tuple[str, str]], events: int) -> float:
    """Microseconds of CPU an event."""
    began = time.process_time()
    for at in range(events):
        index.match(*pairs[at % len(pairs)])
    return (time.process_time() - began) / events * 1e6


async def sizes(rig: Rig) -> list[Figure]:
    """10 to 100,000 subscriptions: to load, to hold, to match."""
    found: dict[int, list[dict[str, float]]] = {}
    for count in COUNTS:
        folder = rig.folder / f"configuration-{count}"
        write(folder, count)
        command = [sys.executable, "-m", "tests.bench.configuring", str(folder), str(count)]
        for _ in range(1 if count == COUNTS[-1] else rig.scale.rounds):
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            found.setdefault(count, []).append(json.loads(done.stdout))
    figures = []
    least = found[COUNTS[0]]
    for count, runs in found.items():
        most = count == COUNTS[-1]
        beside = {"theirs": [one["again"] for one in least], "baseline": f"{COUNTS[0]} subscriptions"}
        flat = min(one["again"] for one in runs) <= 1.5 * min(one["again"] for one in least)
        figures += [
            figure(f"{count:,}, load", "s", [one["seconds"] for one in runs], **({"most": 15} if most else {}),
                   note=f"{runs[0]['cpu']:.2g} s of CPU"),
            figure(f"{count:,}, resident at most", "MiB", [one["peak"] for one in runs],
                   note=f"{runs[0]['held']:.0f} MiB of it the subscriptions", **({"most": 600} if most else {})),
            figure(f"{count:,}, matching", "us an event", [one["again"] for one in runs],
                   **(beside if count != COUNTS[0] else {}), **({"goal": "flat", "met": flat} if most else {}),
                   note=f"the first time {runs[0]['first']:.1f}"),
        ]  # fmt: skip
    return figures


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), int(sys.argv[2]))))
