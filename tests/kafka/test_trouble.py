"""What is wrong with one record, partition or answer holds up that alone, is told, and is over when it is over."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.errors import KafkaError, LeaderNotAvailableError, OffsetOutOfRangeError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.util import calc_crc32c

from lmshooks.adapters.parsed_records import Unreadable
from tests.kafka.brokers import EmbeddedBroker
from tests.kafka.clients import produce, until
from tests.kafka.test_intake import Recorder, running, sourced


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    """An embedded broker's address."""
    embedded = EmbeddedBroker()
    try:
        yield embedded.start().bootstrap
    finally:
        embedded.close()


async def test_a_header_whose_name_is_no_utf8_is_a_record_like_any_other(broker, monkeypatch):
    build = BatchBuilder._build

    def latin(self):
        raw = bytearray(bytes(build(self)).replace(b"NAME", b"n\xe9me"))
        raw[17:21] = calc_crc32c(bytes(raw[21:])).to_bytes(4, "big")
        self._buffer = raw
        return raw

    settings, (partition,) = await sourced(broker)
    await produce(broker, partition.topic, [b"1", b"2"])
    with monkeypatch.context() as patched:
        patched.setattr(BatchBuilder, "_build", latin)
        async with AIOKafkaProducer(bootstrap_servers=broker) as producer:
            await producer.send_and_wait(partition.topic, b"3", headers=[("NAME", b"v")], partition=0)
    await produce(broker, partition.topic, [b"4"])

    class Headed(Recorder):
        def on_records(self, partition, records, next_offset, log_end) -> None:
            super().on_records(partition, records, next_offset, log_end)
            self.headers = [*getattr(self, "headers", []), *(name for one in records for name, _ in one.headers)]

    async with running(settings, Headed()) as sink:
        await until(lambda: len(sink.records) == 4)
        assert [(offset, value) for _, offset, value in sink.records] == [(n, b"%d" % (n + 1)) for n in range(4)]
        assert sink.headers == ["n\\xe9me"]
        assert (sink.intake.fault, sink.intake.rebuilds) == (None, 0)


async def test_a_damaged_batch_holds_its_partition_alone_until_it_is_mended(broker, monkeypatch):
    monkeypatch.setattr("lmshooks.adapters.watchdog.REST", 0.05)
    damaged = True

    def damaging(data: bytes) -> object:
        return fetched(data[:-1] + b"\xff" if damaged and b"damaged" in data else data)

    fetched = fetcher.MemoryRecords
    monkeypatch.setattr(fetcher, "MemoryRecords", damaging)
    settings, (bad, good) = await sourced(broker, 2)
    sent = [b"%d" % number for number in range(100)]
    async with running(settings) as sink:
        await until(lambda: len(sink.assigned) == 2)
        await produce(broker, bad.topic, [b"before"])
        await produce(broker, bad.topic, [b"damaged"])
        await until(lambda: sink.intake.fault)
        assert f"{bad.topic}/0 cannot be read at 1: CorruptRecordException" in sink.intake.fault
        async with AIOKafkaProducer(bootstrap_servers=broker) as producer:
            for value in sent:
                await producer.send_and_wait(bad.topic, value, partition=1)
        await until(lambda: len(sink.values(good)) == len(sent))
        assert sink.values(good) == sent
        assert sink.values(bad) == [b"before"]
        assert not sink.intake.healthy
        assert sink.intake.alive
        damaged = False
        await until(lambda: sink.values(bad) == [b"before", b"damaged"])
        assert sink.intake.healthy
        assert sink.intake.rebuilds == 0


async def test_what_one_poll_had_read_of_others_when_it_met_the_damage_is_not_lost(broker, monkeypatch):
    monkeypatch.setattr("lmshooks.adapters.watchdog.REST", 0.05)
    settings, (bad, good) = await sourced(broker, 2)
    await produce(broker, good.topic, [b"1", b"2"], 1)

    class Meeting(Recorder):
        """Its consumer's first answer is taken out of the buffer, and lost with an error of the other partition."""

        async def on_assigned(self, partition, *standing) -> None:
            consumer, getmany = self.intake._consumer, AIOKafkaConsumer.getmany
            assert consumer is not None

            async def meeting(*tps, **options):
                if answer := await getmany(consumer, *tps, **options):
                    consumer.getmany = getmany.__get__(consumer)
                    raise Unreadable(TopicPartition(*bad), 0, KafkaError("damaged"))
                return answer

            consumer.getmany = meeting
            await super().on_assigned(partition, *standing)

    async with running(settings, Meeting()) as sink:
        await until(lambda: len(sink.values(good)) == 2)
        assert sink.values(good) == [b"1", b"2"]
        assert sink.intake.rebuilds == 0


async def test_an_exception_that_nobody_expected_is_told_and_the_consumer_made_anew(broker, caplog):
    settings, (partition,) = await sourced(broker, session_timeout=2.0)
    async with running(settings) as sink:
        await until(lambda: partition in sink.assigned)

        async def broken(*tps, **options):
            raise AttributeError("nobody expected that")

        sink.intake._consumer.getmany = broken
        await until(lambda: sink.intake.fault)
        assert "nobody expected that" in sink.intake.fault
        await produce(broker, partition.topic, [b"1"])
        await until(lambda: sink.values() == [b"1"])
        assert sink.intake.healthy
    failed = next(record for record in caplog.records if record.message.startswith("intake.failed"))
    assert failed.exc_info, "the log says where"


async def test_what_the_group_refuses_is_seen_though_nothing_is_polled(broker):
    settings, (partition,) = await sourced(broker, session_timeout=2.0)
    async with running(settings, Recorder(starts=False)) as sink:
        await until(lambda: partition in sink.assigned)
        sink.starts = True
        coordinator = sink.intake._consumer._coordinator

        async def refused(subscription):
            raise KafkaError("refused")

        coordinator._do_rejoin_group = refused
        coordinator.request_rejoin()
        await until(lambda: sink.intake.rebuilds)
        assert "refused" in sink.intake.fault
        await produce(broker, partition.topic, [b"1"])
        await until(lambda: sink.values() == [b"1"])


async def test_one_partition_that_cannot_be_asked_about_leaves_the_others_alone(broker, monkeypatch, caplog):
    beginning_offsets, leaderless = AIOKafkaConsumer.beginning_offsets, True

    async def asked(self, tps):
        if leaderless and any(tp.partition == 0 for tp in tps):
            raise LeaderNotAvailableError
        return await beginning_offsets(self, tps)

    monkeypatch.setattr(AIOKafkaConsumer, "beginning_offsets", asked)
    settings, (bad, good) = await sourced(broker, 2)
    await produce(broker, good.topic, [b"1"], 1)
    async with running(settings) as sink:
        await until(lambda: sink.values() == [b"1"])
        assert list(sink.assigned) == [good]
        assert f"{bad.topic}/0 is not known: LeaderNotAvailableError" in sink.intake.fault
        assert f"intake.assignment_unknown partition={bad.topic}/0" in caplog.text
        leaderless = False
        await until(lambda: bad in sink.assigned)
        assert sink.intake.fault is None


async def test_a_fault_is_over_when_polling_goes_on(broker):
    async def away(tps):
        return False

    settings, (partition,) = await sourced(broker)
    async with running(settings, stall=1.0) as sink:
        watchdog, back = sink.intake._watchdog, asyncio.Event()
        watchdog._answers = away
        await until(lambda: partition in sink.assigned)
        consumer, getmany = sink.intake._consumer, sink.intake._consumer.getmany

        async def hanging(*tps, **options):
            await back.wait()
            return await getmany(*tps, **options)

        consumer.getmany = hanging
        watchdog.patience = 0.2
        await until(lambda: sink.intake.fault)
        assert sink.intake.fault == "no assignment from the group"
        assert sink.intake.alive
        watchdog.patience = 1000.0
        back.set()
        await until(lambda: sink.intake.healthy)
        assert (sink.intake.fault, sink.intake.rebuilds) == (None, 0)


async def test_the_fault_of_a_partition_goes_with_it(broker):
    settings, (partition,) = await sourced(broker)
    async with running(settings, Recorder(starts=False)) as sink:
        await until(lambda: partition in sink.assigned)

        async def out_of_range(*tps, **options):  # the embedded broker does not say it
            raise OffsetOutOfRangeError(dict.fromkeys(tps, 50))

        sink.intake._consumer.getmany = out_of_range
        sink.intake.start_at(partition, 50)
        await until(lambda: sink.intake.fault)
        assert f"{partition.topic}/0 ends at 0, before our position 50" in sink.intake.fault
    assert sink.intake.fault is None
