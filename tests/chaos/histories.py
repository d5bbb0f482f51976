"""What was sent, and what does the history of what was accepted say of it?"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from aiokafka import AIOKafkaProducer


class History(NamedTuple):
    """What a listener's history comes to."""

    seen: set[tuple[str, int]]
    """(account, number) of every event that was accepted."""
    disordered: list[tuple[str, int]]
    """First deliveries that came out of their account's order."""
    twice: int
    """Acceptances beyond the first of an event."""


def judge(taken: Iterable[tuple[str, int]]) -> History:
    """Numbers are counted from 0 in every account."""
    firsts: dict[str, int] = {}
    seen: set[tuple[str, int]] = set()
    disordered = []
    total = 0
    for account, number in taken:
        total += 1
        if (account, number) not in seen:
            seen.add((account, number))
            if number != firsts.get(account, -1) + 1:
                disordered.append((account, number))
            firsts[account] = number
    return History(seen, disordered, total - len(seen))


async def produce(bootstrap: str, topic: str, sent: Counter[str], rng: random.Random, rate: float) -> None:
    """Numbered events of twenty accounts, until cancelled."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5)
    await producer.start()
    try:
        began, made = time.monotonic(), 0
        while True:
            while made < (time.monotonic() - began) * rate:
                account = str(rng.randrange(20))
                data = {"eventId": f"{account}-{sent[account]}", "eventName": "COURSE_ENROLLMENT", "timestamp": 1}
                value = {"accountId": account, "events": [{**data, "data": {"n": sent[account]}}]}
                # Counted before the wait: once handed in it is sent, whatever is cancelled.
                handing = producer.send(topic, json.dumps(value).encode(), key=account.encode())
                sent[account] += 1
                await asyncio.shield(handing)
                made += 1
            await asyncio.sleep(0.005)
    finally:
        await producer.flush()
        await producer.stop()
