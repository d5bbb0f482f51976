"""Does the shell carry out what the machine says, at once, and end when the machine breaks?

The real machine, with ports that are told what to do: a state topic in a list, a log in a list, endpoints that answer.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from lmshooks.adapters.loop import Loop, Ports
from lmshooks.core.commands import Bury, Entry
from lmshooks.core.configuration import Configuration, Limits
from lmshooks.core.dispatcher import Dispatcher
from lmshooks.core.facts import Fact
from lmshooks.core.positions import Partition
from lmshooks.core.retrying import Outcome
from lmshooks.core.subscriptions import Endpoint, RetryPolicy, Subscription

P = Partition("events", 0)
OK = Outcome(200, None, None, 0.01, "")


@dataclass
class Stored:
    """A record of the log."""

    offset: int
    timestamp: int
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class Expired(Exception):
    """The log begins later."""

    log_start = 7


@dataclass
class World:
    """Every port in one: what was asked, and what is answered."""

    loop: Loop | None = None
    answer: Outcome = OK
    refuse_writes: bool = False
    offset: int = 0
    posts: list[tuple[str, int, bytes]] = field(default_factory=list)
    hang: asyncio.Event | None = None
    started: list[tuple[Partition, int]] = field(default_factory=list)
    commits: list[int] = field(default_factory=list)
    letters: list[Bury] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)

    def begin(
        self, endpoint: Endpoint, delivery_id: str, attempt: int, body: bytes, done: Callable[[Outcome], None]
    ) -> None:
        self.posts.append((delivery_id, attempt, body))
        if self.hang is None:
            asyncio.get_running_loop().call_soon(done, self.answer)

    def start_at(self, partition: Partition, offset: int) -> None:
        self.started.append((partition, offset))

    def hold(self, partition: Partition, held: bool) -> None: ...

    async def commit(self, partition: Partition, offset: int, metadata: str) -> bool:
        self.commits.append(offset)
        return True

    async def log_end(self, partition: Partition) -> int | None:
        return self.offset

    async def read(self, partition: Partition, stream: int, offset: int, end: int) -> Any:
        raise Expired

    def report(self, facts: Sequence[Fact], now: float) -> None:
        self.facts += facts

    def late(self, seconds: float) -> None:
        assert seconds >= 0.0


@dataclass
class State:
    """The state topic: what is written is read back in the next turn of the loop."""

    world: World
    written: list[tuple[bytes, bytes | None]] = field(default_factory=list)

    async def write(self, entries: Sequence[tuple[bytes, bytes | None]]) -> None:
        if self.world.refuse_writes:
            raise OSError("away")
        begin = len(self.written)
        self.written += entries
        read = [Entry(begin + at, time.time(), key, value) for at, (key, value) in enumerate(entries)]
        assert self.world.loop is not None
        asyncio.get_running_loop().call_soon(self.world.loop.followed, read)


@dataclass
class Letters:
    """The dead-letter topic."""

    world: World

    async def write(self, bury: Bury) -> bool:
        self.world.letters.append(bury)
        return True


def machine() -> Dispatcher:
    one = Subscription("s", "*", ("*",), Endpoint("http://x/"), retry=RetryPolicy(0.05, 0.05, jitter=0.0))
    return Dispatcher(
        "me", Configuration({"s": one}, {}, {}, version="1"), Limits(checkpoint_interval=0.05), time.time()
    )


def attach(world: World, dispatcher: Dispatcher, clock: Callable[[], float] = time.time) -> Loop:
    world.loop = Loop(dispatcher, clock, Ports(world, world, world, State(world), Letters(world), world), 0.3)
    return world.loop


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    if made.loop is not None:
        await made.loop.close()


def record(offset: int, name: str = "COURSE_ENROLLMENT") -> Stored:
    event = {"eventId": f"e{offset}", "eventName": name, "timestamp": 1, "data": {}}
    return Stored(offset, int(time.time() * 1000), json.dumps({"accountId": 1, "events": [event]}).encode())


async def until(true: Callable[[], object], timeout: float = 5.0) -> None:
    async with asyncio.timeout(timeout):
        while not true():
            await asyncio.sleep(0.005)


async def running(world: World, dispatcher: Dispatcher | None = None) -> Loop:
    loop = attach(world, dispatcher or machine())
    loop.arm()
    await loop.on_assigned(P, None, "", 0, 0, 0)
    await until(lambda: world.started)
    # Nothing is posted before the partition's first checkpoint.
    await until(lambda: [one.state for one in loop.stats(time.time()).partitions] == ["running"])
    return loop


async def test_a_partition_is_claimed_started_posted_from_and_committed(world: World) -> None:
    loop = await running(world)
    assert world.started == [(P, 0)]
    loop.on_records(P, [record(0), record(1)], 2, 2)
    await until(lambda: 2 in world.commits)
    assert sum(body.count(b"eventId") for _, _, body in world.posts) == 2


async def test_commands_are_under_way_before_the_input_returns(world: World) -> None:
    loop = await running(world)
    loop.on_records(P, [record(0)], 1, 1)
    assert loop.posted == 1


async def test_the_timer_brings_the_retry_when_it_is_due(world: World) -> None:
    loop = await running(world)
    world.answer = Outcome(500, None, None, 0.01, "")
    loop.on_records(P, [record(0)], 1, 1)
    await until(lambda: len(world.posts) >= 3)
    assert [attempt for _, attempt, _ in world.posts[:3]] == [1, 2, 3]
    assert len({(delivery, body) for delivery, _, body in world.posts}) == 1


async def test_a_revoke_waits_for_what_is_in_flight_and_for_its_commit(world: World) -> None:
    loop = await running(world)
    world.hang = asyncio.Event()
    loop.on_records(P, [record(0)], 1, 1)
    revoking = asyncio.create_task(loop.on_revoked([P]))
    await asyncio.sleep(0.05)
    assert not revoking.done()
    world.hang.set()
    await revoking
    assert world.commits[-1] == 1


async def test_a_revoke_does_not_wait_for_ever_for_an_endpoint_that_hangs(world: World) -> None:
    loop = await running(world)
    world.hang = asyncio.Event()
    loop.on_records(P, [record(0)], 1, 1)
    async with asyncio.timeout(3):
        await loop.on_revoked([P])
    assert loop.stats(time.time()).partitions == ()


async def test_drained_partitions_are_still_ours_and_send_nothing_new(world: World) -> None:
    loop = await running(world)
    assert await loop.drain([P], 2.0)
    loop.on_records(P, [record(0)], 1, 1)
    await asyncio.sleep(0.02)
    assert world.posts == []
    assert len(loop.stats(time.time()).partitions) == 1


async def test_a_record_that_is_no_event_is_buried(world: World) -> None:
    loop = await running(world)
    loop.on_records(P, [Stored(0, 1, b"nonsense")], 1, 1)
    await until(lambda: world.letters and 1 in world.commits)
    assert world.letters[0].value == b"nonsense"


async def test_a_state_write_that_fails_is_tried_again(world: World) -> None:
    world.refuse_writes = True
    loop = attach(world, machine())
    loop.arm()
    await loop.on_assigned(P, None, "", 0, 0, 0)
    await asyncio.sleep(0.05)
    assert world.started == []
    world.refuse_writes = False
    await until(lambda: world.started)


async def test_a_broken_machine_ends_it_and_is_asked_nothing_more(world: World) -> None:
    class Broken(Dispatcher):
        asked = 0

        def records(self, *_: Any) -> None:
            self.asked += 1
            raise ZeroDivisionError("a mistake in the machine")

    one = Subscription("s", "*", ("*",), Endpoint("http://x/"))
    dispatcher = Broken("me", Configuration({"s": one}, {}, {}, version="1"), Limits(), time.time())
    loop = await running(world, dispatcher)
    loop.on_records(P, [record(0)], 1, 1)
    loop.on_records(P, [record(1)], 2, 2)
    assert isinstance(loop.failed.exception(), ZeroDivisionError)
    assert dispatcher.asked == 1


async def test_a_port_that_raises_what_it_must_not_ends_it_too(world: World) -> None:
    loop = await running(world)

    async def broken(*_: Any) -> bool:
        raise ZeroDivisionError("a mistake in a port")

    setattr(world, "commit", broken)  # noqa: B010 (the type checker knows it as a method)
    loop.on_records(P, [record(0)], 1, 1)
    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(5):
            await loop.failed


async def test_the_machine_never_sees_time_go_back(world: World) -> None:
    times: list[float] = []

    class Watching(Dispatcher):
        def wake(self, now: float) -> None:
            times.append(now)
            super().wake(now)

    ticks = iter([1000.0, 1005.0, 990.0, 991.0, 1006.0] + [1006.0] * 100)
    loop = attach(world, Watching("me", Configuration(), Limits(), 1000.0), lambda: next(ticks))
    for _ in range(4):
        loop.arm()
    assert times == sorted(times)
