"""Who answers the benchmark's posts, at what moment did each event arrive? The least of HTTP, in a process of its own.

`/dead/` answers 503 and `/hang/` nothing; neither counts. `/at/` also notes the latency of each event, from the `sent`
(nanoseconds of the monotonic clock, one for all processes of a machine) in it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import re
import time
from multiprocessing.connection import Connection
from typing import Any, Self

import uvloop

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
DEAD = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
SENT = re.compile(rb'"sent":(\d+)')
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def answer(pipe: Connection, arrived: Any) -> None:
    """The process."""
    latencies: list[tuple[int, float]] = []

    class Answering(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport, self.buffer = transport, b""

        def data_received(self, data: bytes) -> None:
            self.buffer += data
            while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
                head = self.buffer[:end]
                found = LENGTH.search(head)
                whole = end + 4 + (int(found[1]) if found else 0)
                if len(self.buffer) < whole:
                    return
                body, self.buffer = self.buffer[end + 4 : whole], self.buffer[whole:]
                if head.startswith(b"POST /hang/"):
                    continue
                if head.startswith(b"POST /dead/"):
                    self.transport.write(DEAD)
                    continue
                if head.startswith(b"POST /at/"):
                    now = time.monotonic_ns()
                    latencies.extend((int(sent), (now - int(sent)) / 1e6) for sent in SENT.findall(body))
                arrived.value += body.count(b'"eventId"')
                self.transport.write(OK)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Answering, "127.0.0.1", 0)

        def asked() -> None:
            pipe.recv()
            pipe.send(list(latencies))
            latencies.clear()
            arrived.value = 0

        loop.add_reader(pipe.fileno(), asked)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(serve())


class Listening:
    """The listener as the measuring process sees it."""

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._arrived: Any = context.RawValue("q", 0)
        self._process = context.Process(target=answer, args=(theirs, self._arrived), daemon=True)
        self._process.start()
        self.url = f"http://127.0.0.1:{self._pipe.recv()}"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()

    @property
    def arrived(self) -> int:
        """Events since the last `take`."""
        return int(self._arrived.value)

    def take(self) -> list[tuple[int, float]]:
        """(sent in ns, latency in ms) of every event that came to `/at/`; all counts begin again."""
        self._pipe.send(None)
        taken: list[tuple[int, float]] = self._pipe.recv()
        return taken
