"""What does it take to wait? A daemon that has nothing to do, and its broker, which is asked again and again."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from typing import NamedTuple

from tests.bench.figures import Figure, figure
from tests.bench.probes import cpu_of
from tests.bench.rig import ACCOUNTS, Rig, Sender

SETTLE = 4.0
"""Seconds after which a start is over."""
NOBODY: Sender = contextlib.nullcontext(0)


class Took(NamedTuple):
    """CPU: seconds of it, or per cent of a core."""

    sender: float
    broker: float


async def nothing_to_do(rig: Rig) -> list[Figure]:
    """Nothing to do: what a daemon and its broker take, against the naive loop; the broker's own idling taken off."""
    topic = await rig.topic()
    seen: dict[str, list[Took]] = {"lmshooks": [], "naive": []}
    for _ in range(rig.scale.rounds):
        alone = (await _waiting(rig)).broker
        for kind, sender in (
            ("lmshooks", rig.daemon(topic, rig.subscriptions(ACCOUNTS))),
            ("naive", rig.naive(topic, 100)),
        ):
            took = await _waiting(rig, sender)
            seen[kind].append(took._replace(broker=max(0.0, took.broker - alone)))
            print(
                f"    {kind:<28} {took.sender:.2f} %, broker {took.broker:.2f} % (alone {alone:.2f})", file=sys.stderr
            )
    ours, theirs = seen.values()
    unit, baseline = "% of a core", {"baseline": "naive"}
    return [
        figure("nothing to do, CPU", unit, [one.sender for one in ours],
               theirs=[one.sender for one in theirs], **baseline),
        figure("nothing to do, the broker's CPU for it", unit, [one.broker for one in ours],
               theirs=[one.broker for one in theirs], **baseline),
    ]  # fmt: skip


async def _waiting(rig: Rig, sender: Sender = NOBODY) -> Took:
    """With nothing to send; the broker by itself where there is nobody."""
    async with sender as pid:
        await asyncio.sleep(SETTLE)
        began, at = _spent(rig, pid), time.monotonic()
        await asyncio.sleep(rig.scale.seconds)
        seconds = time.monotonic() - at
        return Took(*((now - then) / seconds * 100 for then, now in zip(began, _spent(rig, pid), strict=True)))


def _spent(rig: Rig, pid: int) -> Took:
    """Seconds of CPU so far."""
    return Took(cpu_of(pid) if pid else 0.0, sum(map(cpu_of, rig.broker)))
