"""The consumer group: records in, commits out, rebalances, and Kafka going away and coming back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from lmshooks.adapters import kafka_client
from lmshooks.adapters.intake import Intake
from lmshooks.adapters.membership import Member
from lmshooks.core.positions import Partition
from tests.kafka.brokers import EmbeddedBroker
from tests.kafka.clients import apache, delete_before, kafka, make_topic, produce, settings_for, until

__all__ = ["apache", "kafka"]


class Recorder:
    """A sink that starts every partition where the group stands (or at `start`), and writes down what it is told."""

    def __init__(self, starts: bool = True) -> None:
        self.starts = starts
        self.intake: Intake
        self.assigned: dict[Partition, tuple[int | None, str, int, int, int]] = {}
        self.records: list[tuple[Partition, int, bytes | None]] = []
        self.next: dict[Partition, int] = {}
        self.ends: dict[Partition, int] = {}
        self.revoked: list[Partition] = []
        self.lost: list[Partition] = []
        self.expired: list[tuple[Partition, int]] = []
        self.last_commit: bool | None = None

    async def on_assigned(self, partition, committed, metadata, log_start, log_end, start) -> None:
        self.assigned[partition] = (committed, metadata, log_start, log_end, start)
        if self.starts:
            self.intake.start_at(partition, start if committed is None else committed)

    async def on_revoked(self, partitions: Sequence[Partition]) -> None:
        self.revoked += partitions
        for partition in partitions:
            if partition in self.next:
                self.last_commit = await self.intake.commit(partition, self.next[partition], "last")

    def on_lost(self, partitions: Sequence[Partition]) -> None:
        self.lost += partitions
        for partition in partitions:
            self.assigned.pop(partition, None)

    def on_records(self, partition, records, next_offset, log_end) -> None:
        assert partition in self.assigned, "records of a partition that is not ours"
        assert next_offset > self.next.get(partition, -1) or not records
        self.records += [(partition, record.offset, record.value) for record in records]
        self.next[partition] = next_offset
        self.ends[partition] = log_end

    def on_expired(self, partition: Partition, log_start: int) -> int:
        self.expired.append((partition, log_start))
        return log_start

    def values(self, partition: Partition | None = None) -> list[bytes | None]:
        return [value for where, _, value in self.records if partition in (None, where)]


@asynccontextmanager
async def running(settings, sink=None, **options):
    sink = sink or Recorder()
    sink.intake = Intake(settings, sink, **options)
    task = asyncio.create_task(sink.intake.run())
    try:
        yield sink
    finally:
        await sink.intake.stop()
        async with asyncio.timeout(10):
            await task


async def sourced(bootstrap, partitions=1, **changes):
    settings = settings_for(bootstrap, **({"start": "earliest"} | changes))
    await make_topic(bootstrap, settings.topics[0], partitions)
    return settings, [Partition(settings.topics[0], number) for number in range(partitions)]


async def test_records_flow_in_order_from_where_the_partition_was_started(kafka):
    settings, (partition,) = await sourced(kafka)
    await produce(kafka, partition.topic, [str(n).encode() for n in range(5000)])
    async with running(settings) as sink:
        await until(lambda: len(sink.records) == 5000)
        assert sink.assigned[partition][:3] == (None, "", 0)  # the embedded broker's log end lags
        assert sink.values() == [str(n).encode() for n in range(5000)]
        assert (sink.next[partition], sink.ends[partition]) == (5000, 5000)
        assert sink.intake.healthy
        await produce(kafka, partition.topic, [b"more"])
        await until(lambda: sink.values()[-1] == b"more")
        assert await sink.intake.log_end(partition) == 5001


@pytest.mark.parametrize("start", ["latest", "2001-01-01T00:00:00Z", "2199-01-01"])
async def test_a_group_without_commits_is_told_where_to_begin(apache, start):
    settings, (partition,) = await sourced(apache.bootstrap, start=start)
    await produce(apache.bootstrap, partition.topic, [b"1", b"2"])
    async with running(settings, Recorder(starts=False)) as sink:
        await until(lambda: partition in sink.assigned)
        assert sink.assigned[partition][4] == (0 if start.startswith("2001") else 2)


async def test_nothing_flows_before_the_start_nor_while_held(kafka):
    settings, (first, second) = await sourced(kafka, 2)
    await produce(kafka, first.topic, [b"a"] * 10, 0)
    await produce(kafka, first.topic, [b"b"] * 10, 1)
    async with running(settings, Recorder(starts=False)) as sink:
        await until(lambda: len(sink.assigned) == 2)
        sink.intake.start_at(second, 4)
        await until(lambda: len(sink.records) == 6)
        assert {where for where, _, _ in sink.records} == {second}
        sink.intake.hold(second, True)
        sink.intake.start_at(first, 0)
        await produce(kafka, first.topic, [b"c"] * 10, 1)
        await produce(kafka, first.topic, [b"d"], 0)
        await until(lambda: b"d" in sink.values())
        assert b"c" not in sink.values()
        sink.intake.hold(second, False)
        await until(lambda: sink.values().count(b"c") == 10)
        assert [offset for where, offset, _ in sink.records if where == second] == list(range(4, 20))


async def test_a_short_hold_is_not_made_longer_by_partitions_in_which_nothing_comes(kafka, monkeypatch):
    monkeypatch.setattr("lmshooks.adapters.intake.MAX_RECORDS", 50)

    class Holding(Recorder):
        def on_records(self, partition, records, next_offset, log_end):
            super().on_records(partition, records, next_offset, log_end)
            if records:
                self.intake.hold(partition, True)
                asyncio.get_running_loop().call_later(0.001, self.intake.hold, partition, False)

    settings, partitions = await sourced(kafka, partitions=4)
    await produce(kafka, partitions[0].topic, [b"x"] * 1000)
    async with running(settings, Holding()) as sink:
        await until(lambda: sink.records)
        began = time.monotonic()
        await until(lambda: len(sink.records) == 1000)
        assert time.monotonic() - began < 19 * 0.1, "each hold takes as long as a poll"


async def test_a_long_hold_is_paused_and_loses_nothing(kafka, monkeypatch):
    monkeypatch.setattr("lmshooks.adapters.intake._LONG_HOLD", 0.05)
    settings, (partition,) = await sourced(kafka)
    await produce(kafka, partition.topic, [str(n).encode() for n in range(3000)])

    class Holding(Recorder):
        def on_records(self, partition, records, next_offset, log_end) -> None:
            super().on_records(partition, records, next_offset, log_end)
            if len(self.records) == len(records):
                self.intake.hold(partition, True)

    async with running(settings, Holding()) as sink:
        await until(lambda: sink.records)
        consumer = sink.intake._consumer
        await until(consumer.paused)
        held = len(sink.records)
        sink.intake.hold(partition, False)
        await until(lambda: len(sink.records) == 3000)
        assert held < 3000
        assert sink.values() == [str(n).encode() for n in range(3000)]


async def test_a_commit_and_its_metadata_are_what_the_next_member_is_told(apache):
    settings, partitions = await sourced(apache.bootstrap, 3)
    async with running(settings) as sink:
        await until(lambda: len(sink.assigned) == 3)
        done = await asyncio.gather(*(sink.intake.commit(p, p.number + 5, f"@{p.number} \u00e4") for p in partitions))
        assert done == [True, True, True]
        assert not await sink.intake.commit(Partition("elsewhere", 0), 1, "")
    async with running(settings, Recorder(starts=False)) as sink:
        await until(lambda: len(sink.assigned) == 3)
        assert [sink.assigned[p][:2] for p in partitions] == [(n + 5, f"@{n} \u00e4") for n in range(3)]


async def test_stopping_takes_the_last_checkpoint_while_commits_still_work(apache):
    settings, (partition,) = await sourced(apache.bootstrap)
    await produce(apache.bootstrap, partition.topic, [b"1", b"2"])
    async with running(settings) as sink:
        await until(lambda: len(sink.records) == 2)
    assert (sink.revoked, sink.lost, sink.last_commit) == ([partition], [partition], True)
    async with running(settings, Recorder(starts=False)) as sink:
        await until(lambda: partition in sink.assigned)
        assert sink.assigned[partition][:2] == (2, "last")


async def test_a_rebalance_hands_over_without_loss_or_repetition(kafka):
    settings, partitions = await sourced(kafka, 4)
    total = 400

    async def feed():
        producer = AIOKafkaProducer(bootstrap_servers=kafka)
        await producer.start()
        for n in range(total):
            await producer.send_and_wait(settings.topics[0], str(n).encode(), partition=n % 4)
        await producer.stop()

    async with running(settings) as first:
        await until(lambda: len(first.assigned) == 4)
        feeding = asyncio.create_task(feed())
        await until(lambda: len(first.records) > 20)
        async with running(settings) as second:
            await until(lambda: len(second.assigned) == 2 and len(first.assigned) == 2)
            assert sorted([*first.assigned, *second.assigned]) == partitions
            await feeding
            await until(lambda: len(first.records) + len(second.records) >= total)
        await until(lambda: len(first.assigned) == 4)
    both = first.records + second.records
    assert sorted((where, offset) for where, offset, _ in both) == [
        (p, n) for p in partitions for n in range(total // 4)
    ]
    for sink in (first, second):
        for partition in partitions:
            own = [offset for where, offset, _ in sink.records if where == partition]
            assert own == sorted(own)


async def test_holds_and_starts_are_forgotten_by_a_rebalance_not_leaked_into_it(kafka):
    settings, _ = await sourced(kafka, 2)
    for number in range(2):
        await produce(kafka, settings.topics[0], [b"x"] * 10, number)
    async with running(settings) as first:
        await until(lambda: len(first.records) == 20)
        first.starts = False
        async with running(settings, Recorder(starts=False)) as second:
            await until(lambda: len(second.assigned) == 1 and len(first.assigned) == 1)
            for number in range(2):
                await produce(kafka, settings.topics[0], [b"later"], number)
            first.intake.start_at(next(iter(first.assigned)), 10)
            await until(lambda: b"later" in first.values())
            assert second.records == []


async def test_a_position_that_moves_without_records_is_told(apache):
    settings, (partition,) = await sourced(apache.bootstrap)
    producer = AIOKafkaProducer(bootstrap_servers=apache.bootstrap, transactional_id="t2")
    await producer.start()
    async with producer.transaction():
        await producer.send_and_wait(partition.topic, b"1")
    async with running(settings) as sink:
        await until(lambda: sink.next.get(partition) == 2)  # the record, and the marker after it
        assert sink.values() == [b"1"]
    await producer.stop()


async def test_a_position_that_retention_took_is_told_and_reading_goes_on(apache):
    settings, (partition,) = await sourced(apache.bootstrap)
    await produce(apache.bootstrap, partition.topic, [str(n).encode() for n in range(100)])
    await delete_before(apache.bootstrap, partition.topic, 60)
    async with running(settings, Recorder(starts=False)) as sink:
        await until(lambda: partition in sink.assigned)
        sink.intake.start_at(partition, 10)
        await until(lambda: len(sink.records) == 40)
        assert sink.expired == [(partition, 60)]
        assert sink.assigned[partition][2] == 60


async def test_a_topic_that_matches_the_pattern_later_is_taken_too(kafka, monkeypatch):
    _, (partition,) = await sourced(kafka)
    options = kafka_client.client_options
    monkeypatch.setattr(
        "lmshooks.adapters.kafka_client.client_options", lambda s: options(s) | {"metadata_max_age_ms": 200}
    )
    by_pattern = settings_for(kafka, topics=(), topic_pattern=f"{partition.topic}.*", start="earliest")
    async with running(by_pattern) as sink:
        await until(lambda: partition in sink.assigned)
        await make_topic(kafka, partition.topic + "-2")
        await until(lambda: Partition(partition.topic + "-2", 0) in sink.assigned)
        await produce(kafka, partition.topic + "-2", [b"x"])
        await until(lambda: sink.values() == [b"x"])


async def test_kafka_goes_and_comes_back(apache):
    settings, (partition,) = await sourced(apache.bootstrap, request_timeout=1.0)
    await produce(apache.bootstrap, partition.topic, [b"before"])
    async with running(settings) as sink:
        await until(lambda: sink.values() == [b"before"])
        apache.kill()
        began = time.monotonic()
        assert not await sink.intake.commit(partition, 1, "x")
        assert await sink.intake.log_end(partition) is None
        assert time.monotonic() - began < 6
        apache.start()
        await produce(apache.bootstrap, partition.topic, [b"after"])
        await until(lambda: sink.values()[-1] == b"after", 40)
        async with asyncio.timeout(30):
            while not await sink.intake.commit(partition, 2, "y"):
                await asyncio.sleep(0.1)


async def test_without_kafka_at_start_it_waits_and_says_why():
    broker = EmbeddedBroker().start()
    settings = settings_for(broker.bootstrap, start="earliest", request_timeout=0.5)
    broker.kill()
    async with running(settings) as sink:
        await until(lambda: sink.intake.fault)
        assert "is not reached" in sink.intake.fault and not sink.intake.healthy
        broker.start()
        await make_topic(broker.bootstrap, settings.topics[0])
        await produce(broker.bootstrap, settings.topics[0], [b"x"])
        await until(lambda: sink.values() == [b"x"])
        assert sink.intake.healthy
    broker.close()


async def test_a_consumer_that_stalls_silently_is_made_anew(apache, caplog):
    settings, (partition,) = await sourced(apache.bootstrap)
    await produce(apache.bootstrap, partition.topic, [b"1"])
    async with running(settings, stall=1.0) as sink:
        await until(lambda: sink.values() == [b"1"])
        # What the reports describe: a member that heartbeats, whose fetching has stopped.
        fetcher = sink.intake._consumer._fetcher
        fetcher._fetch_task.cancel()
        await asyncio.wait({fetcher._fetch_task, *fetcher._pending_tasks})  # a fetch under way would bring the record
        await produce(apache.bootstrap, partition.topic, [b"2"])
        await until(lambda: b"2" in sink.values())
        assert sink.intake.rebuilds == 1 and sink.lost == [partition]
        assert "intake.stalled partitions=1" in caplog.text


async def test_a_consumer_that_no_longer_finds_its_group_is_made_anew(apache, caplog):
    settings, (partition,) = await sourced(apache.bootstrap)
    await produce(apache.bootstrap, partition.topic, [b"1"])
    async with running(settings, stall=1.0) as sink:
        await until(lambda: sink.values() == [b"1"])
        assert await sink.intake.commit(partition, 1, "")
        # It goes on fetching, and whatever it asks the group hangs.
        coordinator = sink.intake._consumer._coordinator
        await coordinator._coordinator_lookup_lock.acquire()
        coordinator.coordinator_dead()

        async def committing():
            while not await sink.intake.commit(partition, 1, ""):
                await asyncio.sleep(0.1)

        asked = asyncio.create_task(committing())
        await until(lambda: sink.lost == [partition], 30.0)
        coordinator._coordinator_lookup_lock.release()
        async with asyncio.timeout(30):
            await asked
        await produce(apache.bootstrap, partition.topic, [b"2"])
        await until(lambda: sink.values() == [b"1", b"2"])
        assert sink.intake.rebuilds == 1
        assert "no commit was answered" in caplog.text


async def test_what_looks_after_added_partitions_does_not_end_unseen(apache, monkeypatch):
    async def broken(member):
        raise KafkaError("it broke")

    monkeypatch.setattr(Member, "watch", broken)
    settings, _ = await sourced(apache.bootstrap)
    async with running(settings) as sink:
        await until(lambda: sink.intake.rebuilds > 0)
        assert "it broke" in str(sink.intake.fault)
