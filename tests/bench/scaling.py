"""What does a second instance give on the same cores? One and two instances of a group over the same partitions."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import time

from tests.bench.backlog import running
from tests.bench.figures import Figure, figure
from tests.bench.filling import fill
from tests.bench.probes import Others, cpu_of
from tests.bench.rig import ACCOUNTS, PARTITIONS, Rig, Seen, cores, pid_of, started
from tests.bench.throughput import compared


async def out(rig: Rig) -> list[Figure]:
    """One and two instances, let go at the same moment: where all cores are busy, one more gives nothing."""
    seen: dict[str, list[Seen]] = {"one instance": [], "two instances": []}
    for _ in range(rig.scale.rounds):
        for count, (kind, runs) in enumerate(seen.items(), 1):
            runs.append(await _run(rig, count))
            print(f"    {kind:<28} {runs[-1].rate:,.0f}/s {runs[-1].cpu:.1f} us", file=sys.stderr, flush=True)
    found = [one for one in compared(seen, "one instance") if one.unit != "MiB"]
    for kind, runs in seen.items():
        note = f"of {os.cpu_count()}: {cores(runs[0])}, others {runs[0].others:.2f}"
        found.append(figure(f"{kind}, all together", "cores busy", [sum(one.busy) for one in runs], note=note))
    return found


async def _run(rig: Rig, instances: int) -> Seen:
    """The instances are stopped while the topic fills, so that all begin at the same moment."""
    events = rig.scale.events
    topic = await rig.topic()
    group = {"group_id": topic, "state_topic": f"{topic}.state", "session_timeout": "60s"}
    made = [
        rig.make(topic, rig.subscriptions(ACCOUNTS), kafka={**group, "instance_id": f"i{at}"})
        for at in range(instances)
    ]
    async with contextlib.AsyncExitStack() as stack:
        for one in made:
            await stack.enter_async_context(started(one))
        for one in made:
            await running(one, PARTITIONS // instances)
        pids = [pid_of(one) for one in made]
        for one in made:
            one.kill(signal.SIGSTOP)
        try:
            await fill(rig.kafka, topic, events, ACCOUNTS, 600)
            rig.listening.take()
            groups = (pids, [rig.listening.pid], rig.broker)
            before, at = [sum(map(cpu_of, some)) for some in groups], time.monotonic()
        finally:
            for one in made:
                one.kill(signal.SIGCONT)
        with Others([one for some in groups for one in some]) as others:
            await rig.arrived(events)
        seconds = rig.listening.last - at
        senders, listener, broker = (sum(map(cpu_of, some)) - one for some, one in zip(groups, before, strict=True))
    a_post = rig.listening.arrived / rig.listening.posts
    busy = (senders / seconds, listener / seconds, broker / seconds)
    return Seen(events / seconds, senders / events * 1e6, math.nan, a_post, others.cores, busy)
