"""What do a supervisor and probes see of a real process: at its start, while Kafka is away, at a reload, at its end?"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.deploy.ear import Ear
from tests.kafka.brokers import EmbeddedBroker
from tests.kafka.daemons import Daemon

SUBSCRIPTION = {"id": "one", "account": "1", "url": "http://127.0.0.1:9/", "events": ["*"]}


@pytest.fixture
def ear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ear]:
    ear = Ear(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "1500000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    yield ear
    ear.close()


def get(daemon: Daemon, path: str) -> tuple[int, dict[str, Any]]:
    """Status and body of a page."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{daemon.port.number}{path}", timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


async def answers(daemon: Daemon, path: str, status: int) -> dict[str, Any]:
    """The body of the page when it answers with this status."""
    async with asyncio.timeout(60):
        while True:
            found, told = await asyncio.to_thread(get, daemon, path)
            if found == status:
                return told
            await asyncio.sleep(0.1)


async def test_the_supervisor_hears_a_life(
    tmp_path: Path, ear: Ear, own_embedded: EmbeddedBroker, topic: Callable[..., str]
) -> None:
    """Kafka is away, comes, goes and comes back; the files break and are mended; the process is told to stop."""
    source = topic("lms")
    kafka = {"bootstrap_servers": own_embedded.bootstrap, "topics": [source], "request_timeout": "1s"}
    admin = AIOKafkaAdminClient(bootstrap_servers=own_embedded.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(source, 1, 1)])
    await admin.close()
    own_embedded.pause()
    daemon = Daemon(tmp_path / "config", kafka, [SUBSCRIPTION])
    daemon.spawn()
    try:
        heard = await ear.told("Kafka is not reached")
        assert not any("READY" in each or "WATCHDOG" in each for each in heard)
        await ear.told("EXTEND_TIMEOUT_USEC=")
        status, told = await asyncio.to_thread(get, daemon, "/healthz")
        assert (status, told["alive"]) == (200, True), "no restart brings Kafka back"
        assert (await asyncio.to_thread(get, daemon, "/readyz"))[0] == 503

        own_embedded.resume()
        await ear.told("READY=1")
        await ear.told("STATUS=all is well: 1 subscription, 1 partition")
        await ear.told("WATCHDOG=1")
        assert (await answers(daemon, "/readyz", 200))["ready"] is True

        own_embedded.pause()
        told = await answers(daemon, "/readyz", 503)
        assert "Kafka has not answered for" in " ".join(told["missing"])
        await ear.told("Kafka has not answered for")
        await ear.told("WATCHDOG=1")
        status, told = await asyncio.to_thread(get, daemon, "/healthz")
        assert (status, told["alive"]) == (200, True)
        assert "Kafka has not answered" in " ".join(told["reasons"])
        own_embedded.resume()
        await answers(daemon, "/readyz", 200)

        broken = daemon.folder / "subscriptions" / "all.yaml"
        good = broken.read_text()
        broken.write_text("subscriptions: [")
        daemon.kill(signal.SIGHUP)
        await ear.told("RELOADING=1")
        await ear.told("READY=1")
        await ear.told("STATUS=the daemon is not well: the configuration on disk has mistakes")
        assert (await asyncio.to_thread(get, daemon, "/healthz"))[0] == 200
        broken.write_text(good)
        await ear.told("STATUS=all is well")

        daemon.kill(signal.SIGTERM)
        await ear.told("STOPPING=1")
        assert await daemon.ended() == 0
    finally:
        own_embedded.resume()
        await daemon.__aexit__()


async def test_a_process_that_hangs_does_not_beat(
    tmp_path: Path, ear: Ear, embedded: str, topic: Callable[..., str]
) -> None:
    """SIGSTOP stands for a loop that is stuck: nothing else may beat for it."""
    source = topic("lms")
    admin = AIOKafkaAdminClient(bootstrap_servers=embedded)
    await admin.start()
    await admin.create_topics([NewTopic(source, 1, 1)])
    await admin.close()
    kafka = {"bootstrap_servers": embedded, "topics": [source], "group_id": source, "state_topic": topic("state")}
    async with Daemon(tmp_path / "config", kafka, [SUBSCRIPTION]) as daemon:
        await ear.told("WATCHDOG=1")
        assert daemon.process is not None
        daemon.kill(signal.SIGSTOP)
        await asyncio.to_thread(os.waitid, os.P_PID, daemon.process.pid, os.WSTOPPED)
        ear.heard()
        with pytest.raises(TimeoutError):  # nothing within twice the time after which a supervisor would kill it
            await ear.hear(3.0)
        daemon.kill(signal.SIGCONT)
        await ear.told("WATCHDOG=1")
