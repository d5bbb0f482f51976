"""Does the proxy do to a connection what it says? Against an echo server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from lmshooks.cli.embedded import Port
from tests.chaos.proxy import Proxy, Weather

PATIENCE = 20.0
BRIEFLY = 0.3
"""Seconds after which silence counts as silence."""


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(100_000):
                writer.write(piece)
        writer.close()

    front, target = Port(), Port()
    server = await asyncio.start_server(echo, "127.0.0.1", target.number)
    async with Proxy(front.number, target.number, delay=BRIEFLY) as made:
        yield made
    server.close()
    front.release()
    target.release()


@contextlib.asynccontextmanager
async def connection(proxy: Proxy) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.front)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def said(proxy: Proxy, text: bytes, seconds: float = PATIENCE) -> bytes:
    """What comes back over a new connection; nothing within so many seconds is an exception."""
    async with connection(proxy) as (reader, writer), asyncio.timeout(seconds):
        writer.write(text)
        return await reader.readexactly(len(text))


@pytest.mark.parametrize("weather", [Weather.CLEAR, Weather.SLOW, Weather.DRIP])
async def test_what_is_slow_arrives_whole(proxy: Proxy, weather: Weather) -> None:
    await proxy.set(weather)
    began = asyncio.get_running_loop().time()
    text = bytes(range(256)) * 4
    assert await said(proxy, text) == text
    if weather is Weather.SLOW:
        assert asyncio.get_running_loop().time() - began >= 2 * BRIEFLY


async def test_a_cut_ends_what_is_open_and_refuses_what_is_new(proxy: Proxy) -> None:
    async with connection(proxy) as (reader, writer):
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        await proxy.set(Weather.CUT)
        async with asyncio.timeout(PATIENCE):
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", proxy.front)
    await proxy.set(Weather.CLEAR)
    assert await said(proxy, b"again") == b"again"


async def test_cuts_that_overlap_end_together(proxy: Proxy) -> None:
    await proxy.set(Weather.CUT)
    await asyncio.gather(proxy.set(Weather.CLEAR), proxy.set(Weather.CLEAR))
    assert await said(proxy, b"again") == b"again"


async def test_a_cut_that_begins_as_another_ends_is_a_cut(proxy: Proxy) -> None:
    await proxy.set(Weather.CUT)
    await asyncio.gather(proxy.set(Weather.CLEAR), proxy.set(Weather.CUT))
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", proxy.front)


@pytest.mark.parametrize("weather", [Weather.SILENT, Weather.DEAF])
async def test_a_half_open_connection_says_nothing_until_it_clears(proxy: Proxy, weather: Weather) -> None:
    async with connection(proxy) as (reader, writer):
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        await proxy.set(weather)
        writer.write(b"y")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(BRIEFLY):
                await reader.read(1)
        with pytest.raises(TimeoutError):
            await said(proxy, b"new", BRIEFLY)
        await proxy.set(Weather.CLEAR)
        async with asyncio.timeout(PATIENCE):
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
    assert await said(proxy, b"again") == b"again"
