"""Does every broken answer end in one Outcome, and does the next delivery to the endpoint go well?

What an endpoint sends beyond its answer must never be taken for the answer to the next delivery: that would settle
events that nobody has seen.
"""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lmshooks.adapters.egress import Guard, socket_factory
from lmshooks.adapters.http import Poster
from lmshooks.core.retrying import Failure
from lmshooks.core.subscriptions import Endpoint
from tests.adapters.answering import BODY, EITHER_LOOP, LOCAL, answer, event_loop_policy, poster, rested

__all__ = ["event_loop_policy", "poster", "rested"]

pytestmark = [EITHER_LOOP, pytest.mark.usefixtures("rested")]

CLOSE = None
"""In a script: end the connection here."""
OK = b"HTTP/1.1 200 OK\r\n"
GARBAGE = b"\x00\xff\x16\x03\x01 not http at all\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
HANG = 0.5
"""Seconds in which an answer that never ends is given up here."""


class Breaking:
    """An endpoint that answers `BREAK` by a script, and every other delivery with its id."""

    BREAK = "msg_break"

    def __init__(self, script, early=False):
        self.script = script
        self.early = early
        self.open = 0
        self.took = []
        self.after_break = asyncio.Event()

    async def connected(self, reader, writer):
        self.open += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
                name = fields[b"webhook-id"].decode()
                broken = name == self.BREAK
                if not (broken and self.early):
                    assert len(await reader.readexactly(int(fields[b"content-length"]))) > 0
                self.took.append(name)
                if not broken:
                    writer.write(answer(b"answer to " + name.encode()))
                elif await self._break(writer):
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.transport.abort()

    async def _break(self, writer):
        for piece in self.script:
            if piece is CLOSE:
                writer.close()
                return True
            if isinstance(piece, asyncio.Event):
                await piece.wait()
                continue
            writer.write(piece)
            await writer.drain()
        self.after_break.set()
        return False


@asynccontextmanager
async def breaking(script, early=False):
    endpoint = Breaking(script, early)
    tasks: set = set()

    async def connected(reader, writer):
        tasks.add(asyncio.current_task())
        await endpoint.connected(reader, writer)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=4 * 1024 * 1024)
    try:
        yield endpoint, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def good(poster, url, number):
    """A delivery that must go well, and by its own answer."""
    outcome = await poster.post(Endpoint(url), f"msg_{number}", 1, BODY)
    assert (outcome.status, outcome.detail) == (200, f"answer to msg_{number}")


BROKEN = {
    # what was sent -> the status, or the failures that it may be
    "nothing": ([CLOSE], {Failure.DISCONNECT}),
    "half a status line": ([b"HTTP/1.1 2", CLOSE], {Failure.DISCONNECT, Failure.OTHER}),
    "half a status line, and no end": ([b"HTTP/1.1 2"], {Failure.TIMEOUT}),
    "half a header": ([OK + b"Content-Le", CLOSE], {Failure.DISCONNECT}),
    "a header and no end": ([OK + b"Content-Length: 0\r\n"], {Failure.TIMEOUT}),
    "a status of one digit": ([b"HTTP/1.1 2 OK\r\nContent-Length: 0\r\n\r\n"], {Failure.OTHER}),
    "a status of four digits": ([b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"], {Failure.OTHER}),
    "a status of letters": ([b"HTTP/1.1 OK 200\r\nContent-Length: 0\r\n\r\n"], {Failure.OTHER}),
    "another protocol": ([b"SSH-2.0-OpenSSH_9.9\r\n"], {Failure.OTHER, Failure.TIMEOUT}),
    "TLS": ([b"\x15\x03\x01\x00\x02\x02\x46", CLOSE], {Failure.OTHER, Failure.DISCONNECT}),
    "HTTP/2": ([b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18)], {Failure.OTHER}),
    "garbage": ([GARBAGE], {Failure.OTHER}),
    "a header line without a colon": ([OK + b"nonsense\r\nContent-Length: 0\r\n\r\n"], {Failure.OTHER}),
    "a zero byte in a header": ([OK + b"X: a\x00b\r\nContent-Length: 0\r\n\r\n"], {Failure.OTHER}),
    "a header of a mebibyte": ([OK + b"X: " + b"a" * 1024 * 1024 + b"\r\n\r\n"], {Failure.OTHER}),
    "a hundred thousand headers": ([OK, *[b"X: a\r\n" * 1000] * 100, b"\r\n"], {Failure.OTHER}),
    "an endless status line": ([b"HTTP/1.1 200 " + b"a" * 1024 * 1024], {Failure.OTHER}),
    "two lengths": ([OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"], {Failure.OTHER}),
    "a length that is none": ([OK + b"Content-Length: many\r\n\r\n"], {Failure.OTHER}),
    "a negative length": ([OK + b"Content-Length: -1\r\n\r\n"], {Failure.OTHER}),
    "a length and chunks": ([OK + b"Content-Length: 3\r\n" + CHUNKED[17:] + b"0\r\n\r\n"], {Failure.OTHER}),
    "a length that is too large": ([OK + b"Content-Length: 99\r\n\r\nhalf", CLOSE], 200),
    "a length that is too large, and no end": ([OK + b"Content-Length: 99\r\n\r\nhalf"], 200),
    "a length beyond 64 bits": ([OK + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n", CLOSE], {Failure.OTHER, 200}),
    "a length that is too small": ([OK + b"Content-Length: 1\r\n\r\nabc"], {200, Failure.OTHER}),
    "no length": ([OK + b"\r\nuntil the end", CLOSE], 200),
    "no length and no end": ([OK + b"\r\nuntil the end"], 200),
    "chunks that are none": ([CHUNKED + b"zz\r\n"], {200, Failure.OTHER}),
    "a chunk of a negative size": ([CHUNKED + b"-1\r\nab\r\n0\r\n\r\n"], {200, Failure.OTHER}),
    "a chunk of a huge size": ([CHUNKED + b"f" * 30 + b"\r\nab\r\n"], {200, Failure.OTHER}),
    "a chunk without its end": ([CHUNKED + b"2\r\nabXX0\r\n\r\n"], {200, Failure.OTHER}),
    "chunks without the last": ([CHUNKED + b"2\r\nab\r\n", CLOSE], 200),
    "chunks and no end": ([CHUNKED + b"2\r\nab\r\n"], 200),
    "a failure whose body breaks off": ([b"HTTP/1.1 500 Oh\r\nContent-Length: 9\r\n\r\nhalf", CLOSE], 500),
    "an unknown status": ([b"HTTP/1.1 799 Odd\r\nContent-Length: 0\r\n\r\n"], 799),
    "no reason": ([b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"], 200),
    "HTTP/1.0": ([b"HTTP/1.0 200 OK\r\n\r\nold", CLOSE], 200),
    "HTTP/1.0 kept alive": ([b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nold"], 200),
    "closed at once after the answer": ([answer(b"bye"), CLOSE], 200),
    "said to close and left open": ([answer(b"bye", extra=b"Connection: close\r\n")], 200),
    "continue, then the answer": ([b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b"then")], 200),
    "early hints, then the answer": ([b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", answer(b"then")], 200),
    "continue, and never the answer": ([b"HTTP/1.1 100 Continue\r\n\r\n"], {Failure.TIMEOUT}),
    "continue, for ever": ([b"HTTP/1.1 100 Continue\r\n\r\n" * 2000, CLOSE], {Failure.DISCONNECT, Failure.OTHER}),
    "another protocol from here on": (
        [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n\x81\x02hi"], 101,
    ),
    "204 with a body": ([b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc"], {204, Failure.OTHER}),
    "304 with a length": ([b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n"], {304}),
    "two answers at once": ([answer(b"one") + answer(b"two", b"201 Created")], 200),
    "an answer and garbage": ([answer(b"one") + GARBAGE], {200, Failure.OTHER}),
    "an answer and half another": ([answer(b"one") + b"HTTP/1.1 20"], 200),
    "an answer and blank lines": ([answer(b"one") + b"\r\n\r\n"], 200),
    "gzip that is none": ([answer(b"no gzip", extra=b"Content-Encoding: gzip\r\n")], 200),
    "a charset that is none": ([answer(b"\xff\xfe", extra=b"Content-Type: text/plain; charset=nope\r\n")], 200),
    "cookies": ([answer(b"c", extra=b"Set-Cookie: " + b"a=b; " * 100 + b"\r\nSet-Cookie: =;;\r\n")], 200),
    "a place that is no URL": ([answer(b"", b"302 Found", b"Location: http://[\r\n")], 302),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
async def test_a_broken_answer_is_one_outcome_and_the_next_delivery_goes_well(poster, what):
    script, expected = BROKEN[what]
    async with breaking(script) as (endpoint, url):
        for number in range(3):
            impatient = Endpoint(url, total_timeout=HANG)
            outcome = await poster.post(impatient, Breaking.BREAK, 1, BODY)
            allowed = expected if isinstance(expected, set) else {expected}
            assert (outcome.status or outcome.failure) in allowed, outcome
            assert (outcome.status is None) is (outcome.failure not in (None, Failure.STATUS, Failure.REDIRECT))
            assert len(outcome.detail) <= 1024
            assert "/hook" not in outcome.detail
            await good(poster, url, number)
        await until(lambda: endpoint.open <= 1)
        assert endpoint.took.count(Breaking.BREAK) <= 6  # at most once more each, where the connection was used before


LATE = [
    answer(b"late", b"500 Oh"),
    answer(b"late"),
    GARBAGE,
    b"\r\n",
    b"HTTP/1.1 20",
    b"x",
    b"HTTP/1.1 408 Bye\r\n\r\n",
]


@pytest.mark.parametrize("late", LATE)
async def test_what_comes_after_an_answer_is_never_the_next_ones(poster, late):
    """It comes when the connection is at rest already, waiting for the next delivery."""
    said = asyncio.Event()
    async with breaking([answer(b"first"), said, late]) as (endpoint, url):
        for number in range(3):
            said.clear()
            endpoint.after_break.clear()
            outcome = await poster.post(Endpoint(url), Breaking.BREAK, 1, BODY)
            assert (outcome.status, outcome.detail) == (200, "first")
            said.set()
            await endpoint.after_break.wait()
            await asyncio.sleep(0.02)  # the bytes are written; nothing tells when they have crossed the loopback
            await good(poster, url, number)


@pytest.mark.parametrize("end", [[CLOSE], []], ids=["closed", "left open"])
@pytest.mark.parametrize("size", [100, 4 * 1024 * 1024])
async def test_an_answer_before_the_body_was_read_counts(poster, size, end):
    """A proxy that refuses by the head alone."""
    async with breaking([answer(b"too large", b"413 Too Large", b"Connection: close\r\n"), *end], early=True) as (
        _,
        url,
    ):
        outcome = await poster.post(Endpoint(url, total_timeout=5.0), Breaking.BREAK, 1, b"x" * size)
        # Whoever closes with bytes unread resets the connection, which may overtake the answer.
        assert outcome.status == 413 or (end and outcome.failure is Failure.DISCONNECT), outcome
        await good(poster, url, 1)


async def test_a_flood_of_interim_answers_ends_with_the_time_out(poster):
    class Flood(list):
        def __iter__(self):
            while True:
                yield b"HTTP/1.1 100 Continue\r\n\r\n" * 50

    async with breaking(Flood()) as (_, url):
        async with asyncio.timeout(20):
            outcome = await poster.post(Endpoint(url, total_timeout=HANG), Breaking.BREAK, 1, BODY)
        assert outcome.failure in (Failure.TIMEOUT, Failure.OTHER, Failure.DISCONNECT)
        await good(poster, url, 1)


async def test_a_hundred_broken_answers_at_once_leave_nothing_behind(poster):
    async with breaking([OK + b"Content-Length: 99\r\n\r\nhalf"]) as (endpoint, url):
        patient = Endpoint(url, total_timeout=4 * HANG)  # all hundred heads come within it, on a busy machine, too
        outcomes = await asyncio.gather(*(poster.post(patient, Breaking.BREAK, 1, BODY) for _ in range(100)))
        assert {outcome.status for outcome in outcomes} == {200}
        await until(lambda: endpoint.open == 0)
        await good(poster, url, 1)
        assert endpoint.open == 1


PIECES = st.sampled_from(
    [OK, CHUNKED, GARBAGE, b"\r\n", b"HTTP/1.1 500 Oh\r\n", b"HTTP/1.0 200 OK\r\n", b"Content-Length: 3\r\n",
     b"abc", b"0\r\n\r\n", b"3\r\nabc\r\n", b"Connection: close\r\n", b"Transfer-Encoding: chunked\r\n", b" folded\r\n",
     b"Retry-After: 5\r\n",      b"HTTP/1.1 100 Continue\r\n\r\n", b"Content-Length: 0\r\n\r\n", b"X-A: \xff\r\n",
     b"\n", b": \r\n", CLOSE]
)  # fmt: skip
SCRIPTS = st.lists(PIECES | st.binary(min_size=1, max_size=8), max_size=8)


@pytest.mark.filterwarnings("ignore:.*was never awaited:RuntimeWarning")
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(script=SCRIPTS)
def test_whatever_is_sent_is_one_outcome_and_the_next_delivery_goes_well(script):
    async def play():
        poster = Poster(socket_factory(Guard(LOCAL)), allow_http=True)
        try:
            async with breaking([*script, CLOSE]) as (endpoint, url):
                for number in range(2):
                    outcome = await poster.post(Endpoint(url, total_timeout=HANG), Breaking.BREAK, 1, BODY)
                    assert outcome.status is None or 100 <= outcome.status <= 999
                    assert (outcome.failure is None) is (outcome.status is not None and 200 <= outcome.status < 300)
                    await good(poster, url, number)
                await until(lambda: endpoint.open <= 1)
        finally:
            await poster.close()

    asyncio.run(play())


def test_the_check_sees_an_answer_that_is_taken_for_another():
    """What `good` is for: over a plain connection that reads whatever comes, the late answer would count."""

    async def play():
        async with breaking([answer(b"first") + answer(b"late")]) as (_, url):
            port = int(url.rsplit(":", 1)[1].partition("/")[0])
            reader, writer = await asyncio.open_connection("127.0.0.1", port, family=socket.AF_INET)
            request = b"POST / HTTP/1.1\r\nwebhook-id: %b\r\ncontent-length: 1\r\n\r\nx"
            writer.write(request % Breaking.BREAK.encode())
            await reader.readuntil(b"first")
            writer.write(request % b"msg_1")
            assert b"late" in await reader.readuntil(b"late")
            writer.close()

    asyncio.run(play())
