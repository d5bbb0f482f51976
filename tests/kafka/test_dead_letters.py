"""Dead letters: the bytes as they were, and why in the headers."""

from __future__ import annotations

import asyncio

from lmshooks.adapters.dead_letters import DeadLetters
from lmshooks.adapters.topics import prepare
from lmshooks.core.commands import Bury
from lmshooks.core.events import LetterReason
from lmshooks.core.positions import Partition
from tests.kafka.brokers import EmbeddedBroker
from tests.kafka.clients import apache, kafka, make_topic, read_all, settings_for

__all__ = ["apache", "kafka"]


def letter(value, **changes):
    values = {
        "ticket": None,
        "partition": Partition("events", 3),
        "offset": 42,
        "index": 1,
        "reason": LetterReason.REJECTED,
        "why": "answered 422 three times",
        "subscription_id": "crm",
        "delivery_id": "msg_1",
        "value": value,
        "headers": (("source", b"\x00lms"), ("lmshooks-reason", b"forged")),
    }
    return Bury(**(values | changes))


async def test_a_letter_carries_the_bytes_the_headers_and_the_reason(kafka):
    settings = settings_for(kafka)
    await make_topic(kafka, settings.topics[0])
    await prepare(settings, 0, 0)
    letters = DeadLetters(settings)
    assert await letters.write(letter(b'{"a": 1.0}\xff'))
    assert await letters.write(letter(None, subscription_id=None, delivery_id=None))
    await letters.stop()
    full, empty = await read_all(kafka, settings.dead_letter_topic)
    assert (full.key, full.value) == (b"events/3", b'{"a": 1.0}\xff')
    assert list(full.headers) == [
        ("source", b"\x00lms"),
        ("lmshooks-reason", b"rejected"),
        ("lmshooks-why", b"answered 422 three times"),
        ("lmshooks-topic", b"events"),
        ("lmshooks-partition", b"3"),
        ("lmshooks-offset", b"42"),
        ("lmshooks-index", b"1"),
        ("lmshooks-subscription", b"crm"),
        ("lmshooks-delivery", b"msg_1"),
    ]
    assert empty.value is None
    assert {name for name, _ in empty.headers}.isdisjoint({"lmshooks-subscription", "lmshooks-value"})


async def test_a_letter_too_large_for_the_topic_is_written_without_its_value(apache):
    settings = settings_for(apache.bootstrap)
    await make_topic(apache.bootstrap, settings.dead_letter_topic)  # 1 MiB, the broker's default
    letters = DeadLetters(settings)
    assert await letters.write(letter(b"x" * 2_000_000))
    assert await letters.write(letter(b"x" * 20_000_000))
    assert await letters.write(letter(b"x" * 900_000))
    await letters.stop()
    records = await read_all(apache.bootstrap, settings.dead_letter_topic)
    assert [len(record.value or b"") for record in records] == [0, 0, 900_000]
    assert [("lmshooks-value", b"left-out") in record.headers for record in records] == [True, True, False]


async def test_a_letter_whose_headers_are_too_large_for_the_topic_is_written_without_them(apache):
    settings = settings_for(apache.bootstrap)
    await make_topic(apache.bootstrap, settings.dead_letter_topic)
    letters = DeadLetters(settings)
    assert await letters.write(letter(b"x" * 2_000_000, headers=(("trace", b"y" * 2_000_000),)))
    await letters.stop()
    (record,) = await read_all(apache.bootstrap, settings.dead_letter_topic)
    headers = dict(record.headers)
    assert record.value is None and "trace" not in headers
    assert headers["lmshooks-headers"] == headers["lmshooks-value"] == b"left-out"
    assert (headers["lmshooks-offset"], headers["lmshooks-reason"]) == (b"42", b"rejected")


async def test_without_a_broker_a_letter_is_not_written_in_bounded_time_and_later_it_is():
    broker = EmbeddedBroker().start()
    settings = settings_for(broker.bootstrap, request_timeout=0.5)
    await make_topic(broker.bootstrap, settings.dead_letter_topic)
    letters = DeadLetters(settings)
    assert await letters.write(letter(b"1"))
    broker.kill()
    began = asyncio.get_running_loop().time()
    assert not await letters.write(letter(b"2"))
    assert asyncio.get_running_loop().time() - began < 2
    broker.start()
    await make_topic(broker.bootstrap, settings.dead_letter_topic)
    async with asyncio.timeout(20):
        while not await letters.write(letter(b"2")):
            pass
    await letters.stop()
    broker.close()
