"""What becomes of signals that come before the daemon has begun: it never ends by one."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lmshooks.cli.embedded import Port
from tests.kafka.daemons import Daemon

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc says which signals a process heeds")

ONE = {"id": "one", "account": "1", "events": ["COURSE_*"], "url": "https://example.com/one"}


def heeds(pid: int, number: signal.Signals) -> bool:
    """Whether the process has a handler of its own for it."""
    status = Path(f"/proc/{pid}/status").read_text()
    (mask,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


def has_a_loop(pid: int) -> bool:
    """Whether the library of the loop is loaded, whose handlers take the place of the first ones."""
    return "uvloop" in Path(f"/proc/{pid}/maps").read_text()


async def caught_early(daemon: Daemon) -> bool:
    """Start it, and wait for its first handler of SIGHUP; whether that is not the loop's."""
    daemon.spawn()
    assert daemon.process is not None
    async with asyncio.timeout(60):
        while not heeds(daemon.process.pid, signal.SIGHUP):
            assert daemon.process.poll() is None, daemon.log.read_text()[-3000:]
            await asyncio.sleep(0)
    return not has_a_loop(daemon.process.pid)


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    """A process that has just begun to heed signals; there is no Kafka where it looks for it."""
    nobody = Port()
    daemon = Daemon(tmp_path / "config", {"bootstrap_servers": f"127.0.0.1:{nobody.number}", "topics": ["lms"]}, [ONE])
    try:
        for _ in range(10):  # on a busy machine this process may be the slower one
            if await caught_early(daemon):
                break
            daemon.kill()
            await daemon.ended()
        else:
            pytest.fail("its first handlers are those of the loop")
        yield daemon
    finally:
        await daemon.__aexit__()
        nobody.release()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_in_the_first_moment_is_a_stop_as_told(daemon: Daemon, number: signal.Signals) -> None:
    daemon.kill(number)
    assert await daemon.ended() == 0


async def test_a_reload_in_the_first_moment_is_made_up_for(daemon: Daemon) -> None:
    daemon.kill(signal.SIGHUP)
    await daemon.said("configuration.loaded", '"by":"SIGHUP"')
    daemon.kill(signal.SIGTERM)
    assert await daemon.ended() == 0


async def test_reloads_all_through_the_start_do_not_end_it(daemon: Daemon) -> None:
    while "kafka.unreachable" not in daemon.log.read_text():
        assert daemon.process is not None
        assert daemon.process.poll() is None, daemon.log.read_text()[-3000:]
        daemon.kill(signal.SIGHUP)
        await asyncio.sleep(0.001)
    daemon.kill(signal.SIGTERM)
    assert await daemon.ended() == 0
