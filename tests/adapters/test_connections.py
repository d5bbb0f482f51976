"""When does a connection serve again, when is it closed, and who is told? Through the poster, over real sockets."""

import asyncio
import gc
import socket
from contextlib import suppress

import pytest

from lmshooks.adapters.connections import Connection
from lmshooks.adapters.egress import Guard, socket_factory
from lmshooks.adapters.http import Poster
from lmshooks.adapters.resolving import Resolver
from lmshooks.core.retrying import Failure
from lmshooks.core.subscriptions import Endpoint
from tests.adapters.answering import BODY, EITHER_LOOP, LOCAL, answer, event_loop_policy, poster, raw, rested, take

__all__ = ["event_loop_policy", "poster", "rested"]

pytestmark = EITHER_LOOP


async def test_a_connection_that_ended_needs_no_collector(poster):
    async def handle(reader, writer, count):
        await take(reader)

    gc.collect()
    gc.disable()
    try:
        async with raw(handle) as url:
            assert (await poster.post(Endpoint(url), "m", 1, BODY)).failure is Failure.DISCONNECT
        for _ in range(100):
            left = [one for one in gc.get_objects() if isinstance(one, Connection)]
            if not left:
                break
            await asyncio.sleep(0.01)
        assert not left
    finally:
        gc.enable()


async def test_a_connection_is_used_again(poster):
    connections = set()

    async def handle(reader, writer, count):
        connections.add(count)
        while True:
            await take(reader)
            writer.write(answer(b"ok"))

    async with raw(handle) as url:
        endpoint = Endpoint(url)
        for attempt in range(1, 6):
            assert (await poster.post(endpoint, "m", attempt, BODY)).detail == "ok"
    assert connections == {1}


@pytest.mark.usefixtures("rested")
async def test_a_stale_connection_is_sent_again_at_once(poster):
    requests = []

    async def handle(reader, writer, count):
        while True:
            await take(reader)
            requests.append(count)
            if count == 1 and len(requests) == 2:
                return  # closed at the very moment the second POST comes
            writer.write(answer())

    async with raw(handle) as url:
        endpoint = Endpoint(url)
        assert (await poster.post(endpoint, "m1", 1, BODY)).status == 200
        assert (await poster.post(endpoint, "m2", 1, BODY)).status == 200
    assert requests == [1, 1, 2]


async def test_what_breaks_a_connection_in_use_may_have_been_taken_and_is_not_sent_again_at_once(poster):
    requests = []

    async def handle(reader, writer, count):
        await take(reader)
        requests.append(count)
        writer.write(answer())
        await take(reader)
        requests.append(count)
        await asyncio.sleep(0.5)  # it takes longer than any opening did

    async with raw(handle) as url:
        endpoint = Endpoint(url)
        assert (await poster.post(endpoint, "m1", 1, BODY)).status == 200
        assert (await poster.post(endpoint, "m2", 1, BODY)).failure is Failure.DISCONNECT
    assert requests == [1, 1]


@pytest.mark.usefixtures("rested")
async def test_a_stale_connection_is_sent_again_once_and_not_twice(poster):
    requests = []

    async def handle(reader, writer, count):
        await take(reader)
        requests.append(count)
        if count == 1:
            writer.write(answer())
            await take(reader)
            requests.append(count)

    async with raw(handle) as url:
        endpoint = Endpoint(url)
        assert (await poster.post(endpoint, "m1", 1, BODY)).status == 200
        outcome = await poster.post(endpoint, "m2", 1, BODY)
    assert (outcome.status, outcome.failure) == (None, Failure.DISCONNECT)
    assert requests == [1, 1, 2]


async def test_a_fresh_connection_that_breaks_is_not_sent_again(poster):
    requests = []

    async def handle(reader, writer, count):
        await take(reader)
        requests.append(count)

    async with raw(handle) as url:
        outcome = await poster.post(Endpoint(url), "m", 1, BODY)
    assert outcome.failure is Failure.DISCONNECT
    assert requests == [1]


@pytest.mark.usefixtures("rested")
async def test_the_second_try_meets_no_other_stale_connection(poster):
    """An endpoint that restarted behind a proxy leaves a whole pool of dead connections."""
    together = asyncio.Barrier(4)

    async def handle(reader, writer, count):
        await take(reader)
        if count <= 4:
            await together.wait()
        writer.write(answer())
        await take(reader)

    async with raw(handle) as url:
        endpoint = Endpoint(url)
        outcomes = await asyncio.gather(*(poster.post(endpoint, f"m{n}", 1, BODY) for n in range(4)))
        assert [outcome.status for outcome in outcomes] == [200] * 4
        assert (await poster.post(endpoint, "later", 1, BODY)).status == 200


async def test_cancelling_a_post_closes_its_connection(poster):
    arrived, closed = asyncio.Event(), asyncio.Event()

    async def handle(reader, writer, count):
        await take(reader)
        arrived.set()
        with suppress(ConnectionError):
            assert await reader.read() == b""
        closed.set()

    async with raw(handle) as url:
        task = asyncio.create_task(poster.post(Endpoint(url, total_timeout=60.0), "m", 1, BODY))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(20):
            await closed.wait()


async def test_an_answer_that_comes_while_a_post_is_cancelled_is_nobodys(poster):
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
    task = asyncio.create_task(poster.post(Endpoint("ftp://never-called/"), "m", 1, BODY))
    await asyncio.sleep(0)  # begun: its outcome comes with the next turn of the loop
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert complaints == []


async def test_a_name_of_which_one_address_is_refused_and_the_others_do_not_answer_is_not_refused():
    """What the operator is told to do must help: listing a network would not."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]

    def two(host, port, *more):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("10.0.0.1", "127.0.0.1")]

    poster = Poster(socket_factory(Guard(LOCAL)), allow_http=True, resolver=Resolver(two))
    try:
        outcome = await poster.post(Endpoint(f"http://both.test:{port}/"), "m", 1, BODY)
    finally:
        await poster.close()
    assert (outcome.status, outcome.failure) == (None, Failure.CONNECT)
    assert "10.0.0.1" in outcome.detail, "both reasons are told"
