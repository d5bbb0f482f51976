"""What can a network do to a connection? A TCP proxy that does it: cut, delay, go silent, drip.

    client ──> front port ──[ weather ]──> target port

The weather may change at any time and holds for connections that are open already, except that a cut ends them. Silence
is what a half-open connection looks like: nothing arrives and nothing says why; what was swallowed is never made up
for, so a silenced connection is closed when the weather clears, as a peer's kernel does in the end.
"""

from __future__ import annotations

import asyncio
import contextlib
from enum import StrEnum
from typing import Self

from tests.chaos.gate import Gate

CHUNK = 64 * 1024


class Weather(StrEnum):
    """How the network is."""

    CLEAR = "clear"
    CUT = "cut"
    """Open connections are reset, new ones refused."""
    SILENT = "silent"
    """Connections are accepted and kept, and nothing passes either way."""
    DEAF = "deaf"
    """What the client sends arrives; what it is answered does not."""
    SLOW = "slow"
    """Everything arrives late, by `delay` seconds a piece."""
    DRIP = "drip"
    """A few bytes at a time."""


class Proxy:
    """One front port for one target port, both on 127.0.0.1; `async with`."""

    def __init__(self, front: int, target: int, delay: float = 0.2) -> None:
        """`delay`: seconds by which SLOW holds each piece up."""
        self.front = front
        self.target = target
        self.delay = delay
        self.weather = Weather.CLEAR
        self._gate = Gate(front, self._serve)
        self._open: dict[asyncio.Task[None], tuple[asyncio.StreamWriter, ...]] = {}
        self._silenced: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    async def set(self, weather: Weather) -> None:
        """Change the weather."""
        self.weather = weather
        self._changed.set()
        self._changed = asyncio.Event()
        if weather is Weather.CUT:
            self._gate.close()
            self._reset(list(self._open))
        else:
            await self._gate.open()
            if weather is Weather.CLEAR:
                self._reset([task for task in self._silenced if task in self._open])
                self._silenced.clear()

    async def __aenter__(self) -> Self:
        await self._gate.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._gate.close()
        tasks = list(self._open)
        self._reset(tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _reset(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            for writer in self._open.get(task, ()):
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = (writer,)
        far: asyncio.StreamWriter | None = None
        try:
            if self.weather is Weather.SILENT:
                await self._until_audible(task)
            far_reader, far = await asyncio.open_connection("127.0.0.1", self.target)
            self._open[task] = (writer, far)
            ways = [
                asyncio.ensure_future(self._pass(task, reader, far, True)),
                asyncio.ensure_future(self._pass(task, far_reader, writer, False)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except (OSError, RuntimeError, asyncio.CancelledError):
            pass  # the target is away, or the run ends: the client sees a closed connection
        finally:
            self._open.pop(task, None)
            self._silenced.discard(task)
            for one in (writer, far):
                if one is not None:
                    with contextlib.suppress(OSError, RuntimeError):
                        one.close()

    async def _pass(
        self, task: asyncio.Task[None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter, out: bool
    ) -> None:
        """One way of one connection, until either side ends it."""
        while piece := await reader.read(CHUNK):
            weather = self.weather
            if weather is Weather.SILENT or (weather is Weather.DEAF and not out):
                await self._until_audible(task)
                return
            if weather is Weather.SLOW:
                await asyncio.sleep(self.delay)
            elif weather is Weather.DRIP:
                while len(piece) > 64 and self.weather is Weather.DRIP:
                    writer.write(piece[:64])
                    piece = piece[64:]
                    await asyncio.sleep(0.01)
            writer.write(piece)
            await writer.drain()

    async def _until_audible(self, task: asyncio.Task[None]) -> None:
        """Swallow: the connection is broken from here on, and is told so only when the weather clears."""
        self._silenced.add(task)
        while self.weather in (Weather.SILENT, Weather.DEAF):
            await self._changed.wait()
