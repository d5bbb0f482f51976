"""Do the meters read what a process really used, and whose?"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.probes import Others, cpu_of, peak_of, received_by, resident_of

SPIN = "import sys; sys.stdout.write('x'); sys.stdout.flush()\nwhile True: pass"


@pytest.fixture
def spinner() -> Iterator[int]:
    """A process that does nothing but use its CPU."""
    with subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        yield process.pid
        process.kill()


def spend(pid: int, seconds: float) -> float:
    """Wait until a process has used so much more CPU; how much it was."""
    before, until = cpu_of(pid), time.monotonic() + 60.0
    while cpu_of(pid) < before + seconds and time.monotonic() < until:
        time.sleep(0.01)
    return cpu_of(pid) - before


def test_cpu_is_that_of_the_process_that_is_named_user_and_system(spinner: int) -> None:
    mine, began = time.process_time(), cpu_of(os.getpid())
    assert spend(spinner, 0.5) >= 0.5
    while time.process_time() < mine + 0.5:
        os.urandom(2**20)  # the kernel's work, nearly all of it
    used = time.process_time() - mine
    assert cpu_of(os.getpid()) - began == pytest.approx(used, abs=0.05), "not the spinner's"


def test_others_are_all_but_those_that_are_ours(spinner: int) -> None:
    at = time.monotonic()
    with Others([]) as all_others, Others([spinner]) as rest:
        spent = spend(spinner, 0.5)
    seconds = time.monotonic() - at
    assert all_others.cores >= 0.9 * spent / seconds
    assert all_others.cores - rest.cores == pytest.approx(spent / seconds, rel=0.3)


def test_memory_and_what_was_received_grow_by_what_was_used() -> None:
    pid = os.getpid()
    resident, received = resident_of(pid), received_by(pid)
    held = bytearray(os.urandom(64 * 2**20))
    assert resident_of(pid) - resident == pytest.approx(64, abs=8)
    assert peak_of(pid) >= resident_of(pid) - 1
    with Path("/dev/zero").open("rb", buffering=0) as zeros:
        assert len(zeros.read(2**20)) == 2**20
    assert 2**20 <= received_by(pid) - received < 2 * 2**20
    del held
