"""What do a process, and the machine around it, use? Read from /proc."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Collection
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def cpu_of(pid: int) -> float:
    """Seconds of CPU, user and system, of all threads so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def peak_of(pid: int) -> float:
    """MiB resident, at the most so far."""
    return _field(f"/proc/{pid}/status", "VmHWM:")


def resident_of(pid: int) -> float:
    """MiB resident now, each shared page counted by the share (PSS), or whole (RSS) where the kernel does not tell."""
    with contextlib.suppress(OSError):
        return _field(f"/proc/{pid}/smaps_rollup", "Pss:")
    return _field(f"/proc/{pid}/status", "VmRSS:")


def _field(path: str, name: str) -> float:
    for line in Path(path).read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    return math.nan


def received_by(pid: int) -> int:
    """Bytes that it has read so far, sockets included."""
    return int(Path(f"/proc/{pid}/io").read_text().split()[1])


def busy() -> float:
    """Seconds of CPU that the whole machine has spent so far, over all cores."""
    fields = [int(one) for one in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    idle, waiting = fields[3], fields[4]
    return (sum(fields[:8]) - idle - waiting) / TICK


class Others:
    """How many cores were busy with what is not ours, between entering and leaving?

    Ours are this process, its children that ended meanwhile, and those that are named.
    """

    def __init__(self, ours: Collection[int]) -> None:
        """`ours`: processes that live throughout."""
        self.ours = ours
        self.cores = math.nan

    def __enter__(self) -> Others:
        self._began, self._not_ours = time.monotonic(), self._spent()
        return self

    def __exit__(self, *_: object) -> None:
        self.cores = max(0.0, (self._spent() - self._not_ours) / (time.monotonic() - self._began))

    def _spent(self) -> float:
        me = os.times()
        return busy() - sum(map(cpu_of, self.ours)) - me.user - me.system - me.children_user - me.children_system
