"""What do the commands of a running system need? A broker, the daemon as a process, listeners: all of it real."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from lmshooks.cli.asking import Unreachable, ask
from lmshooks.listener import Answers, Listener, Received
from tests.kafka.daemons import Daemon
from tests.kafka.records import create_topic, produce

T = TypeVar("T")


class Background:
    """A loop in a thread of its own: what runs in it is another party's, as it is in life."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 60.0) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@contextmanager
def listening(answers: Answers | None = None, **more: Any) -> Iterator[tuple[Listener, list[Received]]]:
    """A listener in the background, and what it got."""
    background, got = Background(), list[Received]()
    listener = Listener(answers=answers, on_request=got.append, **more)
    background.run(listener.start())
    try:
        yield listener, got
    finally:
        background.run(listener.close())
        background.close()


class World:
    """A daemon that runs, and its topics."""

    def __init__(self, folder: Path, bootstrap: str, subscriptions: list[dict[str, Any]], **more: Any) -> None:
        self.bootstrap = bootstrap
        self.topic = f"events-{uuid.uuid4().hex[:8]}"
        kafka = {
            "bootstrap_servers": bootstrap, "topics": [self.topic], "group_id": self.topic, "session_timeout": "3s",
            "state_topic": f"{self.topic}.state", "dead_letter_topic": f"{self.topic}.dead", "replication_factor": 1,
            "request_timeout": "10s",
        }  # fmt: skip
        asyncio.run(create_topic(bootstrap, self.topic))
        self.daemon = Daemon(folder, kafka, subscriptions, **more)
        self.folder = folder
        self.url = f"http://127.0.0.1:{self.daemon.port.number}"

    def write(self, *values: dict[str, Any] | bytes) -> list[int]:
        """Records into the source topic; their offsets."""
        raw = [value if isinstance(value, bytes) else json.dumps(value).encode() for value in values]
        return asyncio.run(produce(self.bootstrap, self.topic, raw, 0))

    def status(self) -> dict[str, Any]:
        return ask(self.url, "/status", "subscriptions")

    def until(self, condition: Callable[[dict[str, Any]], object], timeout: float = 60.0) -> dict[str, Any]:
        """Wait until the daemon's status is so."""

        async def wait() -> dict[str, Any]:
            async with asyncio.timeout(timeout):
                while True:
                    try:
                        told = await asyncio.to_thread(self.status)
                        if condition(told):
                            return told
                    except Unreachable:
                        pass
                    await asyncio.sleep(0.05)

        return asyncio.run(wait())

    def __enter__(self) -> World:
        asyncio.run(self.daemon.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run(self.daemon.__aexit__())


def event(number: int, name: str = "COURSE_COMPLETED", **data: Any) -> dict[str, Any]:
    """One bare event of account 1010."""
    return {
        "accountId": 1010, "eventId": f"e{number}", "eventName": name, "timestamp": "2026-01-20T05:48:10.000Z",
        "data": {"n": number, **data},
    }  # fmt: skip
