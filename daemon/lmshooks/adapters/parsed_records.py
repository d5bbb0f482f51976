"""How does a Kafka record reach us without a copy? As aiokafka's parser made it, not as a ConsumerRecord of it.

A ConsumerRecord is a frozen dataclass of eleven members, which takes nearly as long to make as its record to parse. Of
a consumer whose values are "deserialised" by `as_parsed`, records come as they were parsed: offset, timestamp, key,
value and headers are there, topic and partition are not. Where aiokafka has no such place any more, they come as ever:
`as_parsed` changes no value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiokafka.consumer.fetcher import PartitionRecords


def as_parsed(value: bytes) -> bytes:
    """The `value_deserializer` of a consumer whose records come as they were parsed; told by its identity."""
    return value


def _put_in(wrapped: Callable[[Any, Any, Any], Any]) -> None:
    def consumer_record(self: Any, tp: Any, record: Any) -> Any:
        return record if self._value_deserializer is as_parsed else wrapped(self, tp, record)

    PartitionRecords._consumer_record = consumer_record


if hasattr(PartitionRecords, "_consumer_record"):
    _put_in(PartitionRecords._consumer_record)
