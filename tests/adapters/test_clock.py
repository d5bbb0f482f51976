"""What time is it? Never earlier than it was, whatever happens to the machine's clock."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from lmshooks.adapters.clock import SLEW, Clock


@dataclass
class Time:
    """The machine's two clocks."""

    wall: float = 1_000_000.0
    monotonic: float = 50.0

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def clock(time: Time) -> Clock:
    return Clock(lambda: time.wall, lambda: time.monotonic)


def test_it_is_the_machines_time(time: Time, clock: Clock) -> None:
    time.passes(12.5)
    assert clock.now() == 1_000_012.5


def test_a_step_forward_is_followed_at_once(time: Time, clock: Clock) -> None:
    time.wall += 3600
    assert clock.now() == 1_003_600.0


def test_a_step_back_does_not_take_it_back(time: Time, clock: Clock) -> None:
    time.passes(10)
    before = clock.now()
    time.wall -= 3600
    assert clock.now() == before
    time.passes(10)
    assert clock.now() == pytest.approx(before + 10 * (1 - SLEW))


def test_after_a_step_back_it_runs_slower_until_the_two_agree(time: Time, clock: Clock) -> None:
    time.wall -= 5
    last = clock.now()
    for _ in range(60):
        time.passes(1)
        now = clock.now()
        assert now > last
        last = now
    assert last == time.wall


def test_a_step_back_and_forward_again_leaves_no_trace(time: Time, clock: Clock) -> None:
    time.wall -= 100
    clock.now()
    time.wall += 100
    time.passes(1)
    assert clock.now() == 1_000_001.0
