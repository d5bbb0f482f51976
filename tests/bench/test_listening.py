"""The listener counts right: whatever the pieces in which requests come, and however many in one."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.bench.events import event
from tests.bench.listening import DEAD, LATER, OK, SLOW, Listening


def post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\ncontent-LENGTH:  {len(body)}\r\nX: \r\n\r\n"
    return head.encode() + body


def batch(*numbers: int) -> bytes:
    return b"[" + b",".join(event(number) for number in numbers) + b"]"


@pytest.fixture
def listening() -> Iterator[Listening]:
    with Listening() as made:
        yield made


def talk(listening: Listening, pieces: list[bytes], answers: bytes) -> None:
    """Send the pieces one by one; expect exactly these bytes back."""
    host, port = listening.url.removeprefix("http://").split(":")
    with closing(socket.create_connection((host, int(port)), timeout=30)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
        got = b""
        while len(got) < len(answers):
            got += connection.recv(65536)
        assert got == answers


@pytest.mark.parametrize("size", [1, 7, 100, 1000, 10_000_000])
def test_requests_in_pieces_of_any_size_are_counted_once_each(listening: Listening, size: int) -> None:
    stream = post("/hook/1", batch(1, 2, 3)) + post("/hook/2", b"") + post("/seen/", batch(9, 4)) + post("/a", batch(7))
    talk(listening, [stream[at : at + size] for at in range(0, len(stream), size)], OK * 4)
    assert (listening.arrived, listening.posts) == (6, 4)
    assert 0 < listening.first <= listening.last
    assert list(listening.take().numbers) == [9, 4]
    assert (listening.arrived, listening.posts, listening.first) == (0, 0, 0)


def test_a_body_larger_than_any_read_is_one_request(listening: Listening) -> None:
    body = batch(*range(2000))
    assert len(body) > 1_000_000
    talk(listening, [post("/hook/", body), post("/hook/", batch(1))], OK * 2)
    assert (listening.arrived, listening.posts) == (2001, 2)


def test_what_was_noted_may_be_longer_than_a_pipe_holds(listening: Listening) -> None:
    for _ in range(8):
        talk(listening, [post("/seen/", batch(*range(5000)))], OK)
    assert list(listening.take().numbers) == [*range(5000)] * 8


def test_latencies_are_of_the_events_that_came_to_at(listening: Listening) -> None:
    talk(listening, [post("/at/", batch(1, 2)), post("/hook/", batch(3))], OK * 2)
    taken = listening.take()
    assert len(taken.sent) == len(taken.came) == 2
    assert all(0 < sent < came for sent, came in zip(taken.sent, taken.came, strict=True))


def test_what_is_dead_or_down_does_not_count(listening: Listening) -> None:
    talk(listening, [post("/dead/1", batch(1)) + post("/lane/7/", batch(2))], DEAD + OK)
    listening.down([7, 8])
    talk(listening, [post("/lane/7/", batch(3)) + post("/lane/9/", batch(4)) + post("/hook/", b"")], DEAD + OK + OK)
    listening.down([])
    talk(listening, [post("/lane/7/", batch(5))], OK)
    assert (listening.arrived, listening.posts) == (3, 4)


def test_what_is_slow_counts_at_once_and_is_answered_later(listening: Listening) -> None:
    began = time.monotonic()
    talk(listening, [post("/slow/", batch(1)) + post("/hook/", batch(2))], OK + LATER)
    assert listening.arrived == 2
    assert listening.last < began + SLOW <= time.monotonic()


def test_what_hangs_is_not_answered_and_does_not_count(listening: Listening) -> None:
    talk(listening, [post("/hang/", batch(1)) + post("/hook/", batch(2))], OK)
    assert (listening.arrived, listening.posts) == (1, 1)
