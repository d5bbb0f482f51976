"""The micro-benchmark counts what it says: every event delivered once a round, every moment in one stage."""

from __future__ import annotations

import time

import pytest

from lmshooks.adapters.reporting import Reporter
from tests.bench.machine import CASES, EPOCH, Driver, fetches_of
from tests.bench.stages import MACHINE, Stages, calibrate


@pytest.mark.parametrize("name", ["coalesced", "single", "fan-out"])
def test_a_steady_round_delivers_each_of_its_events_to_each_of_its_subscriptions_once(name: str) -> None:
    case = CASES[name]
    driver = Driver(case, Reporter("test", lambda: EPOCH))
    fetches = fetches_of(case)
    driver.warm(fetches)
    before = driver.delivered
    driver.feed(fetches)
    assert driver.delivered - before == case.events * case.fan_out
    assert not any(lane for own in driver.machine.owned.values() for lane in own.lanes.values() if not lane.attached)


def test_the_functions_of_all_stages_are_found_and_given_back() -> None:
    original = Reporter.report
    with Stages(MACHINE) as stages:
        assert not stages.gone
        assert Reporter.report is not original
    assert Reporter.report is original


def test_a_moment_is_charged_to_the_innermost_stage_alone() -> None:
    stages = Stages({"outer": (), "inner": ()})

    def busy(seconds: float) -> None:
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    inner = stages.charging("inner", busy)

    def both() -> None:
        busy(0.01)
        inner(0.03)
        busy(0.01)

    began = time.thread_time_ns()
    stages.charging("outer", both)()
    whole = time.thread_time_ns() - began
    assert stages.calls == {"outer": 1, "inner": 1}
    assert stages.spent["inner"] >= 30e6
    assert stages.spent["outer"] >= 20e6
    assert stages.spent["inner"] + stages.spent["outer"] <= whole


def test_what_the_wrapping_costs_is_taken_off() -> None:
    stages = Stages({"outer": (), "inner": ()})
    inner = stages.charging("inner", lambda: None)

    def many() -> None:
        for _ in range(20_000):
            inner()

    stages.charging("outer", many)()
    net = stages.net(calibrate())
    assert net["inner"] <= 0.5 * stages.spent["inner"]
    assert net["outer"] <= 0.5 * stages.spent["outer"]


def test_a_function_that_was_renamed_is_told() -> None:
    with Stages({"one": ("core.live:no_such_function", "no_such_module:at_all")}) as stages:
        assert stages.gone == ["core.live:no_such_function", "no_such_module:at_all"]
