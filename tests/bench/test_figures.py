"""What the benchmark says follows from what it saw: ratios, spreads, goals, histories, pictures."""

from __future__ import annotations

import math
from array import array
from xml.etree import ElementTree as ET

import pytest

from tests.bench import flames
from tests.bench.baselines import bodies_of
from tests.bench.figures import cells, figure, spread
from tests.bench.latency import lates
from tests.bench.listening import Taken
from tests.bench.recovery import History, judge


def test_the_ratio_is_of_runs_side_by_side() -> None:
    # A machine twice as slow in the second round: both runs of it are, and the ratio is not.
    assert figure("rate", "events/s", [100.0, 50.0, 100.0], theirs=[200.0, 100.0, 200.0]).ratio == 0.5
    assert math.isnan(figure("rate", "events/s", [1.0]).ratio)


@pytest.mark.parametrize(
    ("goal", "met"),
    [({"most": 10}, True), ({"most": 9}, False), ({"least": 10}, True), ({"least": 11}, False),
     ({"ratio": 2.0}, True), ({"ratio": 1.9}, False), ({}, None)],
)  # fmt: skip
def test_the_median_meets_a_goal_or_not(goal: dict[str, float], met: bool | None) -> None:
    assert figure("cost", "us", [99.0, 10.0, 1.0], theirs=[49.5, 5.0, 0.5], **goal).met is met


def test_a_machine_that_was_not_quiet_is_told() -> None:
    assert "others 0.5 cores" in cells(figure("rate", "events/s", [1.0], others=0.5))[-1]
    assert "others" not in cells(figure("rate", "events/s", [1.0], others=0.05))[-1]


def test_a_spread_names_the_median_and_the_ends() -> None:
    assert spread([3.0, 1.0, 2.0]) == "2 (1 to 3)"
    assert spread([123456.0]) == "123,456"
    assert spread([]) == ""


def test_percentiles_are_of_the_events_that_were_sent_warm() -> None:
    # 100 events in the cold, all late; then one every 10 ms for 10 s, the n-th of them n / 100 ms late.
    cold = [(at * 1_000_000, at * 1_000_000 + 5 * 10**9) for at in range(100)]
    warm = [(2 * 10**9 + at * 10**7, 2 * 10**9 + at * 10**7 + at * 10_000) for at in range(1000)]
    sent, came = zip(*cold, *warm, strict=True)
    found = lates(Taken(array("q", sent), array("q", came), array("q")), others=0.1)
    assert found.shares == {"median": 5.0, "p90": 9.0, "p99": 9.9, "p99.9": 9.99}
    assert found.rate == pytest.approx(100, rel=0.01)


def test_one_account_a_post_or_many() -> None:
    assert bodies_of([b"1", b"2", b"3"], 2) == [b"[1,2]", b"[3]"]
    assert bodies_of([b"1", b"2"], 1) == [b"1", b"2"]


def test_a_history_is_judged_by_what_first_came_when() -> None:
    # Two accounts: even numbers and odd ones.
    assert judge([0, 1, 2, 3], 4, 2, 1.5) == History(repeated=0, lost=0, disordered=0, again=1.5)
    assert judge([0, 1, 0, 1, 2, 3], 4, 2, 0) == History(repeated=2, lost=0, disordered=0, again=0)
    assert judge([0, 1, 3], 4, 2, 0) == History(repeated=0, lost=1, disordered=0, again=0)
    assert judge([2, 1, 0, 3, 2], 4, 2, 0) == History(repeated=1, lost=0, disordered=1, again=0)


STACKS = "run;loop;parse 6\nrun;loop;post;sign 3\nrun;loop;post 1\nimport 10\n"


def test_a_flame_is_as_wide_as_its_share_and_lies_above_its_caller() -> None:
    stacks = flames.trimmed(flames.read(STACKS), "loop")
    assert flames.modules(stacks) == [("parse", 0.6), ("sign", 0.3), ("post", 0.1)]
    picture = ET.fromstring(flames.draw(stacks, "a < b"))
    boxes = {}
    for group in picture.iter("{http://www.w3.org/2000/svg}g"):
        title, box = group[0].text or "", group[1]
        boxes[title] = (float(box.attrib["x"]), float(box.attrib["width"]), float(box.attrib["y"]))
    assert set(boxes) == {"all 100.0 %", "parse 60.0 %", "post 40.0 %", "sign 30.0 %"}
    left, wide, y = boxes["post 40.0 %"]
    assert wide == pytest.approx(0.4 * flames.WIDTH, abs=1)
    assert boxes["sign 30.0 %"][0] == left
    assert boxes["sign 30.0 %"][2] < y < boxes["all 100.0 %"][2]
