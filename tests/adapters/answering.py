"""What is on the other side of a POST? A TCP server that does what a test says, and a poster that may call it."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from lmshooks.adapters import http
from lmshooks.adapters.egress import Guard, socket_factory
from lmshooks.adapters.http import Poster

BODY = b'{"accountId":"1","events":[{"eventId":"e1","eventName":"COURSE_ENROLLMENT"}]}'
LOCAL = ("127.0.0.0/8", "::1/128")

# The hook that pytest-asyncio offers instead is one for a whole folder.
EITHER_LOOP = pytest.mark.filterwarnings("ignore:Overriding the .event_loop_policy:pytest.PytestDeprecationWarning")
"""For `pytestmark` beside the fixture `event_loop_policy`."""


@pytest.fixture(params=["uvloop", "asyncio"])
def event_loop_policy(request):
    """The daemon runs under uvloop where there is one; the two loops report broken connections differently."""
    if request.param == "asyncio":
        return asyncio.DefaultEventLoopPolicy()
    return pytest.importorskip("uvloop").EventLoopPolicy()


@pytest.fixture
async def poster():
    made = Poster(socket_factory(Guard(LOCAL)), allow_http=True)
    yield made
    await made.close()


@pytest.fixture
def rested(monkeypatch):
    """Every connection counts as if it had rested: on a busy machine nothing comes quickly."""
    monkeypatch.setattr(http, "RESTED", 0.0)


@asynccontextmanager
async def raw(handle, tls=None):
    """A TCP server that does exactly what `handle(reader, writer, count)` says; count is the connection's number."""
    tasks: set = set()
    count = 0

    async def connected(reader, writer):
        nonlocal count
        count += 1
        tasks.add(asyncio.current_task())
        try:
            await handle(reader, writer, count)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def take(reader):
    """Read one request."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            await reader.readexactly(int(value))
    return head


def answer(body=b"", status=b"200 OK", extra=b""):
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n%b" % (status, len(body), extra, body)


class Kept(list):
    """Keeps what a listener got."""

    def __call__(self, received):
        self.append(received)
