"""Does a slow name delay any other? Names are looked up in threads that the test holds."""

import asyncio
import socket
import threading

import pytest

from lmshooks.adapters import resolving
from lmshooks.adapters.http import Poster
from lmshooks.adapters.resolving import QUICK, SLOW, Resolver
from lmshooks.core.retrying import Failure
from lmshooks.core.subscriptions import Endpoint
from lmshooks.listener import Listener


class Names:
    """A resolver of which some names answer only when they are let go."""

    def __init__(self):
        self.let_go = threading.Event()
        self.asked = []
        self.inside = 0

    def __call__(self, host, port, *more):
        self.asked.append(host)
        if host.startswith("slow"):
            self.inside += 1
            assert self.let_go.wait(60)
            self.inside -= 1
        if host.startswith("none"):
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


@pytest.fixture
def names():
    made = Names()
    yield made
    made.let_go.set()


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def addresses(resolver, host):
    return [address[0] for *_, address in await resolver.addresses(host, 80)]


async def test_this_machines_own_name_has_an_address():
    assert "127.0.0.1" in await addresses(Resolver(), "localhost")


async def test_an_address_is_its_own_answer(names):
    assert await addresses(Resolver(names), "127.0.0.1") == ["127.0.0.1"]
    assert await addresses(Resolver(names), "::1") == ["::1"]
    assert names.asked == []


async def test_an_answer_holds_for_a_while_and_a_refusal_does_not(names, monkeypatch):
    resolver = Resolver(names)
    for _ in range(2):
        await resolver.addresses("quick", 80)
        with pytest.raises(socket.gaierror):
            await resolver.addresses("none", 80)
    assert names.asked == ["quick", "none", "none"]
    monkeypatch.setattr(resolving, "KEPT", 0.0)
    resolver = Resolver(names)
    for _ in range(2):
        await resolver.addresses("quick", 80)
    assert names.asked[3:] == ["quick", "quick"]


async def test_a_name_that_there_is_not_is_an_error_of_the_system(names):
    with pytest.raises(socket.gaierror, match="no such name"):
        await Resolver(names).addresses("none.example", 80)


async def test_more_slow_names_than_any_pool_has_threads_delay_no_other(names):
    resolver = Resolver(names)
    slow = [asyncio.create_task(resolver.addresses(f"slow{number}", 80)) for number in range(QUICK - 1)]
    await until(lambda: names.inside == QUICK - 1)
    async with asyncio.timeout(20):
        assert await addresses(resolver, "quick") == ["127.0.0.1"]
    names.let_go.set()
    await asyncio.gather(*slow)


async def test_names_known_to_be_slow_share_a_few_threads_until_they_are_quick(names, monkeypatch):
    monkeypatch.setattr(resolving, "KEPT", 0.0)
    monkeypatch.setattr(resolving, "PATIENCE", 0.0)
    resolver = Resolver(names)
    names.let_go.set()
    hosts = [f"slow{number}" for number in range(QUICK)]
    await asyncio.gather(*(resolver.addresses(host, 80) for host in hosts))
    names.let_go.clear()
    names.asked.clear()
    slow = [asyncio.create_task(resolver.addresses(host, 80)) for host in hosts]
    await until(lambda: names.inside == SLOW)
    # As many new names as there may be, all of them through at once: the slow ones hold none of their threads.
    async with asyncio.timeout(20):
        await asyncio.gather(*(resolver.addresses(f"new{number}", 80) for number in range(QUICK)))
    assert names.inside == SLOW
    monkeypatch.setattr(resolving, "PATIENCE", 60.0)
    names.let_go.set()
    await asyncio.gather(*slow)
    names.let_go.clear()
    again = [asyncio.create_task(resolver.addresses(host, 80)) for host in hosts]
    await until(lambda: names.inside == QUICK)
    names.let_go.set()
    await asyncio.gather(*again)


async def test_posts_to_a_slow_name_end_in_time_and_ask_once_and_others_go_on(names):
    poster = Poster(None, allow_http=True, resolver=Resolver(names))
    try:
        async with Listener() as listener:
            hanging = Endpoint(f"http://slow.example:{listener.port}/", connect_timeout=0.1)
            outcomes = await asyncio.gather(*(poster.post(hanging, f"m{n}", 1, b"{}") for n in range(20)))
            assert {outcome.failure for outcome in outcomes} == {Failure.TIMEOUT}
            good = await poster.post(Endpoint(f"http://quick.example:{listener.port}/"), "m", 1, b"{}")
            assert good.status == 200
            assert names.asked == ["slow.example", "quick.example"]
            names.let_go.set()
            patient = Endpoint(f"http://slow.example:{listener.port}/")
            assert (await poster.post(patient, "later", 1, b"{}")).status == 200
    finally:
        await poster.close()
