"""Does a run get into the page as it was? Between the markers, beside what earlier runs left, and with its pictures."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.bench import charts, goals, pages
from tests.bench.__main__ import FULL, QUICK, SCENARIOS, planned, says
from tests.bench.figures import Figure, Measured, conditions, figure, load, save

PAGE = Path(__file__).parents[2] / "docs" / pages.PAGE
TEXT = "by hand\n" + "".join(f"<!-- bench: {name} -->\nold\n<!-- /bench -->\nby hand\n" for name in pages.MADE)


def measured(**figures: list[Figure]) -> dict[str, Measured]:
    return {name.replace("_", "-"): Measured(conditions(), some) for name, some in figures.items()}


def test_what_is_saved_comes_back_as_it_was(tmp_path: Path) -> None:
    made = measured(
        owed=[figure("rate", "events/s", [1.0, 2.0], theirs=[3.0, 4.0], series=[5.0, 6.0], least=1, others=0.1)]
    )
    save(tmp_path / "run.json", made)
    assert load(tmp_path / "run.json") == made
    assert load(tmp_path / "none.json") == {}


def test_a_page_is_filled_between_its_markers_and_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / pages.PAGE).write_text(TEXT)
    rate = figure("rate", "events/s", [100.0, 120.0], theirs=[200.0, 240.0], baseline="naive", least=90)
    for _ in range(2):  # filled again, it is the same
        pages.write(tmp_path, measured(throughput=[rate]), lambda name: f"about {name}")
        text = (tmp_path / pages.PAGE).read_text()
        assert text.count("by hand\n") == 1 + len(pages.MADE)
        assert "old" not in text
        assert "### throughput\n\nabout throughput\n" in text
        assert "| rate, events/s | 110 (100 to 120) | 220 (200 to 240) naive | 0.50 | >= 90 events/s | met |" in text
        assert "| throughput: rate | >= 90 events/s | 110 (100 to 120) events/s | met |" in text
        assert "What is not met" not in text


def test_a_page_without_a_marker_is_refused() -> None:
    with pytest.raises(ValueError, match="no <!-- bench: goals --> "):
        pages.filled("no marker", {"goals": "text"})


def test_a_goal_that_is_missed_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(goals.WHY, ("throughput", "cost"), "because\nof it")
    made = measured(
        throughput=[figure("cost", "us", [9.0], most=8), figure("ratio", "us", [6.0], theirs=[2.0], ratio=2)]
    )
    text = pages.goals(made, says)
    assert "| throughput: cost | <= 8 us | 9 us | **NOT MET** |" in text
    assert "| throughput: ratio | ratio <= 2 | 3.00 times (6 to 2 us) | **NOT MET** |" in text
    assert "- **throughput: cost** (9 us; wanted <= 8 us). because of it" in text
    assert "No reason is written down yet" in text


def test_what_was_not_measured_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / pages.PAGE).write_text(TEXT)
    pages.write(tmp_path, measured(kill=[], throughput=[figure("rate", "events/s", [1.0])]), says)
    assert "| kill | | not measured | |" in (tmp_path / pages.PAGE).read_text()
    assert "### kill" not in (tmp_path / pages.PAGE).read_text()
    assert set(load(tmp_path / pages.NUMBERS)) == {"throughput"}


def test_each_reason_is_of_a_scenario_with_a_goal() -> None:
    assert {name for name, _ in goals.WHY} <= {name for name, one in SCENARIOS.items() if one.wanted}


def test_the_page_of_docs_can_be_filled() -> None:
    pages.filled(PAGE.read_text(), dict.fromkeys(pages.MADE, ""))


def test_the_shares_of_the_cpu_stand_case_beside_case() -> None:
    made = measured(
        profile=[figure("a: one", "%", [60.0]), figure("a: two", "%", [40.0]), figure("b: two", "%", [99.0])]
    )
    *_, first, second = pages.cpu(made, says).splitlines()
    assert first == "| `one` | 60 % | `two` | 99 % |"
    assert second.startswith("| `two` | 40 % |")


def test_each_picture_has_a_line_through_what_was_measured() -> None:
    late = [
        figure(f"{rate}/s, {share}", "ms", [1.0], theirs=[2.0])
        for rate in ("500", "5,000") for share in ("median", "p90", "p99", "p99.9")
    ]  # fmt: skip
    posts = [figure(f"max_events {count}, CPU", "us an event", [50.0], theirs=[60.0]) for count in (1, 10, 100)]
    owed = [figure("1,000,000 events owed, resident", "MiB", [75.0], theirs=[74.0], series=[74.0, 75.0])]
    made = measured(latency=late, events_a_post=posts, owed=owed)
    lines = {"latency": (4, 2), "cpu": (2, 3), "owed": (1, 2)}
    assert set(lines) == set(charts.CHARTS) == {name for some in charts.OF.values() for name in some}
    for name, draw in charts.CHARTS.items():
        found = list(ET.fromstring(draw(made)).iter("{http://www.w3.org/2000/svg}polyline"))
        assert (len(found), len(found[0].attrib["points"].split())) == lines[name]
        assert draw({}) == ""


def test_a_plan_grows_with_what_is_asked_for() -> None:
    assert planned(["kill"], FULL, False) == {"kill": SCENARIOS["kill"].takes[0]}
    assert planned(["kill"], QUICK, True) == {"kill": SCENARIOS["kill"].takes[1]}
    assert planned(["kill"], FULL._replace(rounds=6), False)["kill"] == 2 * SCENARIOS["kill"].takes[0]


def test_what_the_design_wants_fits_into_twenty_minutes() -> None:
    wanted = [name for name, one in SCENARIOS.items() if one.wanted]
    assert sum(planned(wanted, FULL, False).values()) <= 20 * 60
