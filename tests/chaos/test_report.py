"""What a run knows beside its histories outlives it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.chaos.report import Run, remarks


def test_a_run_is_kept_with_why_its_instances_ended(tmp_path: Path) -> None:
    run = Run(11, 60.0, 3100.0, "make chaos", 108.0, Counter({"refused to start": 22, "status 1": 1}))
    run.save(tmp_path)
    assert Run.load(tmp_path) == run


def test_what_was_written_by_hand_below_a_report_stays(tmp_path: Path) -> None:
    page = tmp_path / "faults.md"
    assert remarks(page) == ""
    page.write_text("# Faults\n\nnumbers\n")
    assert remarks(page) == ""
    page.write_text("# Faults\n\nnumbers\n\n## What to make of it\n\n- Much.\n\n## Other runs\n\nMore.\n")
    page.write_text("# Faults\n\nother numbers\n" + remarks(page))
    assert page.read_text().endswith("other numbers\n\n## What to make of it\n\n- Much.\n\n## Other runs\n\nMore.\n")
