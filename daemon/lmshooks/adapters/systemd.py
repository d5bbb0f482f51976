"""What does the supervisor know? systemd's notification protocol (sd_notify(3)), where NOTIFY_SOCKET asks for it.

    READY, RELOADING, STOPPING   what it does
    STATUS                       one line for `systemctl status`
    WATCHDOG                     a beat, only while the loops get on: without beats the unit is killed and started again

Without NOTIFY_SOCKET nothing is sent. A message that cannot be sent is dropped: the supervisor's silence must not stop
a delivery.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

BEAT = 5.0
"""Seconds between two looks at how it stands, at most."""


class Standing(NamedTuple):
    """How the daemon stands at a moment."""

    alive: bool
    """Whether its loops get on."""
    ready: bool
    summary: str
    """One line for people."""


class Supervisor:
    """Who started us, as far as it wants to hear. Whatever is told is sent at once, without waiting."""

    def __init__(self, environ: Mapping[str, str], pid: int) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # A name that begins with @ is an abstract one, which the kernel knows by a leading zero byte.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        ours = environ.get("WATCHDOG_PID", str(pid)) == str(pid)
        microseconds = environ.get("WATCHDOG_USEC", "")
        self.beat = min(BEAT, int(microseconds) / 3e6) if ours and microseconds.isdecimal() else BEAT
        """Seconds between two beats: two may be late before the third is missed."""
        self._ready = False
        self._said = ""

    async def keep_told(self, standing: Callable[[], Standing]) -> None:
        """Beats and news until cancelled. It runs in the loop it vouches for: a loop that hangs does not beat."""
        while self._address:
            now = standing()
            if now.alive:
                # While it starts no beat is asked for; that it may take longer is asked for instead.
                self._send("WATCHDOG=1" if self._ready else f"EXTEND_TIMEOUT_USEC={int(6e6 * self.beat)}")
            if now.ready and not self._ready:
                self._ready = True
                self._send("READY=1")
            if now.summary != self._said:
                self._said = now.summary
                self._send(f"STATUS={' '.join(now.summary.split())}")
            await asyncio.sleep(self.beat if self._ready else min(1.0, self.beat))

    def reloading(self) -> None:
        """The configuration is being read again; `reloaded` ends it."""
        if self._ready:
            self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def reloaded(self) -> None:
        """It was read, and taken or refused: STATUS says which."""
        if self._ready:
            self._send("READY=1")

    def stopping(self) -> None:
        """It was told to stop, and does."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
            sending.setblocking(False)
            sending.sendto(message.encode("utf-8", "replace"), os.fsencode(self._address))
