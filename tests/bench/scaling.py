"""What does a second instance give on the same cores? One and two instances of a group over the same partitions."""

from __future__ import annotations

import contextlib
import signal
import sys
import time

from tests.bench.backlog import running
from tests.bench.figures import Figure, figure
from tests.bench.filling import fill
from tests.bench.probes import Others, cpu_of
from tests.bench.rig import ACCOUNTS, PARTITIONS, Rig, Seen, pid_of, started
from tests.bench.throughput import compared


async def out(rig: Rig) -> list[Figure]:
    """One and two instances, stopped while the topic fills, then let go: all of them begin at the same moment."""
    seen: dict[str, list[Seen]] = {"one instance": [], "two instances": []}
    for _ in range(rig.scale.rounds):
        for count, (kind, runs) in enumerate(seen.items(), 1):
            runs.append(await _run(rig, count))
            print(f"    {kind:<28} {runs[-1].rate:,.0f}/s {runs[-1].cpu:.1f} us", file=sys.stderr, flush=True)
    found = compared(seen, "one instance")
    broker = [one.memory for one in seen["two instances"]]
    return [*found[:2], *found[3:5], figure("cores busy, two instances", "cores", broker)]


async def _run(rig: Rig, instances: int) -> Seen:
    """The figure for memory is, here, how many cores the broker, the listener and the senders kept busy together."""
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
            spent, everyone = sum(map(cpu_of, pids)), [*pids, *rig.broker, rig.listening.pid]
            all_spent, at = sum(map(cpu_of, everyone)), time.monotonic()
        finally:
            for one in made:
                one.kill(signal.SIGCONT)
        with Others(everyone) as others:
            await rig.arrived(events)
        seconds = rig.listening.last - at
        spent, all_spent = sum(map(cpu_of, pids)) - spent, sum(map(cpu_of, everyone)) - all_spent
    a_post = rig.listening.arrived / rig.listening.posts
    return Seen(events / seconds, spent / events * 1e6, all_spent / seconds, a_post, others.cores)
