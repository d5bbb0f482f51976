"""Who answers the benchmark's posts, and what came when? The least of HTTP/1.1, in a process of its own.

The first part of the path says how:

    /hook/   200, counted                     /dead/   503             /hang/   nothing at all
    /at/     and the latency of each event, from the `sent` in it      /seen/   and the number of each event, in order
    /lane/N/ 200 or, while N is among those told to be down, 503          /slow/   200, counted, after two seconds

Bodies are looked through for `"eventId"`, never parsed: the listener lives on the same cores as what is measured.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import re
import ssl
import time
from array import array
from collections.abc import Iterable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple, Self

import uvloop

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LATER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlater"
SLOW = 2.0
"""Seconds until `/slow/` answers."""
DEAD = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
SENT = re.compile(rb'"sent":(\d+)')
NUMBER = re.compile(rb'"eventId":"e(\d+)"')
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
EVENTS, POSTS, FIRST, LAST = range(4)
"""Places in the shared counts: events, posts, and when the first and the last came (ns of the monotonic clock)."""


class Answering(asyncio.Protocol):
    """One connection: requests may come in any number of pieces, and several in one."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.pieces: list[bytes] = []
        self.have = 0
        self.wanted = 0
        """Bytes that must be here before it is worth looking again."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.pieces:
            self.pieces.append(data)
            self.have += len(data)
            if self.have < self.wanted:
                return
            data = b"".join(self.pieces)
            self.pieces.clear()
        at, size, answers = 0, len(data), []
        self.wanted = 0
        while at < size:
            end = data.find(b"\r\n\r\n", at)
            if end < 0:
                break
            found = LENGTH.search(data, at, end)
            whole = end + 4 + (int(found[1]) if found else 0)
            if whole > size:
                self.wanted = whole - at
                break
            answer = self.book.answer(data, at, end + 4, whole)
            if answer is LATER:
                asyncio.get_running_loop().call_later(SLOW, self.transport.write, LATER)
            elif answer:
                answers.append(answer)
            at = whole
        if at < size:
            self.pieces.append(data[at:] if at else data)
            self.have = size - at
        if answers:
            self.transport.write(answers[0] if len(answers) == 1 else b"".join(answers))


class Book:
    """What the listener has seen."""

    def __init__(self, counts: Any) -> None:
        self.counts = counts
        self.down: frozenset[bytes] = frozenset()
        self.sent, self.came = array("q"), array("q")
        self.numbers = array("q")

    def answer(self, data: bytes, start: int, body: int, end: int) -> bytes | None:
        """Note one request, which lies in data[start:end] with its body from `body` on; the bytes to answer with."""
        slash = data.find(b"/", start, body)
        what = data[slash + 1 : data.find(b"/", slash + 1, body)]
        if what == b"hang":
            return None
        if what == b"dead":
            return DEAD
        now = time.monotonic_ns()
        if what == b"lane":
            lane = slash + 6
            if data[lane : data.find(b"/", lane, body)] in self.down:
                return DEAD
        elif what == b"at":
            sent = [int(one) for one in SENT.findall(data, body, end)]
            self.sent.extend(sent)
            self.came.extend([now] * len(sent))
        elif what == b"seen":
            self.numbers.extend([int(one) for one in NUMBER.findall(data, body, end)])
        counts = self.counts
        counts[EVENTS] += data.count(b'"eventId"', body, end)
        counts[POSTS] += 1
        counts[FIRST] = counts[FIRST] or now
        counts[LAST] = now
        return LATER if what == b"slow" else OK


class Taken(NamedTuple):
    """What came since the last `take`."""

    sent: array[int]
    """Of each event that came to `/at/`, when it was sent, in ns."""
    came: array[int]
    numbers: array[int]
    """Of each event that came to `/seen/`, in the order of their coming."""


def listen(pipe: Connection, counts: Any, tls: tuple[str, str] | None) -> None:
    """The process."""
    book = Book(counts)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        context = None
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
        server = await loop.create_server(lambda: Answering(book), "127.0.0.1", 0, ssl=context, backlog=4096)

        def asked() -> None:
            down = pipe.recv()
            if down is not None:
                book.down = down
                pipe.send(None)
                return
            taken = Taken(book.sent, book.came, book.numbers)
            book.sent, book.came, book.numbers = array("q"), array("q"), array("q")
            counts[:] = [0, 0, 0, 0]
            pipe.send(taken)

        loop.add_reader(pipe.fileno(), asked)
        os.set_blocking(
            pipe.fileno(), True
        )  # the loop made it otherwise; what was noted may be longer than a pipe holds
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(serve())


class Listening:
    """The listener as the measuring process sees it."""

    def __init__(self, tls: tuple[Path, Path] | None = None) -> None:
        """`tls`: the files of its certificate and key."""
        self._tls = (str(tls[0]), str(tls[1])) if tls else None

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._counts: Any = context.RawArray("q", 4)
        self._process = context.Process(target=listen, args=(theirs, self._counts, self._tls), daemon=True)
        self._process.start()
        self.url = f"http{'s' if self._tls else ''}://127.0.0.1:{self._pipe.recv()}"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def arrived(self) -> int:
        """Events since the last `take`."""
        return int(self._counts[EVENTS])

    @property
    def posts(self) -> int:
        """Requests answered with 200 since the last `take`."""
        return int(self._counts[POSTS])

    @property
    def first(self) -> float:
        """When the first of them came, seconds of the monotonic clock; 0 before."""
        return float(self._counts[FIRST]) / 1e9

    @property
    def last(self) -> float:
        """When the latest of them came."""
        return float(self._counts[LAST]) / 1e9

    def take(self) -> Taken:
        """What was noted; all counts begin again."""
        self._pipe.send(None)
        taken: Taken = self._answer()
        return taken

    def down(self, lanes: Iterable[int]) -> None:
        """Which of the `/lane/N/` answer 503 from now on."""
        self._pipe.send(frozenset(str(lane).encode() for lane in lanes))
        self._answer()

    def _answer(self) -> Any:
        if not self._pipe.poll(60.0):
            raise TimeoutError("the benchmark's listener did not answer within 60 s")
        return self._pipe.recv()
