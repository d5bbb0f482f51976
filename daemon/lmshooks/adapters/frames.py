"""How do Kafka's answers come in without being copied again and again?

aiokafka reads through a StreamReader: what the transport read is copied into its buffer, which grows as the answer
comes, and out of that when all of it is there; a task is woken for every piece. Here an answer's length makes the place
for it, the kernel fills that, and aiokafka gets its bytes in the same turn of the loop.

Only where its bytes come from is changed, in the one method that starts to read; what an answer means, and how a
connection ends, is aiokafka's. Where it has no such method any more, all is as ever.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from functools import partial
from struct import Struct
from typing import Any

from aiokafka.conn import AIOKafkaConnection

LENGTH = Struct(">i")
SMALL = 64 * 1024
"""Bytes of the place for answers that are no larger; larger ones have their own, while they come in."""
TRUSTED = 16 * 1024 * 1024
"""An answer that says it is larger has to send so much before it gets more: it may be no Kafka that speaks."""


class Frames(asyncio.BufferedProtocol):
    """One connection's answers. `streams` is aiokafka's own protocol, which goes on to see all but the bytes."""

    def __init__(self, connection: AIOKafkaConnection, streams: asyncio.StreamReaderProtocol) -> None:
        self._connection = weakref.ref(connection)
        self._streams = streams
        self._small = self._place = memoryview(bytearray(SMALL))
        self._filled = 0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Ends with why nothing comes any more; cancelled by whoever closes the connection."""

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        return self._place[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """So many have come."""
        if self.ended.done():  # it is about to be closed
            return
        filled, self._filled = self._filled + nbytes, 0
        try:
            self._filled = self._take_apart(filled)
        except Exception as error:
            self._end(error)

    def _take_apart(self, filled: int) -> int:
        """Hand over what is complete, and make room for the rest; how much that is."""
        place, start, size = self._place, 0, 0
        while filled - start >= LENGTH.size:
            (length,) = LENGTH.unpack_from(place, start)
            if length < 0:
                raise ValueError(f"an answer says that it has {length} bytes")
            size = LENGTH.size + length
            if filled - start < size:
                break
            answer = bytes(place[start + LENGTH.size : start + size])
            start += size
            if start == filled:
                self._place = place = self._small  # a large one goes before the answer is looked at, which takes more
            connection = self._connection()
            if connection is None or self.ended.done():
                return 0
            connection._handle_frame(answer)
            del connection, answer
        rest = filled - start
        if rest >= LENGTH.size and size > len(place) and (place is self._small or rest == len(place)):
            self._place = memoryview(bytearray(size if size <= TRUSTED else min(size, max(TRUSTED, 2 * rest))))
            self._place[:rest] = place[start:filled]
        elif start and rest:
            place[:rest] = place[start:filled]
        return rest

    def _end(self, error: Exception) -> None:
        if not self.ended.done():
            self.ended.set_exception(error)

    def eof_received(self) -> bool | None:
        """The broker sends no more."""
        self._end(EOFError("the broker closed the connection"))
        return self._streams.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._end(exc or EOFError("the connection is closed"))
        self._streams.connection_lost(exc)

    def pause_writing(self) -> None:
        """The transport holds enough."""
        self._streams.pause_writing()

    def resume_writing(self) -> None:
        """It takes more."""
        self._streams.resume_writing()


def read_in_place() -> None:
    """From now on connections read so."""
    wrapped: Callable[[Any], Any] | None = getattr(AIOKafkaConnection, "_create_reader_task", None)

    def reading(self: Any) -> Any:
        """What aiokafka takes for the task that reads: it waits for its end, or cancels it."""
        assert wrapped is not None
        if self._reader._buffer:  # whoever speaks before it is asked is no Kafka; aiokafka says so
            return wrapped(self)
        transport = self._writer.transport
        frames = Frames(self, self._protocol)
        transport.pause_reading()
        transport.set_protocol(frames)
        transport.resume_reading()
        frames.ended.add_done_callback(partial(self._on_read_task_error, weakref.ref(self)))
        return frames.ended

    if wrapped is not None:
        AIOKafkaConnection._create_reader_task = reading
