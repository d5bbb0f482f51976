"""Two instances share the partitions: one is killed and comes back, the other sleeps past its session and wakes.

A zombie may repeat what it had in hand; it loses nothing and puts nothing out of order.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

from lmshooks.listener import Listener, Received
from tests.chaos.histories import judge, produce
from tests.kafka.daemons import Daemon
from tests.kafka.records import create_topic

SESSION = 3.0
RATE = 500


async def test_a_killed_and_a_sleeping_instance_lose_nothing_and_disorder_nothing(
    kafka: str, topic: Any, tmp_path: Path
) -> None:
    source = await create_topic(kafka, topic("events"), 4)
    taken: list[tuple[str, int]] = []

    def take(received: Received) -> None:
        if received.status == 200:
            body = json.loads(received.body)
            taken.extend((body["accountId"], one["data"]["n"]) for one in body["events"])

    settings = {
        "bootstrap_servers": kafka, "topics": [source], "group_id": source, "replication_factor": 1,
        "state_topic": f"{source}.state", "dead_letter_topic": f"{source}.dead", "session_timeout": f"{SESSION:.0f}s",
    }  # fmt: skip
    sent: Counter[str] = Counter()
    async with Listener(on_request=take) as listener:
        one = {"id": "all", "account": "*", "events": ["*"], "url": listener.url, "max_events": 10}
        first, second = Daemon(tmp_path / "1", settings, [one]), Daemon(tmp_path / "2", settings, [one])
        async with first, second:
            load = asyncio.create_task(produce(kafka, source, sent, random.Random(11), RATE))
            try:
                await asyncio.sleep(3)
                first.kill()
                await first.ended()
                await asyncio.sleep(SESSION + 2)
                first.spawn()
                await first.ready(30)
                await asyncio.sleep(3)
                second.kill(signal.SIGSTOP)
                await asyncio.sleep(2 * SESSION)
                second.kill(signal.SIGCONT)
                await asyncio.sleep(4)
            finally:
                load.cancel()
                await asyncio.gather(load, return_exceptions=True)
                second.kill(signal.SIGCONT)
            total = sum(sent.values())
            deadline = time.monotonic() + 40
            while len(set(taken)) < total and time.monotonic() < deadline:
                await asyncio.sleep(0.1)
    history = judge(taken)
    lost = total - len(history.seen)
    print(f"{total} events: {lost} lost, {len(history.disordered)} disordered, {history.twice} twice")
    assert lost == 0
    assert not history.disordered
