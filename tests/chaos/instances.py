"""How does an instance live here? A daemon process that a supervisor keeps going, as systemd or Kubernetes would."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.chaos.clocks import write_shift
from tests.chaos.histories import Lived, Weighed
from tests.chaos.specs import WINDOWS, Version
from tests.kafka.daemons import Daemon

PAGE = os.sysconf("SC_PAGE_SIZE")
RESTART = 0.5
"""Seconds after which one that ended by itself is started again."""
GIVES_WAY = ("nice", "-n", "10")
"""Brokers have machines of their own elsewhere; here they share a few cores with the instances, and come first."""
REFUSED = 2
"""The status of an instance that finds at its start that what it needs is not as it must be."""
LOW = "min.compaction.lag.ms"
NAMED = re.compile(r'"instance":"([^"]+)"')


class Instance:
    """One slot of the deployment: `name`, its folder of configuration, and its lives."""

    def __init__(
        self, name: str, folder: Path, kafka: dict[str, Any], urls: Mapping[str, str],
        write: Callable[[tuple[Any, ...]], None], version: Version,
    ) -> None:  # fmt: skip
        self.name = name
        self.version = version
        """What its files say, or say from its next life on."""
        self.wanted = False
        """Whether the supervisor keeps it going."""
        self.paused = False
        self.exits: list[str] = []
        """Why lives ended by themselves, or not when they were to."""
        self._clock = folder.with_name(f"{name}.clock")
        self._life = 0
        self._write = write
        self._urls = urls
        self.daemon = Daemon(folder, kafka, [])

    def command(self, bug: str | None) -> None:
        """Run with a bug put in, or with a clock that can be set (`step`)."""
        if bug is not None:
            module, argument = "bugs", bug
        else:
            self.step(0.0)
            module, argument = "clocks", str(self._clock)
        self.daemon.command = [*GIVES_WAY, sys.executable, "-m", f"tests.chaos.{module}", argument]

    def step(self, seconds: float) -> None:
        """Set its clock so far from the machine's, this life's and later ones'; it may be negative."""
        write_shift(self._clock, seconds)

    @property
    def sender(self) -> str:
        return f"{self.name}.{self._life}"

    @property
    def alive(self) -> bool:
        process = self.daemon.process
        return process is not None and process.poll() is None

    def configure(self, version: Version) -> None:
        """Write its files; a running daemon sees that by itself."""
        self.version = version
        self.daemon.configure(
            windows={name: {"every": f"{seconds}s"} for name, seconds in WINDOWS.items()},
            cadences=version.cadences(),
            drain_timeout="4s",
            limits={"subscriptions_per_account": 10},
            orphan_grace="1d",  # by clocks that are set an hour ahead
        )
        self.daemon.subscribe([one.entry(self._urls[one.id], self.sender) for one in version.specs if one.present])

    def start(self) -> None:
        """A new life."""
        self._life += 1
        self.wanted = True
        self.configure(self.version)
        self.daemon.log = self.daemon.folder.with_name(f"{self.sender}.log")  # a life's lines are few enough to read
        self.daemon.spawn()

    async def stop(self, number: int = signal.SIGTERM, timeout: float = 30.0) -> None:
        """End this life and wait for it; the supervisor leaves it down."""
        self.wanted = False
        if self.alive:
            self.daemon.kill(number)
            if self.paused and number != signal.SIGKILL:
                self.resume()
            try:
                await self.daemon.ended(timeout)
            except subprocess.TimeoutExpired:
                self.exits.append(f"did not stop within {timeout:g} s: {self.sender}, {time.time():.3f}")
                self.daemon.kill()
                await self.daemon.ended()

    def pause(self) -> None:
        self.paused = True
        self.daemon.kill(signal.SIGSTOP)

    def resume(self) -> None:
        self.paused = False
        if self.alive:
            self.daemon.kill(signal.SIGCONT)

    async def supervise(self) -> None:
        """Until cancelled: start it again when it ends by itself; note its memory and the name it claims by."""
        named = ""
        while True:
            if self.wanted and not self.alive:
                self.exits.append(self._why())
                await asyncio.sleep(RESTART)
                if self.wanted:
                    self.start()
            if self.alive:
                if named != self.sender and (claims := self._name()):
                    named = self.sender
                    self._write(Lived(time.time(), named, claims))
                if (resident := self._resident()) is not None:
                    self._write(Weighed(time.time(), self.sender, resident))
            await asyncio.sleep(0.5)

    async def close(self) -> None:
        """Kill it."""
        await self.stop(signal.SIGKILL)
        self.daemon.port.release()

    def _name(self) -> str:
        """What it calls itself in its claims: said in the first lines of its log."""
        with self.daemon.log.open("r", errors="replace") as log:
            found = NAMED.search(log.read(20_000))
        return found[1] if found else ""

    def _why(self) -> str:
        status = self.daemon.process.poll() if self.daemon.process else 0
        said = self.daemon.log.read_text(errors="replace")
        if status == REFUSED and LOW in said:
            return f"refused to start while the state topic's {LOW} was too low"
        last = said.strip().splitlines()[-1:] or ["nothing"]
        return f"status {status}, {self.sender}, {time.time():.3f}, said last: {last[0][:300]}"

    def _resident(self) -> int | None:
        process = self.daemon.process
        try:
            pages = Path(f"/proc/{process.pid}/statm").read_text().split()[1] if process else ""
        except OSError:
            return None
        return int(pages) * PAGE if pages else None
