"""What would one write without lmshooks? A loop: getmany, 64 posts in flight, commit. It is what the daemon is held to.

    python -m tests.bench.naive BOOTSTRAP TOPIC EVENTS_PER_POST URL

No order, no signature, no retries, nothing remembered: the floor of what such a loop can cost.
"""

from __future__ import annotations

import asyncio
import sys
import uuid

import aiohttp
import uvloop
from aiokafka import AIOKafkaConsumer

IN_FLIGHT = 64


async def main(bootstrap: str, topic: str, per_post: int, url: str) -> None:
    """Until it is killed."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=uuid.uuid4().hex, enable_auto_commit=False,
        auto_offset_reset="earliest",
    )  # fmt: skip
    await consumer.start()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def post(bodies: list[bytes]) -> None:
            while bodies:
                body = bodies.pop()
                async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as response:
                    await response.read()

        while True:
            batches = await consumer.getmany(timeout_ms=200, max_records=5000)
            values = [record.value for records in batches.values() for record in records]
            if per_post == 1:
                bodies = values
            else:
                bodies = [b"[" + b",".join(values[at : at + per_post]) + b"]" for at in range(0, len(values), per_post)]
            bodies.reverse()
            await asyncio.gather(*(post(bodies) for _ in range(min(IN_FLIGHT, len(bodies)))))
            if values:
                await consumer.commit()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
