"""What does an event cost inside the process, stage by stage? Real records, the real machine, and nothing outside it.

    python -m tests.bench.machine [CASE ...] [--rounds N] [--instructions] [--json FILE]

No Kafka, no HTTP, no event loop, and a time that is a plain number: what is counted is the machine's work alone, from
a record's bytes to the settled event, with the reporter's line and the signature that the shell adds. The least of the
rounds counts, so a change can be judged on a machine that is busy with other work; `--instructions` counts machine
instructions under valgrind instead, which no other work disturbs at all (slow: a minute a case).

    fetch ──> records ──> Post ... ──> sign ──> attempted      once a cycle, as answers come under load
                └──> WriteState ──> followed ──> Commit ──> committed
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from aiokafka.structs import ConsumerRecord

from lmshooks.adapters import logs
from lmshooks.adapters.reporting import Reporter
from lmshooks.core import signing
from lmshooks.core.commands import Commit, Entry, Post, WriteState
from lmshooks.core.configuration import Configuration, Limits
from lmshooks.core.dispatcher import Dispatcher
from lmshooks.core.positions import Partition
from lmshooks.core.retrying import Outcome
from lmshooks.core.subscriptions import Endpoint, SignatureAuth, Subscription
from tests.bench.events import event
from tests.bench.stages import MACHINE, Stages, calibrate

PARTITIONS = 4
FETCH = 500
"""Records handed in at once."""
ANSWERED = 10
"""Answers that come in one turn of the event loop."""
SECRET = b"k" * 32
OK = Outcome(200, None, None, 0.001, "ok")
EPOCH = 1.8e9


class Case(NamedTuple):
    """One way to load the machine."""

    says: str
    max_events: int = 100
    fan_out: int = 1
    """Subscriptions that want each event."""
    accounts: int = 100
    crowd: int = 0
    """Subscriptions more, of accounts that no event is of."""
    size: int = 600
    rate: float = 100_000.0
    """Events a second of the machine's time: how often a checkpoint falls due."""
    events: int = 20_000
    """In one round."""
    lag: int = 20
    """Fetches between two answers: what a delivery collects meanwhile."""


CASES = {
    "coalesced": Case("100 subscriptions, 100 events a delivery"),
    "single": Case("100 subscriptions, one event a delivery", max_events=1, rate=10_000.0, events=4000, lag=1),
    "fan-out": Case("100 accounts, five subscriptions each", fan_out=5),
    "crowd": Case("10,000 subscriptions, 100 of them busy", crowd=9900),
    "accounts": Case("10,000 subscriptions, all busy: two events a delivery", accounts=10_000, lag=40),
}


class Driver:
    """The shell's part, as cheap as can be: answers come once a cycle, state and commits a fetch later."""

    def __init__(self, case: Case, report: Reporter) -> None:
        self.case = case
        self.now = EPOCH
        subscriptions = [
            Subscription(
                f"s{account}.{copy}", f"account-{account}", ("*",),
                Endpoint("https://listener.example/hook", SignatureAuth((SECRET,))), max_events=case.max_events,
            )
            for account in range(case.accounts)
            for copy in range(case.fan_out)
        ]  # fmt: skip
        subscriptions += [Subscription(f"c{n}", f"crowd-{n}", ("*",), Endpoint("https://x")) for n in range(case.crowd)]
        configuration = Configuration({one.id: one for one in subscriptions}, version="1")
        self.machine = Dispatcher("one", configuration, Limits(), self.now)
        self.report = report
        self.signer = signing.Signer((SECRET,))
        self.posts: deque[Post] = deque()
        self.later: list[WriteState | Commit] = []
        self.state = 0
        self.ends = [0] * PARTITIONS
        self.delivered = self.deliveries = self.checkpoints = 0
        for number in range(PARTITIONS):
            self.machine.assigned(Partition("events", number), 0, "", 0, 0, 0, self.now)
        self.turn()
        while self.later:
            self.confirm()

    def turn(self) -> None:
        """Take what the machine says until it says no more."""
        while True:
            commands, facts = self.machine.take()
            for command in commands:
                if type(command) is Post:
                    self.posts.append(command)
                elif isinstance(command, WriteState | Commit):
                    self.later.append(command)
            if facts:
                self.report.report(facts, self.now)
            if not commands:
                return

    def confirm(self) -> None:
        """Kafka confirms what was written."""
        later, self.later = self.later, []
        for command in later:
            if isinstance(command, WriteState):
                entries = [Entry(self.state + at, self.now, *one) for at, one in enumerate(command.entries)]
                self.state += len(entries)
                self.checkpoints += 1
                self.machine.followed(entries, self.now)
            else:
                self.machine.committed(command, True, self.now)
            self.turn()

    def answer(self, posts: int) -> None:
        """The endpoints acknowledge so many of the requests that are out, oldest first, some in each turn."""
        while posts > 0:
            answered = [self.posts.popleft() for _ in range(min(posts, ANSWERED))]
            posts -= len(answered)
            for post in answered:
                self.signer.signature(post.delivery_id.encode(), int(self.now), post.body)
                self.delivered += post.events
                self.deliveries += 1
            self.machine.answered([(post, OK) for post in answered], self.now)
            self.turn()

    def feed(self, fetches: Sequence[tuple[int, list[ConsumerRecord]]]) -> None:
        """One round's records, each fetch at the next offsets of its partition."""
        for count, (number, records) in enumerate(fetches, 1):
            start = self.ends[number]
            for at, one in enumerate(records, start):
                object.__setattr__(one, "offset", at)
            self.ends[number] = end = start + len(records)
            self.machine.records(Partition("events", number), records, end, end, self.now)
            self.turn()
            self.confirm()
            self.now += len(records) / self.case.rate
            due = self.machine.next_wakeup()
            if due is not None and due <= self.now:
                self.machine.wake(self.now)
                self.turn()
            if self.case.max_events == 1:
                while self.posts:
                    self.answer(len(self.posts))
            elif count % self.case.lag == 0:
                self.answer(len(self.posts))

    def warm(self, fetches: Sequence[tuple[int, list[ConsumerRecord]]]) -> None:
        """Rounds until it is steady: caches, lanes, first records; and the machine has seen how soon Kafka confirms."""
        self.feed(fetches)
        while self.posts or any(lane.queued for own in self.machine.owned.values() for lane in own.lanes.values()):
            self.answer(len(self.posts))
            self.confirm()
            self.now += 0.02
            self.machine.wake(self.now)
            self.turn()
        self.feed(fetches)


def fetches_of(case: Case) -> list[tuple[int, list[ConsumerRecord]]]:
    """(partition, records) of one round, the partitions in turn; an account's events are in one partition."""
    logs: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
    for number in range(case.events):
        logs[number % case.accounts % PARTITIONS].append(event(number, case.accounts, case.size))
    stamp = int(EPOCH * 1000)
    made = []
    for at in range(0, max(map(len, logs)), FETCH):
        for partition, values in enumerate(logs):
            records = [
                ConsumerRecord("events", partition, 0, stamp, 0, None, value, None, 0, len(value), ())
                for value in values[at : at + FETCH]
            ]
            if records:
                made.append((partition, records))
    return made


class Cost(NamedTuple):
    """Microseconds an event (delivered to one subscription), by stage, and what else a case showed."""

    total: float
    """CPU without the wrapping: the figure to judge by."""
    stages: dict[str, float]
    share: float
    """Of the events fed, the part that was delivered: 1, or the case overflows and measures something else."""
    a_delivery: float
    """Events a delivery."""
    checkpoints: float
    """Checkpoints a thousand events."""
    gone: list[str]


def reporter() -> Reporter:
    """The daemon's, with its short way for the line of an attempt: as it is within an event loop, many in one write."""
    return Reporter("bench", lambda: EPOCH, logs.hot_lines())


async def fed(case: Case, rounds: int) -> None:
    """What is counted under valgrind."""
    driver = Driver(case, reporter())
    fetches = fetches_of(case)
    driver.warm(fetches)
    for _ in range(rounds):
        driver.feed(fetches)


async def measure(case: Case, rounds: int) -> Cost:
    """The least of the rounds, of each figure for itself."""
    driver = Driver(case, reporter())
    fetches = fetches_of(case)
    events = case.events * case.fan_out
    driver.warm(fetches)
    gc.collect()
    gc.freeze()
    totals = []
    delivered, deliveries, checkpoints = driver.delivered, driver.deliveries, driver.checkpoints
    for _ in range(rounds):
        began = time.process_time()
        driver.feed(fetches)
        totals.append((time.process_time() - began) / events * 1e6)
    delivered, deliveries = driver.delivered - delivered, driver.deliveries - deliveries
    checkpoints = driver.checkpoints - checkpoints
    calibration = calibrate()
    least: dict[str, float] = {}
    with Stages() as stages:
        for _ in range(rounds):
            stages.clear()
            driver.feed(fetches)
            for stage, spent in stages.net(calibration).items():
                least[stage] = min(spent / events / 1e3, least.get(stage, spent))
    gc.unfreeze()
    rest = min(totals) - sum(least.values())
    return Cost(
        min(totals), {**least, "rest": rest}, delivered / (rounds * events), delivered / max(1, deliveries),
        checkpoints / (rounds * events) * 1000, stages.gone,
    )  # fmt: skip


def instructions(name: str) -> float:
    """Machine instructions an event, under valgrind: two runs of different lengths, so that the start falls out."""
    counts = []
    for rounds in (1, 3):
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable]
        done = subprocess.run(
            [*command, "-m", "tests.bench.machine", name, "--feed", str(rounds)],
            env={**os.environ, "PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        found = re.search(r"Collected\s*:\s*(\d+)", done.stderr)
        assert found is not None, done.stderr[-2000:]
        counts.append(int(found[1]))
    return (counts[1] - counts[0]) / (2 * CASES[name].events * CASES[name].fan_out)


def quiet() -> None:
    """The settings of the daemon: its log lines are made, and go nowhere; cycles are looked for as seldom."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    logs.configure("info")
    gc.set_threshold(50_000, 50, 100)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.machine")
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(CASES)}; all but the last two if none is named")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--instructions", action="store_true", help="count instructions under valgrind instead")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    parser.add_argument("--feed", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    names = chosen.cases or list(CASES)[:3]
    if unknown := [name for name in names if name not in CASES]:
        parser.error(f"unknown case {', '.join(unknown)}; expected {', '.join(CASES)}")
    if chosen.instructions:
        if shutil.which("valgrind") is None:
            print("no valgrind to count instructions with: install it, or leave --instructions out", file=sys.stderr)
            return 2
        for name in names:
            print(f"{name:<12} {instructions(name):>12,.0f} instructions an event", flush=True)
        return 0
    quiet()
    if chosen.feed:
        asyncio.run(fed(CASES[names[0]], chosen.feed))
        return 0
    costs = {}
    columns = [*MACHINE, "rest"]
    print(f"CPU us an event, the least of {chosen.rounds} rounds, load {os.getloadavg()[0]:.1f}\n")
    print(f"{'':<10} {'total':>7} " + " ".join(f"{column:>10}" for column in columns))
    for name in names:
        cost = costs[name] = asyncio.run(measure(CASES[name], chosen.rounds))
        print(f"{name:<10} {cost.total:>7.2f} " + " ".join(f"{cost.stages[column]:>10.2f}" for column in columns))
        print(
            f"{'':<10} {CASES[name].says}; {cost.a_delivery:.1f} events a delivery, "
            f"{cost.checkpoints:.2f} checkpoints a thousand events"
            + (f"; ONLY {cost.share:.2f} OF THE EVENTS DELIVERED" if abs(cost.share - 1) > 0.01 else "")
            + (f"; NOT FOUND: {', '.join(cost.gone)}" if cost.gone else ""),
            flush=True,
        )
    if chosen.json:
        chosen.json.write_text(json.dumps({name: cost._asdict() for name, cost in costs.items()}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
