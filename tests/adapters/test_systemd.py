"""What the supervisor hears, over a real datagram socket."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmshooks.adapters.systemd import BEAT, Standing, Supervisor
from tests.deploy.ear import Ear

PID = 4711
WELL = Standing(True, True, "all is well")


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    ear = Ear(str(tmp_path / "notify"))
    yield ear
    ear.close()


def supervisor(ear: Ear, **environ: str) -> Supervisor:
    return Supervisor({"NOTIFY_SOCKET": ear.socket.getsockname(), **environ}, PID)


async def test_ready_is_told_once_and_beats_follow(ear: Ear) -> None:
    telling = asyncio.create_task(supervisor(ear, WATCHDOG_USEC="30000").keep_told(lambda: WELL))
    heard = [await ear.hear() for _ in range(5)]
    telling.cancel()
    assert heard[0].startswith("EXTEND_TIMEOUT_USEC=")
    assert heard[1:] == ["READY=1", "STATUS=all is well", "WATCHDOG=1", "WATCHDOG=1"]


async def test_who_makes_no_progress_does_not_beat(ear: Ear) -> None:
    hung = WELL._replace(alive=False)
    standings = iter([WELL, WELL, hung, hung, WELL._replace(summary="end")])
    telling = asyncio.create_task(supervisor(ear, WATCHDOG_USEC="30000").keep_told(lambda: next(standings)))
    heard: list[str] = []
    while "STATUS=end" not in heard:
        heard.append(await ear.hear())
    telling.cancel()
    # Five looks, of which the first starts, and two found a loop that hangs.
    assert heard.count("WATCHDOG=1") == 2


async def test_what_is_wrong_is_one_line(ear: Ear) -> None:
    telling = asyncio.create_task(supervisor(ear).keep_told(lambda: Standing(False, False, "two\nlines\rof it")))
    assert await ear.hear() == "STATUS=two lines of it"
    telling.cancel()
    assert ear.heard() == []


async def test_a_reload_has_a_beginning_with_its_time_and_an_end(ear: Ear) -> None:
    one = supervisor(ear)
    one.reloading()
    one.reloaded()
    assert ear.heard() == [], "nothing of a reload while it starts"
    telling = asyncio.create_task(one.keep_told(lambda: WELL))
    while await ear.hear() != "STATUS=all is well":
        pass
    one.reloading()
    one.reloaded()
    one.stopping()
    telling.cancel()
    begun, *rest = ear.heard()
    assert begun.startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert begun.rpartition("=")[2].isdecimal()
    assert rest == ["READY=1", "STOPPING=1"]


async def test_an_abstract_name_is_one_of_the_kernels() -> None:
    name = f"lmshooks-test-{uuid.uuid4().hex}"
    ear = Ear(f"\0{name}")
    Supervisor({"NOTIFY_SOCKET": f"@{name}"}, PID).stopping()
    assert ear.heard() == ["STOPPING=1"]
    ear.close()


async def test_nobody_who_listens_is_no_mistake(tmp_path: Path) -> None:
    gone = Supervisor({"NOTIFY_SOCKET": str(tmp_path / "nobody")}, PID)
    gone.stopping()
    unasked = Supervisor({}, PID)
    await asyncio.wait_for(unasked.keep_told(lambda: WELL), 5)


def test_a_beat_is_a_third_of_what_is_asked_for_if_we_are_asked(ear: Ear) -> None:
    assert supervisor(ear, WATCHDOG_USEC="3000000", WATCHDOG_PID=str(PID)).beat == 1.0
    assert supervisor(ear, WATCHDOG_USEC="60000000").beat == BEAT
    assert supervisor(ear, WATCHDOG_USEC="3000000", WATCHDOG_PID="1").beat == BEAT
