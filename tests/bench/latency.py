"""How late is an event at its listener? From its producer's `send` to the listener's read, at steady rates.

The producer is a process of its own. The first seconds warm everything up and are left out.
"""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from tests.bench.figures import Figure, figure
from tests.bench.filling import fill
from tests.bench.listening import Taken
from tests.bench.probes import Others
from tests.bench.rig import ACCOUNTS, Rig, Sender
from tests.chaos.measures import quantile

RATES = (500, 5000, 20_000)
WARM = 2.0
"""Seconds."""
ENOUGH = 8000
"""Events of a run, at least: the worst hundredth of fewer is a few dozen, which one pause of the machine decides."""
SHARES = {"median": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}


class Lates(NamedTuple):
    """Milliseconds."""

    shares: dict[str, float]
    rate: float
    """Events a second that came."""
    others: float


async def late(rig: Rig, sender: Sender, topic: str, rate: int, of: int = ACCOUNTS) -> Lates:
    """One run; `of`: how many of the accounts have an endpoint that answers (the last ones)."""
    listening = rig.listening
    listening.take()
    async with sender as pid:
        await fill(rig.kafka, topic, ACCOUNTS, ACCOUNTS, 600)
        await rig.arrived(of)  # it takes part in the group
        listening.take()
        with Others([*rig.broker, listening.pid, pid]) as others:
            seconds = math.ceil(WARM + max(rig.scale.seconds, ENOUGH / rate))
            command = [sys.executable, "-m", "tests.bench.filling", rig.kafka, topic, *map(str, (rate, seconds))]
            producer = subprocess.Popen([*command, str(ACCOUNTS), "600"])
            try:
                await rig.arrived(rate * seconds * of // ACCOUNTS, timeout=seconds + 120.0)
            finally:
                producer.kill()
                producer.wait()
        return lates(listening.take(), others.cores)


def lates(taken: Taken, others: float) -> Lates:
    """Of what was sent when everything was warm: the percentiles, and the rate at which it came."""
    start = min(taken.sent) + WARM * 1e9
    warm = [(sent, came) for sent, came in zip(taken.sent, taken.came, strict=True) if sent >= start]
    late = sorted((came - sent) / 1e6 for sent, came in warm)
    shares = {name: quantile(late, share) for name, share in SHARES.items()}
    return Lates(shares, len(warm) / ((max(taken.came) - start) / 1e9), others)


async def at_rates(rig: Rig) -> list[Figure]:
    """Percentiles at 500, 5,000 and 20,000 events/s; the naive loop posts one event, or up to 100 of an account."""
    found: list[Figure] = []
    for rate in RATES:
        per_post = 1 if rate < 5000 else 100
        baseline = "naive, 1 a POST" if per_post == 1 else "naive, an account a POST"

        async def naive(rate: int = rate, per_post: int = per_post) -> Lates:
            topic = await rig.topic()
            return await late(rig, rig.naive(topic, per_post, "at", apart=per_post > 1), topic, rate)

        async def ours(rate: int = rate) -> Lates:
            topic = await rig.topic()
            return await late(rig, rig.daemon(topic, rig.subscriptions(ACCOUNTS, "at")), topic, rate)

        seen = await _rounds(rig, {f"naive, {rate:,}/s": naive, f"lmshooks, {rate:,}/s": ours})
        theirs, mine = seen.values()
        for name in SHARES:
            goal: dict[str, Any] = {}
            if rate == RATES[0]:
                goal = {"median": {"ratio": 1.3}, "p99": {"ratio": 1.0}}.get(name, {})
            found.append(
                figure(
                    f"{rate:,}/s, {name}", "ms", [one.shares[name] for one in mine],
                    theirs=[one.shares[name] for one in theirs], baseline=baseline,
                    others=max(one.others for runs in seen.values() for one in runs), **goal,
                )
            )  # fmt: skip
        slow = min(one.rate for runs in seen.values() for one in runs)
        if slow < 0.9 * rate:
            found.append(
                figure(f"{rate:,}/s, came", "events/s", [one.rate for one in mine],
                       theirs=[one.rate for one in theirs], note="the rate was not reached: the machine's limit")
            )  # fmt: skip
    return found


async def isolation(rig: Rig) -> list[Figure]:
    """Healthy endpoints' latency at 500/s with 10 % of the endpoints dead or hanging, against the run without them."""
    dead = ACCOUNTS // 10

    async def run(sick: int) -> Lates:
        topic = await rig.topic()
        mixed = rig.subscriptions(ACCOUNTS, "at")
        for at in range(sick):
            mixed[at]["url"] = rig.url("hang" if at % 2 else "dead")
        return await late(rig, rig.daemon(topic, mixed), topic, RATES[0], ACCOUNTS - sick)

    seen = await _rounds(rig, {"all healthy": lambda: run(0), "10 % dead or hanging": lambda: run(dead)})
    calm, sick = seen.values()
    others = max(one.others for runs in seen.values() for one in runs)
    return [
        figure(f"10 % dead or hanging, {name}", "ms", [one.shares[name] for one in sick],
               theirs=[one.shares[name] for one in calm], baseline="all healthy", others=others,
               **({"ratio": 1.2} if name == "p99" else {}))
        for name in SHARES
    ]  # fmt: skip


async def _rounds(rig: Rig, kinds: dict[str, Callable[[], Awaitable[Lates]]]) -> dict[str, list[Lates]]:
    seen: dict[str, list[Lates]] = {kind: [] for kind in kinds}
    for _ in range(rig.scale.rounds):
        for kind, run in kinds.items():
            one = await run()
            seen[kind].append(one)
            told = "  ".join(f"{name} {ms:.2f}" for name, ms in one.shares.items())
            print(f"    {kind:<28} {told}  {one.rate:,.0f}/s  others {one.others:.2f}", file=sys.stderr, flush=True)
    return seen
