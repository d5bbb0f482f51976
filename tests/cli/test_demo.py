"""Does `make run` show something? The whole demo, as a process, against its own broker."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.embedded


def demo(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "lmshooks", "demo", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_the_demo_ends_by_itself_and_shows_that_events_arrived() -> None:
    said, _ = (process := demo("--seconds", "9")).communicate(timeout=60)
    assert process.returncode == 0, said
    assert "/status" in said and "/metrics" in said
    assert "next window in" in said
    assert " 0 delivered" not in said


def test_ctrl_c_ends_the_demo_cleanly() -> None:
    process = demo()
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert "Traceback" not in said
    assert "stopping" in said


def test_a_kafka_that_is_not_there_is_said_in_one_line() -> None:
    said, _ = (process := demo("--kafka", "127.0.0.1:1")).communicate(timeout=60)
    assert process.returncode == 1
    assert "no Kafka at 127.0.0.1:1" in said and "Traceback" not in said
