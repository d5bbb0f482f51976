"""Are delays and recoveries what they are said to be? Small cases that one can count by hand."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from tests.chaos.histories import Faulted
from tests.chaos.measures import STEP, WELL, delays, quantile, well_since
from tests.chaos.pictures import chart


def test_it_is_well_while_nothing_old_is_undelivered() -> None:
    events = [(0.0, 0.1), (1.0, 5.0), (2.0, 2.1), (6.0, 6.1)]
    well = well_since(events, 8.0)
    # The event of 1.0 is older than a second from 2.0 on, until it is taken at 5.0.
    assert all(at <= 1.0 + WELL or at >= 5.0 for at in well)
    assert {2.0, 5.0} <= set(well)
    assert 2.0 + STEP not in well


def test_what_a_dead_endpoint_never_takes_keeps_it_ill() -> None:
    assert not [at for at in well_since([(0.0, 1e9)], 10.0) if at > WELL]


def test_delays_are_of_when_events_were_written() -> None:
    first, second = delays([(0.0, 1.0), (1.0, 4.0), (2.0, 2.5), (7.0, 7.25)])
    assert (first.at, first.median, first.most) == (0.0, 1.0, 3.0)
    assert (second.at, second.median, second.p99) == (5.0, 0.25, 0.25)


def test_a_quantile_of_nothing_is_nothing() -> None:
    assert quantile([], 0.5) == 0.0
    assert quantile([1.0, 2.0, 3.0], 0.99) == 3.0


def test_a_picture_is_well_formed_and_names_each_fault() -> None:
    line = {"a <b>": [(0.0, 1.0), (60.0, 50.0)]}
    faults = [Faulted(5.0, 9.0, "listener 500", "slow"), Faulted(500.0, 501.0, "kill", "a")]
    for log in (False, True):
        root = ET.fromstring(chart("memory", "MiB", line, faults, log))
        titles = [title.text for title in root.iter("{http://www.w3.org/2000/svg}title")]
        assert titles == ["listener 500 slow"], "what lies outside the time is not drawn"
