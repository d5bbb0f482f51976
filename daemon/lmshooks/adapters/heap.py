"""Does memory that holds nothing go back to the system?

Two things keep it: cycles of objects, which wait for Python's collector (aiokafka leaves one, with a mebibyte of a
fetched answer in it, each time a reader is given another partition), and the C library, which keeps what large buffers
leave between smaller blocks. The daemon looks for cycles seldom, since events make none; so young cycles are looked for
here, and free pages are given back. Without this, a daemon that holds 20 MiB was seen to occupy 400.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc

EVERY = 2.0
"""Seconds between two times; each takes about a millisecond."""


def release() -> None:
    """Give back what nothing holds; pages only where the C library can."""
    gc.collect(1)
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


async def keep_released() -> None:
    """Until it is cancelled."""
    while True:
        await asyncio.sleep(EVERY)
        release()
