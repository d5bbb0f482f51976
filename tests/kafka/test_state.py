"""The state topic: read to its end, followed, written in whole batches."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from lmshooks.adapters import state as module
from lmshooks.adapters.state import MAX_BATCH, StateTopic, WriteTooLarge, WriteUnknown
from lmshooks.adapters.topics import prepare
from lmshooks.core.commands import Entry
from tests.kafka.brokers import EmbeddedBroker
from tests.kafka.clients import apache, delete_before, kafka, make_topic, produce, read_all, settings_for, until

__all__ = ["apache", "kafka"]


async def prepared(bootstrap, **changes):
    settings = settings_for(bootstrap, **changes)
    await make_topic(bootstrap, settings.topics[0])
    await prepare(settings, 0, 0)
    return settings


async def test_an_empty_state_topic_is_read_at_once(kafka):
    state = StateTopic(await prepared(kafka))
    assert await state.start() == []
    await state.stop()


async def test_the_barrier_gives_everything_that_was_written_before_in_order(kafka):
    settings = await prepared(kafka)
    first = StateTopic(settings)
    await first.start()
    for batch in range(5):
        await first.write([(f"{batch}-{n}".encode(), b"v" * n) for n in range(1, 300)])
    await first.write([(b"0-1", None)])
    await first.stop()

    second = StateTopic(settings)
    entries = await second.start()
    await second.stop()
    assert [entry.offset for entry in entries] == list(range(5 * 299 + 1))
    assert entries[298].key == b"0-299" and entries[298].value == b"v" * 299
    assert entries[-1].key == b"0-1" and entries[-1].value is None
    assert abs(entries[0].timestamp - entries[-1].timestamp) < 60 and entries[0].timestamp > 1e9


async def test_a_write_is_read_back_by_its_writer_and_by_every_other_follower(kafka):
    settings = await prepared(kafka)
    seen: dict[str, list[Entry]] = {"a": [], "b": []}
    states = {name: StateTopic(settings) for name in seen}
    for state in states.values():
        assert await state.start() == []
    tasks = [asyncio.create_task(state.follow(seen[name].extend)) for name, state in states.items()]
    for number in range(20):
        await states["a"].write([(b"k", str(number).encode()), (b"l", None)])
    await until(lambda: len(seen["a"]) == len(seen["b"]) == 40)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for state in states.values():
        await state.stop()
    assert seen["a"] == seen["b"]
    assert [entry.value for entry in seen["a"][::2]] == [str(number).encode() for number in range(20)]


async def test_reading_back_takes_few_milliseconds(kafka):
    state = StateTopic(await prepared(kafka))
    await state.start()
    seen: list[Entry] = []
    task = asyncio.create_task(state.follow(seen.extend))
    loop = asyncio.get_running_loop()
    taken = []
    for number in range(1, 31):
        began = loop.time()
        await state.write([(b"k", b"v")])
        while len(seen) < number:
            await asyncio.sleep(0)
        taken.append(loop.time() - began)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await state.stop()
    assert sorted(taken)[15] < 0.1, sorted(taken)


async def test_a_batch_over_the_topics_limit_is_refused_as_certainly_not_written(apache):
    settings = await prepared(apache.bootstrap)
    state = StateTopic(settings)
    await state.start()
    with pytest.raises(WriteTooLarge, match="write fewer at once"):
        await state.write([(str(n).encode(), b"x" * (MAX_BATCH // 4)) for n in range(6)])
    await state.write([(str(n).encode(), b"x" * 6000) for n in range(2000)])
    small = settings_for(apache.bootstrap)
    await make_topic(apache.bootstrap, small.state_topic, config={"cleanup.policy": "compact"})
    other = StateTopic(small)
    await other.start()
    with pytest.raises(WriteTooLarge, match=r"max\.message\.bytes"):
        await other.write([(str(n).encode(), b"x" * 6000) for n in range(2000)])
    await other.write([(b"k", b"v")])
    await state.stop()
    await other.stop()
    assert len(await read_all(apache.bootstrap, settings.state_topic)) == 2000
    assert len(await read_all(apache.bootstrap, small.state_topic)) == 1


async def test_a_log_cut_below_the_follower_is_followed_from_what_is_left(apache):
    settings = settings_for(apache.bootstrap)
    await make_topic(apache.bootstrap, settings.state_topic, config={"cleanup.policy": "delete"})
    await produce(apache.bootstrap, settings.state_topic, [b"1", b"2", b"3"])
    await delete_before(apache.bootstrap, settings.state_topic, 2)
    state = StateTopic(settings)
    assert [entry.value for entry in await state.start()] == [b"3"]
    state._next = 1
    assert state._consumer is not None
    state._consumer.seek(state._tp, 1)
    seen: list[Entry] = []
    task = asyncio.create_task(state.follow(seen.extend))
    await until(lambda: seen)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await state.stop()
    assert [entry.value for entry in seen] == [b"3"]


async def test_without_a_broker_a_write_is_unknown_in_bounded_time():
    broker = EmbeddedBroker().start()
    settings = await prepared(broker.bootstrap, request_timeout=1.0)
    state = StateTopic(settings)
    await state.start()
    broker.close()
    began = asyncio.get_running_loop().time()
    with pytest.raises(WriteUnknown):
        await state.write([(b"k", b"v")])
    assert asyncio.get_running_loop().time() - began < 4
    await state.stop()


async def test_follower_and_writer_go_on_when_kafka_is_back(apache):
    settings = await prepared(apache.bootstrap, request_timeout=1.0)
    state = StateTopic(settings)
    await state.start()
    seen: list[Entry] = []
    task = asyncio.create_task(state.follow(seen.extend))
    await state.write([(b"k", b"before")])
    await until(lambda: seen)
    apache.kill()
    with pytest.raises(WriteUnknown):
        await state.write([(b"k", b"during")])
    apache.start()
    for _ in range(30):
        try:
            await state.write([(b"k", b"after")])
            break
        except WriteUnknown:
            pass
    await until(lambda: seen[-1].value == b"after")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await state.stop()


async def test_the_end_that_was_read_is_told_with_its_age_and_not_while_kafka_is_away(apache):
    settings = await prepared(apache.bootstrap, request_timeout=1.0)
    state = StateTopic(settings)
    await state.start()
    told: list[float] = []
    task = asyncio.create_task(state.follow(lambda entries: None, lambda age: told.append(time.time() - age)))
    await until(lambda: len(told) > 2)
    apache.pause()
    paused = time.time()
    with pytest.raises(WriteUnknown):  # seconds, in which nothing is told that was not known before
        await state.write([(b"k", b"during")])
    assert max(told) <= paused
    apache.resume()
    await until(lambda: told[-1] > paused)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await state.stop()


class Hiccup:
    """A consumer of an empty topic, of whose fetches one is answered or none; then its broker is gone."""

    made = 0
    answers = True

    def __init__(self, **_: object) -> None:
        type(self).made += 1
        self._polls = 0
        self._fetcher = SimpleNamespace(_proc_fetch_request=None)

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def assign(self, tps: list[TopicPartition]) -> None: ...

    def seek(self, tp: TopicPartition, offset: int) -> None: ...

    async def end_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(tps, 0)

    async def getmany(self, *_: TopicPartition, **__: object) -> dict[TopicPartition, list[object]]:
        self._polls += 1
        await asyncio.sleep(0)
        if self._polls > 3:
            raise KafkaError("a hiccup")
        return {}

    async def position(self, tp: TopicPartition) -> int:
        return 0

    def last_poll_timestamp(self, tp: TopicPartition) -> int | None:
        return 1000 if self.answers and self._polls > 1 else None


@pytest.mark.parametrize("answers", [True, False])
async def test_the_follower_waits_longer_each_time_until_a_fetch_is_answered(answers, monkeypatch):
    kind: type[Hiccup] = type("Kind", (Hiccup,), {"answers": answers})
    monkeypatch.setattr(module, "AIOKafkaConsumer", kind)
    monkeypatch.setattr(module, "_WAIT", 0.02)
    state = StateTopic(settings_for("x:1"))
    task = asyncio.create_task(state.follow(lambda entries: None))
    began = asyncio.get_running_loop().time()
    await until(lambda: kind.made == 8)
    taken = asyncio.get_running_loop().time() - began
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    doubled = 0.02 * (2**7 - 1)
    assert taken < doubled if answers else taken >= doubled
