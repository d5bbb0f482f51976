"""Write events to Kafka so that lmshooks keeps their order. Python 3.9 or later, and aiokafka.

    python producer.py localhost:9092 lms.events < events.jsonl

Each line is one record: an event with `accountId` beside `eventId`, or an envelope of them. It stands for your outbox:
read it in order, and take away what is acknowledged.
"""

import asyncio
import json
import sys

from aiokafka import AIOKafkaProducer

AT_ONCE = 64 * 1024  # bytes of records that wait for their acknowledgement


async def write(bootstrap, topic, lines):
    """Write the lines in order; how many from the beginning are acknowledged. Raises what Kafka would not take."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",  # every in-sync replica has it, or it is not acknowledged
        enable_idempotence=True,  # a retry is recognised: no duplicate, no other order
        request_timeout_ms=120_000,  # it is tried for so long; then it is an error, and you begin again
        linger_ms=5,
    )
    await producer.start()
    done = 0
    # In a thread: reading may wait, and the loop must not.
    while batch := await asyncio.to_thread(lines.readlines, AT_ONCE):
        sent = []
        for line in batch:
            # The key decides the partition, and order is a partition's: one account, one key, one partition.
            key = str(json.loads(line)["accountId"]).encode()
            # The bytes as they are: what is written is what listeners get.
            sent.append(await producer.send(topic, line.strip(), key=key))
        done = await settle(sent, done)
    # Not after an error: it sends what still waits, and nothing may overtake what failed.
    await producer.stop()
    return done


async def settle(sent, done):
    """Wait for what was sent, in order; the first that failed ends it."""
    for future in sent:
        try:
            await future
        except Exception as error:
            raise RuntimeError(f"{done} records are written; begin again after them, same ids: {error!r}") from error
        done += 1
    return done


if __name__ == "__main__":
    print(asyncio.run(write(sys.argv[1], sys.argv[2], sys.stdin.buffer)), "records written")
