"""How does a test run the daemon? As an operator does: a folder of YAML, a process, its admin port, signals."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from lmshooks.cli.embedded import Port, spawn

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""The key that Standard Webhooks' own test vectors use."""


class Daemon:
    """`python -m lmshooks run` on a folder. `async with` waits until it is ready, and stops it with SIGTERM."""

    def __init__(self, folder: Path, kafka: dict[str, Any], subscriptions: list[dict[str, Any]], **more: Any) -> None:
        self.folder = folder
        self.port = Port()
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder.with_name(f"{folder.name}.log")  # beside what the daemon watches, not in it
        self.command = [sys.executable, "-m", "lmshooks"]
        """What is run; a wrapper that puts a bug in takes its place."""
        self._base: dict[str, Any] = {
            "kafka": {"start": "earliest", "retention_check": "warn", **kafka},
            "admin": {"port": self.port.number},
            "egress": {"allow_http": True, "allow_networks": ["127.0.0.0/8"]},
        }
        (folder / "subscriptions").mkdir(parents=True)
        self.configure(**more)
        self.subscribe(subscriptions)

    def configure(self, **more: Any) -> None:
        """What daemon.yaml says from now on, beside where Kafka is."""
        self._replace("daemon.yaml", yaml.safe_dump(self._base | more))

    def subscribe(self, subscriptions: list[dict[str, Any]]) -> None:
        """What the file of subscriptions says from now on."""
        self._replace("subscriptions/all.yaml", yaml.safe_dump({"subscriptions": subscriptions}))

    def _replace(self, name: str, text: str) -> None:
        fresh = (self.folder / name).with_name(".fresh")
        fresh.write_text(text)
        fresh.rename(self.folder / name)

    def spawn(self) -> None:
        self.process = spawn(
            [*self.command, "run", "--config", str(self.folder)], self.log, {**os.environ, "SECRET": SECRET}
        )

    def kill(self, number: int = signal.SIGKILL) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def ended(self, timeout: float = 60.0) -> int:
        """Its exit status."""
        process = self.process
        assert process is not None
        return await asyncio.to_thread(process.wait, timeout)

    async def ready(self, timeout: float = 60.0) -> None:
        async with asyncio.timeout(timeout):
            while not await asyncio.to_thread(self._answers):
                assert self.process is not None and self.process.poll() is None, self.log.read_text()[-3000:]
                await asyncio.sleep(0.05)

    async def said(self, event: str, words: str = "", timeout: float = 60.0) -> dict[str, Any]:
        """The first line of its log of that name that has these words in it; waits for it."""
        async with asyncio.timeout(timeout):
            while True:
                for line in self.log.read_text().splitlines():
                    if f'"event":"{event}"' in line and words in line:
                        found: dict[str, Any] = json.loads(line)
                        return found
                await asyncio.sleep(0.05)

    async def ask(self, path: str) -> tuple[int, str]:
        """The status and text of its admin port's answer; status 0 where there is none."""

        def get() -> tuple[int, str]:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port.number}{path}", timeout=5) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as refused:
                return refused.code, refused.read().decode()
            except OSError as error:
                return 0, str(error)

        return await asyncio.to_thread(get)

    async def until_told(self, path: str, status: int, words: str = "", timeout: float = 60.0) -> str:
        """What the admin port answers, once it is this."""
        async with asyncio.timeout(timeout):
            while True:
                answered, text = await self.ask(path)
                if answered == status and words in text:
                    return text
                await asyncio.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port.number}/readyz", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    async def __aenter__(self) -> Daemon:
        self.spawn()
        await self.ready()
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            if self.process is not None and self.process.poll() is None:
                self.kill(signal.SIGTERM)
                await self.ended()
        finally:
            if self.process is not None and self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.port.release()
