"""Records come as they were parsed to whoever asks for it, and say what a ConsumerRecord would; and what cannot be
parsed costs nothing else."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.codec import gzip_encode
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from lmshooks.adapters.parsed_records import Unreadable, as_parsed


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
    return list(unpacking(batch, deserializer))


def unpacking(batch: bytes, deserializer: Callable[[bytes], Any] | None = as_parsed, offset: int = 0) -> Any:
    place = TopicPartition("events", 0)
    return PartitionRecords(place, fetcher.MemoryRecords(batch), [], offset, None, deserializer, True, 0)


def batch_at(offset: int, headers: list[tuple[str, bytes]], codec: int = 0) -> bytes:
    """Three records from `offset` on, each with these headers; NAME in a header's name becomes a byte of Latin-1."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 10_000)
    for number in range(3):
        builder.append(number, 1_700_000_000_123, b"key", b"%d" % (offset + number), headers)
    whole = bytes(builder.build()).replace(b"NAME", b"n\xe9me")
    if codec:
        whole = whole[:61] + gzip_encode(whole[61:])
    return sealed(whole, offset, codec)


def sealed(whole: bytes, offset: int, codec: int = 0) -> bytes:
    """A batch with its offset, its length, its codec and its CRC."""
    body = struct.pack(">h", codec) + whole[23:]
    return struct.pack(">qi", offset, len(whole) - 12) + whole[12:17] + struct.pack(">I", calc_crc32c(body)) + body


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


@pytest.mark.parametrize("codec", [0, 1], ids=["plain", "gzip"])
@pytest.mark.parametrize("deserializer", [as_parsed, None], ids=["parsed", "copied"])
def test_a_header_whose_name_is_no_utf8_comes_with_all_around_it(codec: int, deserializer: Any) -> None:
    good, bad = [("name", b"1")], [("one", b"1"), ("NAME", b"2"), ("three", b"3")]
    log = batch_at(0, good) + batch_at(3, bad, codec) + batch_at(6, good) + batch_at(9, bad, codec)
    records = list(unpacking(log, deserializer))
    assert [record.offset for record in records] == list(range(12))
    assert [record.value for record in records] == [b"%d" % offset for offset in range(12)]
    assert list(records[4].headers) == [("one", b"1"), ("n\\xe9me", b"2"), ("three", b"3")]
    assert list(records[7].headers) == good
    assert records[4].headers[1][0].encode(), "a dead letter has to carry it"


def test_reading_goes_on_in_the_midst_of_such_a_batch() -> None:
    reading = unpacking(batch_at(7, [("NAME", b"")]), offset=8)
    assert [record.offset for record in reading] == [8, 9]
    assert reading.next_fetch_offset == 10


def test_what_comes_before_a_damaged_batch_is_handed_out_and_the_damage_is_told_with_its_place() -> None:
    damaged = batch_at(3, [])[:-1] + b"\xff"
    before = unpacking(batch_at(0, []) + damaged)
    assert [record.offset for record in before] == [0, 1, 2]
    assert before.next_fetch_offset == 3
    with pytest.raises(Unreadable, match=r"events/0 cannot be read at 3: .*CRC") as raised:
        next(unpacking(damaged, offset=3))
    assert (raised.value.tp, raised.value.offset) == (TopicPartition("events", 0), 3)


def test_what_a_deserialiser_cannot_decode_is_not_read_again_for_ever() -> None:
    with pytest.raises(Unreadable, match="UnicodeDecodeError"):
        next(unpacking(batch_at(0, []), lambda value: b"\xff".decode()))
