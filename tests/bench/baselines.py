"""What would one write without lmshooks? Three loops that promise nothing, each a process: what the daemon is held to.

    python -m tests.bench.baselines ...

    naive BOOTSTRAP TOPIC EVENTS_PER_POST URL [GROUP]   getmany, 64 posts in flight, commit
    apart BOOTSTRAP TOPIC EVENTS_PER_POST URL           the same, but a post holds events of one account only
    consume BOOTSTRAP TOPIC EVENTS                      getmany, and nothing else
    post URL POSTS BYTES                                64 posts in flight, and nothing else

No order, no signature, no retries, nothing remembered. The first two run until killed; the others print one line of
JSON when they are done: CPU and wall seconds, and what they counted.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from pathlib import Path

import aiohttp
import uvloop
from aiokafka import AIOKafkaConsumer

from tests.bench.events import event

IN_FLIGHT = 64
JSON = {"Content-Type": "application/json"}


def session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar())


async def apart(bootstrap: str, topic: str, per_post: int, url: str, group: str = "") -> None:
    """`naive`, of one account a post: what every sender must do whose listeners are their accounts' own."""
    await naive(bootstrap, topic, per_post, url, group, apart=True)


async def naive(bootstrap: str, topic: str, per_post: int, url: str, group: str = "", *, apart: bool = False) -> None:
    """Until it is killed; in a group of its own if none is named."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=group or uuid.uuid4().hex, enable_auto_commit=False,
        auto_offset_reset="earliest",
    )  # fmt: skip
    await consumer.start()
    async with session() as client:

        async def post(bodies: list[bytes]) -> None:
            while bodies:
                async with client.post(url, data=bodies.pop(), headers=JSON) as response:
                    await response.read()

        while True:
            batches = await consumer.getmany(timeout_ms=200, max_records=5000)
            values: dict[bytes | None, list[bytes]] = {}
            for records in batches.values():
                for record in records:
                    values.setdefault(record.key if apart else None, []).append(record.value)
            bodies = [body for some in values.values() for body in bodies_of(some, per_post)]
            bodies.reverse()
            await asyncio.gather(*(post(bodies) for _ in range(min(IN_FLIGHT, len(bodies)))))
            if bodies:
                await consumer.commit()


def bodies_of(values: list[bytes], per_post: int) -> list[bytes]:
    """So many values a body, at most."""
    if per_post == 1:
        return values
    return [b"[" + b",".join(values[at : at + per_post]) + b"]" for at in range(0, len(values), per_post)]


async def consume(bootstrap: str, topic: str, events: int) -> None:
    """Read so many records from the beginning, counted from the first fetch's answer on."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=uuid.uuid4().hex, enable_auto_commit=False,
        auto_offset_reset="earliest",
    )  # fmt: skip
    await consumer.start()
    first = sum(map(len, (await consumer.getmany(timeout_ms=60_000, max_records=1)).values()))
    began, cpu, read = time.monotonic(), time.process_time(), received()
    count = first
    while count < events:
        count += sum(map(len, (await consumer.getmany(timeout_ms=1000)).values()))
    tell(began, cpu, events=count - first, received=received() - read)
    await consumer.stop()


async def post(url: str, posts: int, size: int) -> None:
    """So many POSTs of one event each."""
    body = event(1, size=size)
    async with session() as client:

        async def some(count: int) -> None:
            for _ in range(count):
                async with client.post(url, data=body, headers=JSON) as response:
                    await response.read()

        await asyncio.gather(*(some(2) for _ in range(IN_FLIGHT)))  # connections
        began, cpu = time.monotonic(), time.process_time()
        await asyncio.gather(*(some(posts // IN_FLIGHT) for _ in range(IN_FLIGHT)))
        tell(began, cpu, events=posts // IN_FLIGHT * IN_FLIGHT)


def received() -> int:
    """Bytes that this process has read, sockets included."""
    return int(Path("/proc/self/io").read_text().split()[1])


def tell(began: float, cpu: float, **counted: int) -> None:
    seconds = {"seconds": time.monotonic() - began, "cpu": time.process_time() - cpu}
    print(json.dumps(seconds | counted), flush=True)


def main(what: str, *given: str) -> None:
    numbers = [int(one) if one.isdigit() else one for one in given]
    loop = {"naive": naive, "apart": apart, "consume": consume, "post": post}[what]
    uvloop.run(loop(*numbers))  # type: ignore[operator]  # what stands in the usage above


if __name__ == "__main__":
    main(*sys.argv[1:])
