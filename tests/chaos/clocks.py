"""What if an instance's clock is set? `python -m tests.chaos.clocks FILE run --config DIR`: its wall clock is off.

FILE holds by how many seconds, and may be written at any time. It is the clock as Python tells it (`time.time`), for
all that the process imports; the loop's own, which is monotonic, stays, as it does where an operator or NTP steps the
machine's. So this needs no library to be preloaded, and works wherever the harness does.
"""

from __future__ import annotations

import mmap
import struct
import sys
import time
from pathlib import Path

SHIFT = struct.Struct("d")


def write_shift(file: Path, seconds: float) -> None:
    """In place: who has it mapped sees it at once."""
    with file.open("r+b" if file.exists() else "w+b") as out:
        out.write(SHIFT.pack(seconds))


def shift_by(file: Path) -> None:
    """From here on `time.time` is off by what the file says."""
    with file.open("rb") as said:
        shift = mmap.mmap(said.fileno(), SHIFT.size, access=mmap.ACCESS_READ)
    wall, unpack = time.time, SHIFT.unpack_from

    def shifted() -> float:
        seconds: float = unpack(shift)[0]
        return wall() + seconds

    time.time = shifted


if __name__ == "__main__":
    shift_by(Path(sys.argv[1]))
    from lmshooks.__main__ import main

    sys.argv = ["lmshooks", *sys.argv[2:]]
    main()
