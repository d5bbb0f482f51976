"""Is memory given back that nothing holds?"""

import ctypes
from pathlib import Path

import pytest

from lmshooks.adapters import heap


def resident() -> int:
    """MiB of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024
    raise AssertionError("no VmRSS")


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library is not glibc")
def test_what_lies_free_between_blocks_in_use_goes_back():
    bodies, kept = [], []
    for _ in range(1500):
        bodies.append(bytes(60_000))
        kept.append(bytes(600))  # between two bodies: the heap cannot simply shrink
    full = resident()
    bodies.clear()
    heap.release()
    assert full - resident() > 50
    assert len(kept) == 1500
