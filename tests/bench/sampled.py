"""Where does the CPU go? Runs lmshooks and notes, every few milliseconds of CPU, which functions it was in.

    python -m tests.bench.sampled OUTPUT run --config FOLDER ...      lmshooks' own arguments follow

The kernel's profiling timer (ITIMER_PROF) counts the process's own CPU, so a process that waits is not sampled, and
other work on the machine changes nothing. What C code spends is its Python caller's. OUTPUT gets one line a distinct
stack, outermost first, parted by `;`, and how often it was seen: the form that flame graph tools read.
"""

from __future__ import annotations

import signal
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType

from lmshooks.__main__ import main

INTERVAL = 0.002
"""Seconds of CPU between two samples; the kernel's clock ticks may make it 0.004."""
DEEPEST = 60

_seen: Counter[tuple[CodeType, ...]] = Counter()


def sample(_: int, frame: FrameType | None) -> None:
    stack: list[CodeType] = []
    while frame is not None and len(stack) < DEEPEST:
        stack.append(frame.f_code)
        frame = frame.f_back
    _seen[tuple(stack)] += 1


def name_of(code: CodeType) -> str:
    """`module:function`, the module by its path inside its package."""
    if code.co_filename.startswith("<"):
        return f"generated:{code.co_qualname}"  # what dataclasses and named tuples write themselves
    path = Path(code.co_filename)
    parts = path.with_suffix("").parts
    for root in ("site-packages", "daemon", "tests", "lib"):
        if root in parts:
            at = len(parts) - 1 - parts[::-1].index(root)
            parts = parts[at + 1 :]
            break
    if parts and parts[0].startswith("python3"):
        parts = parts[1:]
    return f"{'.'.join(parts)}:{code.co_qualname}".replace(";", ",").replace(" ", "_")


def write(path: Path) -> None:
    lines = [f"{';'.join(name_of(code) for code in reversed(stack))} {count}" for stack, count in _seen.items()]
    path.write_text("\n".join(sorted(lines)) + "\n")


if __name__ == "__main__":
    output = Path(sys.argv[1])
    sys.argv[1:] = sys.argv[2:]
    signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
    try:
        main()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        write(output)
