"""Kafka's answers come out as they were sent, in whatever pieces; and a connection ends as aiokafka means it to.

Against a server that knows one request of Kafka's, by which aiokafka begins, and answers the next as a test wants.
"""

from __future__ import annotations

import asyncio
import random
import struct
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import CorrelationIdError, KafkaConnectionError
from aiokafka.protocol.admin import ApiVersionRequest

from lmshooks.adapters import kafka_client
from lmshooks.adapters.frames import SMALL, TRUSTED, Frames

assert kafka_client.AIOKafkaConnection is AIOKafkaConnection, "which puts it in"

VERSIONS = struct.pack(">hi3h", 0, 1, 18, 0, 0)
"""No error; of one request, ApiVersions, version 0 to 0."""
BOTH = pytest.mark.parametrize("loops", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
Said = Callable[[asyncio.StreamWriter], Awaitable[None]]


def framed(answer: bytes) -> bytes:
    return struct.pack(">i", len(answer)) + answer


@asynccontextmanager
async def connected(say: Said) -> AsyncIterator[AIOKafkaConnection]:
    """To a server that answers the second request, and what comes after it, by `say`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first = await reader.readexactly(struct.unpack(">i", await reader.readexactly(4))[0])
            writer.write(framed(first[4:8] + VERSIONS))
            await reader.readexactly(struct.unpack(">i", await reader.readexactly(4))[0])
            await say(writer)
            await reader.read()
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    connection = AIOKafkaConnection(host, port, request_timeout_ms=5000)
    try:
        await connection.connect()
        assert isinstance(connection._writer.transport.get_protocol(), Frames)
        yield connection
    finally:
        connection.close()
        server.close()


def run(loops: Callable[[], Any], say: Said, ask: Callable[[AIOKafkaConnection], Awaitable[None]]) -> None:
    async def both() -> None:
        async with asyncio.timeout(30), connected(say) as connection:
            await ask(connection)

    with asyncio.Runner(loop_factory=loops) as runner:
        runner.run(both())


def awaited(connection: AIOKafkaConnection, count: int) -> list[asyncio.Future[bytes]]:
    """So many raw answers, asked for in one go; the server takes note of the first question only."""
    futures = [connection._loop.create_future() for _ in range(count)]
    connection._requests.extend((None, None, future) for future in futures)
    connection._writer.write(framed(b"?"))
    return futures


@BOTH
@pytest.mark.parametrize("seed", range(6))
def test_answers_of_every_size_come_out_as_they_were_sent_in_whatever_pieces(loops: Any, seed: int) -> None:
    rng = random.Random(seed)
    edges = (0, 1, 3, 4, SMALL - 5, SMALL - 4, SMALL - 3, SMALL, 3 * SMALL + 7)
    answers = [rng.randbytes(rng.choice((*edges, rng.randrange(200), rng.randrange(5 * SMALL)))) for _ in range(60)]
    stream = b"".join(map(framed, answers))

    async def say(writer: asyncio.StreamWriter) -> None:
        at = 0
        while at < len(stream):
            step = rng.choice((1, 3, 4, 5, 100, 1000, SMALL, SMALL, 4 * SMALL))
            writer.write(stream[at : at + step])
            at += step
            await writer.drain()
            if rng.random() < 0.1:
                await asyncio.sleep(0.001)

    async def ask(connection: AIOKafkaConnection) -> None:
        assert await asyncio.gather(*awaited(connection, len(answers))) == answers

    run(loops, say, ask)


@BOTH
def test_an_answer_that_is_larger_than_is_trusted_comes_too(loops: Any) -> None:
    answer = random.Random(1).randbytes(2 * TRUSTED + 5)

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(framed(answer) + framed(b"small"))

    async def ask(connection: AIOKafkaConnection) -> None:
        large, small = awaited(connection, 2)
        assert await large == answer
        assert await small == b"small"
        assert len(connection._writer.transport.get_protocol().get_buffer(-1)) == SMALL, "and is not kept"

    run(loops, say, ask)


@BOTH
def test_whoever_only_says_that_it_is_large_gets_no_memory_for_it(loops: Any) -> None:
    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def ask(connection: AIOKafkaConnection) -> None:
        (answer,) = awaited(connection, 1)
        await asyncio.wait([answer], timeout=0.2)
        frames = connection._writer.transport.get_protocol()
        assert SMALL < len(frames.get_buffer(-1)) <= TRUSTED < struct.unpack(">i", b"HTTP")[0]
        assert not answer.done()
        answer.cancel()

    run(loops, say, ask)


@BOTH
@pytest.mark.parametrize("said", [framed(b"whole") + b"\0\0\0\x09half", b"\xff\xff\xff\xff", framed(b"x") * 2])
def test_what_cannot_be_or_is_broken_off_ends_the_connection_and_whoever_waits(loops: Any, said: bytes) -> None:
    """In the last case there are more answers than questions."""

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        if said.endswith(b"half"):
            writer.close()

    async def ask(connection: AIOKafkaConnection) -> None:
        first, *others = awaited(connection, 2 if b"half" in said else 1)
        if said[:1] == b"\xff":
            others = [first]
        else:
            assert await first in (b"whole", b"x")
        for waiting in others:
            with pytest.raises(KafkaConnectionError, match="closed"):
                await waiting
        while connection.connected():
            await asyncio.sleep(0.001)

    run(loops, say, ask)


@BOTH
def test_an_answer_to_another_question_ends_it(loops: Any) -> None:
    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(framed(struct.pack(">i", 77) + VERSIONS) + framed(b"no more of this"))

    async def ask(connection: AIOKafkaConnection) -> None:
        with pytest.raises(CorrelationIdError):
            await connection.send(ApiVersionRequest())
        assert not connection.connected()

    run(loops, say, ask)


@BOTH
def test_a_connection_that_nobody_holds_goes(loops: Any) -> None:
    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(framed(b"x"))

    async def ask(connection: AIOKafkaConnection) -> None:
        (answer,) = awaited(connection, 1)
        assert await answer == b"x"
        held = [AIOKafkaConnection(connection.host, connection.port, request_timeout_ms=5000)]
        await held[0].connect()
        seen = weakref.ref(held[0])
        with pytest.warns(ResourceWarning, match="Unclosed AIOKafkaConnection"):
            held.clear()
        assert seen() is None

    run(loops, say, ask)
