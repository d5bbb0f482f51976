"""Does a broken change leave the last good configuration at work, whichever way it comes, and is it told?"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from lmshooks import app
from lmshooks.config import load
from tests.kafka.daemons import Daemon
from tests.kafka.records import create_topic

ONE = {"id": "one", "account": "1", "events": ["COURSE_*"], "url": "https://example.com/one"}
TWO = ONE | {"id": "two", "account": "2", "events": ["*"], "auth": {"bearer": {"token": {"file": "../token"}}}}
BROKEN = "subscriptions:\n  - id: one\n    acount: 1\n    events: []\n"
REFUSALS = [
    "subscriptions/all.yaml:3:5: subscriptions.0.acount: found an unknown key, expected a known one; "
    "did you mean account?",
    "subscriptions/all.yaml:4:13: subscriptions.0.events: found an empty list, "
    "expected a list of event names and globs such as COURSE_*",
    "subscriptions/all.yaml:2:5: subscriptions.0.url: found no url, expected a URL such as https://example.com/hook",
]


class Running:
    """A daemon that runs on a folder, and what it says of its configuration."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.folder = daemon.folder
        self._read = 0

    async def told(self, event: str, timeout: float = 30.0) -> list[dict[str, Any]]:
        """The next lines of the log with this event, as soon as there is one."""
        async with asyncio.timeout(timeout):
            while True:
                lines = [json.loads(line) for line in self.daemon.log.read_text().splitlines() if line.startswith("{")]
                found = [line for line in lines[self._read :] if line["event"] == event]
                if found:
                    self._read = len(lines)
                    return found
                await asyncio.sleep(0.05)

    async def get(self, path: str) -> str:
        def get() -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.daemon.port.number}{path}", timeout=10) as answer:
                return str(answer.read().decode())

        return await asyncio.to_thread(get)

    async def version(self) -> str:
        """The digest of the configuration in effect."""
        (found,) = re.findall(r'lmshooks_configuration_info\{hash="(\w+)"\} 1', await self.get("/metrics"))
        return str(found)

    async def configuration_ok(self) -> bool:
        return "lmshooks_configuration_ok 1.0" in await self.get("/metrics")

    async def refused(self) -> list[str]:
        """What the log says, once the daemon has refused the files; it stays as it was, and says so."""
        why = [line["why"].replace(f"{self.folder}/", "") for line in await self.told("configuration.refused")]
        assert not await self.configuration_ok()
        assert "the configuration on disk has mistakes" in await self.get("/healthz")
        return why


@pytest.fixture
async def running(embedded: str, topic: Callable[..., str], tmp_path: Path) -> AsyncIterator[Running]:
    name = await create_topic(embedded, topic("events"))
    kafka = {
        "bootstrap_servers": embedded, "topics": [name], "group_id": name, "state_topic": f"{name}.state",
        "dead_letter_topic": f"{name}.dead", "replication_factor": 1, "session_timeout": "3s", "request_timeout": "10s",
    }  # fmt: skip
    (tmp_path / "token").write_text("sesame")
    daemon = Daemon(tmp_path / "config", kafka, [ONE, TWO])
    daemon.log = tmp_path / "daemon.log"  # not in the folder: its lines would be changes
    files = daemon.folder / "subscriptions"
    (files / "..1").mkdir()
    (files / "all.yaml").rename(files / "..1" / "all.yaml")
    (files / "..data").symlink_to("..1")
    (files / "all.yaml").symlink_to("..data/all.yaml")
    async with daemon:
        yield Running(daemon)


def edited(running: Running, text: str) -> None:
    (running.folder / "subscriptions" / "all.yaml").write_text(text)


def swapped(running: Running, text: str) -> None:
    """As the kubelet updates a ConfigMap: a new folder, and one symlink moved to it."""
    files = running.folder / "subscriptions"
    fresh = files / f"..{len(list(files.iterdir()))}"
    fresh.mkdir()
    (fresh / "all.yaml").write_text(text)
    (files / "..next").symlink_to(fresh.name)
    (files / "..next").rename(files / "..data")


@pytest.mark.parametrize("change", [edited, swapped])
async def test_a_broken_change_on_disk_is_refused_and_a_right_one_is_taken_after_it(
    change: Callable[[Running, str], None], running: Running
) -> None:
    before = await running.version()
    right = (running.folder / "subscriptions" / "all.yaml").read_text()
    change(running, BROKEN)
    assert (await running.refused())[:3] == sorted(REFUSALS, key=lambda line: int(line.split(":")[1]))
    assert await running.version() == before
    change(running, right.replace("id: two", "id: three"))
    (loaded, *_) = await running.told("configuration.loaded")
    assert loaded["by"] == "files"
    assert await running.version() == loaded["version"] != before
    assert await running.configuration_ok()


async def test_a_secret_that_is_gone_is_refused_by_sighup(running: Running) -> None:
    before = await running.version()
    token = running.folder.parent / "token"
    token.unlink()
    running.daemon.kill(signal.SIGHUP)
    (why,) = await running.refused()
    assert "subscriptions.1.auth.bearer.token.file: found a file that is missing" in why
    assert await running.version() == before
    token.write_text("sesame-2")
    running.daemon.kill(signal.SIGHUP)
    (loaded,) = await running.told("configuration.loaded")
    assert loaded["by"] == "SIGHUP"
    assert await running.version() == loaded["version"] != before
    assert await running.configuration_ok()
    assert "sesame" not in running.daemon.log.read_text()


async def test_a_change_between_the_reading_and_the_watching_is_taken(tmp_path: Path) -> None:
    files = Daemon(tmp_path / "config", {"bootstrap_servers": "127.0.0.1:1", "topics": ["events"]}, [ONE])
    loaded = load(files.folder, os.environ)
    files.subscribe([ONE | {"url": "https://example.com/two"}])
    daemon = app.Daemon(files.folder, os.environ, loaded)
    running = asyncio.create_task(daemon.run())
    try:
        async with asyncio.timeout(20):
            while daemon._loaded is loaded:
                await asyncio.sleep(0.05)
        assert daemon._loaded.configuration.version == load(files.folder, os.environ).configuration.version
    finally:
        daemon._stop(signal.SIGTERM)
        await running
        files.port.release()
