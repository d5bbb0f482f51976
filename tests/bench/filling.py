"""How do events get into a topic? As fast as this process can write them, or at a steady rate from one of its own.

    python -m tests.bench.filling BOOTSTRAP TOPIC RATE SECONDS ACCOUNTS SIZE

An account's events go to one partition, in order, as a producer that keys by account would have it.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import uvloop
from aiokafka import AIOKafkaProducer

from tests.bench.events import event, key

BATCH = 256 * 1024
IN_FLIGHT = 16
AT_ONCE = 200
"""Events that a steady producer sends at once, at most."""


def producing(kafka: str, linger: int = 0) -> AIOKafkaProducer:
    return AIOKafkaProducer(bootstrap_servers=kafka, linger_ms=linger, max_batch_size=BATCH)


async def fill(kafka: str, topic: str, events: int, accounts: int, size: int, first: int = 0, name: str = "") -> None:
    """Numbers from `first` on, in batches that this process makes itself: the producer's own way is slower by half."""
    if not events:
        return
    named = {"name": name} if name else {}
    async with producing(kafka) as producer:
        partitions = sorted(await producer.partitions_for(topic))
        batches = {one: producer.create_batch() for one in partitions}
        sent: list[asyncio.Future[object]] = []
        for number in range(first, first + events):
            partition = partitions[number % accounts % len(partitions)]
            value = event(number, accounts, size, **named)
            if batches[partition].append(key=key(number, accounts), value=value, timestamp=None) is None:
                sent.append(await producer.send_batch(batches[partition], topic, partition=partition))
                batches[partition] = producer.create_batch()
                batches[partition].append(key=key(number, accounts), value=value, timestamp=None)
                if len(sent) >= IN_FLIGHT:
                    await sent.pop(0)
        for partition, batch in batches.items():
            if batch.record_count():
                sent.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*sent)


async def steadily(kafka: str, topic: str, rate: int, seconds: int, accounts: int, size: int) -> None:
    """So many a second, each written at its own moment, with those of the same millisecond and partition."""
    async with producing(kafka) as producer:
        partitions = sorted(await producer.partitions_for(topic))
        sent: set[asyncio.Future[object]] = set()
        began, number = time.monotonic(), 0
        while number < rate * seconds:
            due = min(rate * seconds, int((time.monotonic() - began) * rate) + 1)
            # A producer that had to wait for the CPU has more to send at once, and a batch takes only so much.
            due = min(due, number + AT_ONCE)
            batches: dict[int, Any] = {}
            while number < due:
                partition = partitions[number % accounts % len(partitions)]
                batch = batches.setdefault(partition, producer.create_batch())
                added = batch.append(key=key(number, accounts), value=event(number, accounts, size), timestamp=None)
                if added is None:
                    raise ValueError(f"{AT_ONCE} events of {size} bytes do not fit into a batch of {BATCH}")
                number += 1
            for partition, batch in batches.items():
                future = await producer.send_batch(batch, topic, partition=partition)
                sent.add(future)
                future.add_done_callback(sent.discard)
            await asyncio.sleep(max(0.001, began + number / rate - time.monotonic()))
        await asyncio.gather(*sent)


if __name__ == "__main__":
    bootstrap, name, *numbers = sys.argv[1:]
    uvloop.run(steadily(bootstrap, name, *map(int, numbers)))
