"""Records come as they were parsed to whoever asks for it, and say what a ConsumerRecord would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from lmshooks.adapters.parsed_records import as_parsed


def of_today() -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 10_000)
    builder.append(0, 1_700_000_000_123, b"1010", b"one", [("traceparent", b"00-1")])
    builder.append(1, 1_700_000_000_124, None, None, [])
    return bytes(builder.build())


def of_long_ago() -> bytes:
    builder = LegacyRecordBatchBuilder(1, 0, 10_000)
    builder.append(0, timestamp=1_700_000_000_123, key=b"1010", value=b"one")
    builder.append(1, timestamp=1_700_000_000_124, key=None, value=None)
    return bytes(builder.build())


def read(batch: bytes, deserializer: Callable[[bytes], bytes] | None) -> list[Any]:
    place = TopicPartition("events", 0)
    return list(PartitionRecords(place, MemoryRecords(batch), [], 0, None, deserializer, True, 0))


@pytest.mark.parametrize("batch", [of_today(), of_long_ago()], ids=["v2", "v1"])
def test_what_was_parsed_says_the_same(batch: bytes) -> None:
    parsed, copied = read(batch, as_parsed), read(batch, None)
    assert not any(isinstance(one, ConsumerRecord) for one in parsed)
    assert all(isinstance(one, ConsumerRecord) for one in copied)
    for mine, theirs in zip(parsed, copied, strict=True):
        for name in ("offset", "timestamp", "key", "value"):
            assert getattr(mine, name) == getattr(theirs, name)
        assert tuple(mine.headers) == theirs.headers


def test_other_deserialisers_work_as_ever() -> None:
    (record, _) = read(of_today(), lambda value: value and value.upper())
    assert record.value == b"ONE"
