"""What does a kill -9 cost? Under load, again and again: nothing lost, nothing out of order, and how much comes twice.

Short by default; LMSHOOKS_KILLS and LMSHOOKS_RATE (events a second) make it longer and harder.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lmshooks.listener import Listener, Received
from tests.chaos.histories import judge, produce
from tests.kafka.daemons import Daemon
from tests.kafka.records import create_topic

KILLS = int(os.environ.get("LMSHOOKS_KILLS", "3"))
RATE = int(os.environ.get("LMSHOOKS_RATE", "1500"))
ALLOWED_TWICE = 2000
"""Events that a kill may repeat: what three checkpoints of 500 settle, and what is settled while they are written."""


@pytest.mark.parametrize("name", ["kafka"])
async def test_a_killed_daemon_loses_nothing_disorders_nothing_and_repeats_little(
    request: pytest.FixtureRequest, topic: Any, tmp_path: Path, name: str
) -> None:
    bootstrap: str = request.getfixturevalue(name)
    source = await create_topic(bootstrap, topic("events"), 2)
    taken: list[tuple[str, int]] = []

    def take(received: Received) -> None:
        if received.status == 200:
            body = json.loads(received.body)
            taken.extend((body["accountId"], one["data"]["n"]) for one in body["events"])

    kafka = {
        "bootstrap_servers": bootstrap, "topics": [source], "group_id": source, "replication_factor": 1,
        "state_topic": f"{source}.state", "dead_letter_topic": f"{source}.dead", "instance_id": "one",
    }  # fmt: skip
    sent: Counter[str] = Counter()
    rng = random.Random(7)
    async with Listener(on_request=take) as listener:
        one = {"id": "all", "account": "*", "events": ["*"], "url": listener.url, "max_events": 10}
        async with Daemon(tmp_path / "c", kafka, [one]) as daemon:
            load = asyncio.create_task(produce(bootstrap, source, sent, rng, RATE))
            try:
                for _ in range(KILLS):
                    await asyncio.sleep(rng.uniform(1.5, 3.0))
                    daemon.kill()
                    await daemon.ended()
                    daemon.spawn()
                    await daemon.ready()
                await asyncio.sleep(1.5)
            finally:
                load.cancel()
                await asyncio.gather(load, return_exceptions=True)
            total = sum(sent.values())
            deadline = time.monotonic() + 30
            while len(set(taken)) < total and time.monotonic() < deadline:
                await asyncio.sleep(0.1)
    history = judge(taken)
    lost = total - len(history.seen)
    print(f"{total} events, {KILLS} kills: {lost} lost, {len(history.disordered)} disordered, {history.twice} twice")
    assert lost == 0
    assert not history.disordered
    assert history.twice <= ALLOWED_TWICE * KILLS
