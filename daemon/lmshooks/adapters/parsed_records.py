"""How does a Kafka record reach us without a copy, and what of a batch that cannot be parsed?

A ConsumerRecord is a frozen dataclass of eleven members, which takes nearly as long to make as its record to parse. Of
a consumer whose values are "deserialised" by `as_parsed`, records come as they were parsed: offset, timestamp, key,
value and headers are there, topic and partition are not.

Kafka does not look at the names of headers; aiokafka wants UTF-8, and raises in the midst of a poll. A batch with
other names is read again by aiokafka's pure Python, with what is no UTF-8 in them as `\\xe9`. What still cannot be read
(a wrong CRC, an unknown codec) is Unreadable, which says where; what came before it is handed out first.

Where aiokafka has no such places any more, all is as ever: `as_parsed` changes no value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import KafkaError
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

from lmshooks.adapters.kafka_client import describe

_LENGTH = 8, 12
"""Where a batch says how many bytes follow these."""


class Unreadable(KafkaError):  # type: ignore[misc]
    """What the log holds at `offset` of `tp` cannot be parsed."""

    def __init__(self, tp: TopicPartition, offset: int, why: BaseException) -> None:
        super().__init__(f"{tp.topic}/{tp.partition} cannot be read at {offset}: {describe(why)}")
        self.tp = tp
        self.offset = offset
        self.why = describe(why)


def as_parsed(value: bytes) -> bytes:
    """The `value_deserializer` of a consumer whose records come as they were parsed; told by its identity."""
    return value


class _Lenient(bytearray):
    """Bytes of records in which every text can be decoded."""

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return _Lenient(found) if isinstance(found, bytearray) else found

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        # Not surrogates: a dead letter could not carry them.
        return super().decode(encoding, errors)


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    """A batch whose header names need not be UTF-8. Many times slower than aiokafka's own, which is in C."""

    _buffer: Any

    def __iter__(self) -> Any:
        super().__iter__()
        self._buffer = _Lenient(self._buffer)
        return self


class _Fetched(MemoryRecords):  # type: ignore[misc]
    """The batches of one answer. The last one that was handed out can be had again, leniently."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._data = data
        self._taken = 0
        self._again: _LenientBatch | None = None
        self._read_again = -1

    def has_next(self) -> bool:
        """Whether there is another."""
        return self._again is not None or super().has_next()

    def next_batch(self) -> Any:
        """The next one."""
        if self._again is not None:
            batch, self._again = self._again, None
            return batch
        self._taken += 1
        return super().next_batch()

    def read_again(self) -> bool:
        """The last one comes again as the next. Whether it had not done so before."""
        if self._read_again == self._taken:
            return False
        self._read_again = self._taken
        begin = end = 0
        first, last = _LENGTH
        for _ in range(self._taken):
            begin, end = end, end + last + int.from_bytes(self._data[end + first : end + last], "big")
        self._again = _LenientBatch(self._data[begin:end])
        return True


def _unpacked(records: Any, unpack: Callable[[Any], Iterator[Any]]) -> Iterator[Any]:
    """What `unpack` yields of these PartitionRecords, across batches that it cannot decode."""
    began = records.next_fetch_offset
    while True:
        try:
            yield from unpack(records)
            return
        except Exception as error:
            undecoded = isinstance(error, UnicodeDecodeError) or isinstance(error.__cause__, UnicodeDecodeError)
            if undecoded and isinstance(records._records, _Fetched) and records._records.read_again():
                continue  # what it had yielded of this batch lies before next_fetch_offset, and is passed over
            if records.next_fetch_offset > began:
                return  # raised now, it would take along what came before; it comes first in the next answer
            raise Unreadable(records._tp, began, error) from error


def _put_in(consumer_record: Callable[[Any, Any, Any], Any], unpack: Callable[[Any], Iterator[Any]]) -> None:
    def parsed(self: Any, tp: Any, record: Any) -> Any:
        return record if self._value_deserializer is as_parsed else consumer_record(self, tp, record)

    PartitionRecords._consumer_record = parsed
    PartitionRecords._unpack_records = lambda self: _unpacked(self, unpack)
    fetcher.MemoryRecords = _Fetched


if hasattr(PartitionRecords, "_consumer_record") and hasattr(PartitionRecords, "_unpack_records"):
    _put_in(PartitionRecords._consumer_record, PartitionRecords._unpack_records)
