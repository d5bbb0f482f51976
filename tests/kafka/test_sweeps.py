"""The second reader: ranges of a partition, several at a time."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaProducer

from lmshooks.adapters.sweeps import RangeExpired, ReadFailed, Sweeper
from lmshooks.core.positions import Partition
from tests.kafka.brokers import EmbeddedBroker
from tests.kafka.clients import apache, delete_before, kafka, make_topic, produce, settings_for

__all__ = ["apache", "kafka"]


async def filled(bootstrap, count, partitions=1, size=100):
    settings = settings_for(bootstrap)
    topic = settings.topics[0]
    await make_topic(bootstrap, topic, partitions)
    for number in range(partitions):
        await produce(bootstrap, topic, [f"{number}:{n}".encode().ljust(size) for n in range(count)], number)
    return settings, [Partition(topic, number) for number in range(partitions)]


async def swept(sweeper, partition, stream, offset, end):
    offsets = []
    while offset < end:
        chunk = await sweeper.read(partition, stream, offset, end)
        assert chunk.records or chunk.next_offset > offset
        assert all(offset <= record.offset < end for record in chunk.records)
        offsets += [record.offset for record in chunk.records]
        offset = chunk.next_offset
    assert offset == end
    return offsets


async def test_a_range_is_read_in_chunks_that_end_exactly_at_its_end(kafka):
    settings, (partition,) = await filled(kafka, 5000)
    sweeper = Sweeper(settings)
    assert await swept(sweeper, partition, 0, 0, 5000) == list(range(5000))
    assert await swept(sweeper, partition, 0, 17, 4321) == list(range(17, 4321))
    assert await swept(sweeper, partition, 0, 4999, 5000) == [4999]
    assert await sweeper.read(partition, 0, 7, 7) == ((), 7)
    await sweeper.stop()


async def test_the_end_is_answered_promptly(kafka):
    settings, (partition,) = await filled(kafka, 10)
    sweeper = Sweeper(settings)
    await swept(sweeper, partition, 0, 0, 10)
    began = asyncio.get_running_loop().time()
    for _ in range(3):
        assert await swept(sweeper, partition, 0, 5, 10) == [5, 6, 7, 8, 9]
    assert asyncio.get_running_loop().time() - began < 2
    await sweeper.stop()


async def test_more_streams_than_readers_all_get_their_records(kafka):
    settings, partitions = await filled(kafka, 3000, partitions=3)
    sweeper = Sweeper(settings)
    async with asyncio.timeout(60):
        found = await asyncio.gather(
            *(swept(sweeper, partition, stream, stream * 100, 3000) for partition in partitions for stream in range(3))
        )
    assert found == [list(range(stream * 100, 3000)) for _ in partitions for stream in range(3)]
    await sweeper.stop()


class Received:
    """How many bytes of records came in fetch answers?"""

    def __init__(self, monkeypatch) -> None:
        self.bytes = 0
        feed = asyncio.StreamReader.feed_data

        def counted(reader, data):
            self.bytes += len(data)
            feed(reader, data)

        monkeypatch.setattr(asyncio.StreamReader, "feed_data", counted)


async def test_streams_that_take_turns_receive_little_more_than_they_read(kafka, monkeypatch):
    settings, partitions = await filled(kafka, 6000, partitions=4, size=200)
    sweeper = Sweeper(settings)
    received = Received(monkeypatch)
    at = dict.fromkeys(((partition, stream) for partition in partitions for stream in range(2)), 0)
    while min(at.values()) < 6000:
        chunks = await asyncio.gather(
            *(sweeper.read(*key, offset, 6000) for key, offset in at.items() if offset < 6000)
        )
        for key, chunk in zip([key for key, offset in at.items() if offset < 6000], chunks, strict=True):
            at[key] = chunk.next_offset
    assert received.bytes < 2 * 8 * 6000 * 210
    await sweeper.stop()


async def test_a_small_range_is_not_worth_a_large_fetch(kafka, monkeypatch):
    settings, (partition,) = await filled(kafka, 6000, size=200)
    sweeper = Sweeper(settings)
    await swept(sweeper, partition, 0, 0, 100)
    received = Received(monkeypatch)
    for offset in range(0, 2000, 100):
        await swept(sweeper, partition, 0, offset, offset + 100)
        await asyncio.sleep(0.06)
    assert received.bytes < 20 * 64 * 1024
    await sweeper.stop()


async def test_a_reader_that_rested_goes_on_where_it_was(kafka):
    settings, (partition,) = await filled(kafka, 3000)
    sweeper = Sweeper(settings, readers=1)
    chunk = await sweeper.read(partition, 0, 0, 3000)
    sweeper._readers[0].fall_asleep()
    assert await swept(sweeper, partition, 0, chunk.next_offset, 3000) == list(range(chunk.next_offset, 3000))
    await sweeper.stop()


async def test_gaps_at_the_end_of_a_range_are_passed_by_position(apache):
    settings, (partition,) = await filled(apache.bootstrap, 3)
    producer = AIOKafkaProducer(bootstrap_servers=apache.bootstrap, transactional_id="t1")
    await producer.start()
    async with producer.transaction():
        await producer.send_and_wait(partition.topic, b"in a transaction")
    await producer.stop()
    sweeper = Sweeper(settings)
    # 0, 1, 2, the record 3, its commit marker 4
    assert await swept(sweeper, partition, 0, 0, 5) == [0, 1, 2, 3]
    assert await swept(sweeper, partition, 0, 4, 5) == []
    await sweeper.stop()


async def test_a_range_that_retention_took_says_where_the_log_begins(apache):
    settings, (partition,) = await filled(apache.bootstrap, 100)
    await delete_before(apache.bootstrap, partition.topic, 60)
    sweeper = Sweeper(settings)
    with pytest.raises(RangeExpired) as caught:
        await sweeper.read(partition, 0, 10, 100)
    assert caught.value.log_start == 60
    assert await swept(sweeper, partition, 0, 60, 100) == list(range(60, 100))
    with pytest.raises(ReadFailed, match="ends at 100"):
        await sweeper.read(partition, 0, 150, 200)
    assert await swept(sweeper, partition, 0, 90, 100) == list(range(90, 100))
    await sweeper.stop()


async def test_without_a_broker_a_read_fails_and_with_one_it_works_again():
    broker = EmbeddedBroker().start()
    settings = settings_for(broker.bootstrap, request_timeout=0.5)
    sweeper = Sweeper(settings)
    broker.kill()
    with pytest.raises(ReadFailed):
        await sweeper.read(Partition(settings.topics[0], 0), 0, 0, 10)
    broker.start()
    await make_topic(broker.bootstrap, settings.topics[0])
    await produce(broker.bootstrap, settings.topics[0], [b"x"] * 10)
    assert await swept(sweeper, Partition(settings.topics[0], 0), 0, 0, 10) == list(range(10))
    await sweeper.stop()
    broker.close()
