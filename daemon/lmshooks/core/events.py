"""What does a Kafka record say? Bytes -> Events, or why not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from lmshooks.core.positions import Position


class Record(Protocol):
    """A Kafka record as the machine needs it; aiokafka's ConsumerRecord is one."""

    offset: int
    timestamp: int
    """Milliseconds since the epoch, by the topic's message.timestamp.type."""
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Event(NamedTuple):
    """One LMS fact, with the bytes its producer wrote."""

    position: Position
    account: str
    """The account id as text: what subscriptions name and order is kept by."""
    account_json: bytes
    """The account id as its producer wrote it: `1010` or `"1010"`."""
    name: str
    id: str
    raw: bytes
    """The event object, byte for byte as written (a bare event without its `accountId` member)."""
    written_at: float
    """When the record was written to the log, seconds since the epoch."""
