"""How is a result said? One figure: what was seen round by round, beside its baseline, and the goal, if there is one.

The ratio is the median of the rounds' own ratios, a round's two runs lying side by side in time; the spread is that of
the rounds. Figures go to the terminal as a table, to a file as JSON, and from there into docs (`pages.py`).
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

QUIET = 0.15
"""Cores busy with other work above which the machine was not quiet."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    what: str
    unit: str
    ours: tuple[float, ...]
    """Of each round."""
    theirs: tuple[float, ...] = ()
    """The baseline's, of the same rounds; empty where there is none."""
    baseline: str = ""
    goal: str = ""
    met: bool | None = None
    load: float = math.nan
    """The load average when it was finished; our own processes are in it."""
    others: float = math.nan
    """Cores that were busy with other work meanwhile, at the most."""
    note: str = ""
    series: tuple[float, ...] = ()
    """What it was on the way to `ours`, at equal steps."""

    @property
    def ratio(self) -> float:
        """Ours to theirs."""
        pairs = [one / other for one, other in zip(self.ours, self.theirs, strict=False) if other]
        return median(pairs) if pairs else math.nan


def figure(what: str, unit: str, ours: Sequence[float], **more: Any) -> Figure:
    """A figure of now; `most` (or `least`, or `ratio` at most) is the goal, which the median meets or not."""
    most, least, ratio = more.pop("most", None), more.pop("least", None), more.pop("ratio", None)
    more = {name: tuple(one) if name in ("theirs", "series") else one for name, one in more.items()}
    made = Figure(what, unit, tuple(ours), load=os.getloadavg()[0], **more)
    value, goal, met = median(ours) if ours else math.nan, made.goal, made.met
    if most is not None:
        goal, met = f"<= {most:,g} {unit}", value <= most
    elif least is not None:
        goal, met = f">= {least:,g} {unit}", value >= least
    elif ratio is not None:
        goal, met = f"ratio <= {ratio:g}", made.ratio <= ratio
    return Figure(**{**asdict(made), "goal": goal, "met": met})


def number(value: float) -> str:
    """Three figures that matter."""
    if math.isnan(value):
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def spread(values: Sequence[float]) -> str:
    """The median, and from where to where the rounds lie."""
    if not values:
        return ""
    if len(values) == 1:
        return number(values[0])
    return f"{number(median(values))} ({number(min(values))} to {number(max(values))})"


HEADER = ("", "lmshooks", "baseline", "ratio", "goal", "")


def cells(one: Figure) -> tuple[str, ...]:
    """The line's columns."""
    said = {None: "", True: "met", False: "**NOT MET**"}[one.met]
    loud = f"others {one.others:.2g} cores" if one.others > QUIET else ""
    ratio = "" if math.isnan(one.ratio) else f"{one.ratio:.2f}"
    baseline = f"{spread(one.theirs)} {one.baseline}".strip()
    return (f"{one.what}, {one.unit}", spread(one.ours), baseline, ratio, one.goal,
            "; ".join(part for part in (said, loud, one.note) if part))  # fmt: skip


def table(figures: Sequence[Figure]) -> str:
    """For the terminal."""
    rows = [HEADER, *(cells(one) for one in figures)]
    wide = [max(len(row[at]) for row in rows) for at in range(len(HEADER))]
    return "\n".join("  ".join(cell.ljust(size) for cell, size in zip(row, wide, strict=True)).rstrip() for row in rows)


def markdown(figures: Sequence[Figure]) -> str:
    """For docs."""
    rows = [HEADER, ("---",) * len(HEADER), *(cells(one) for one in figures)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


class Measured(NamedTuple):
    """A scenario's figures, and under what they came."""

    conditions: dict[str, Any]
    figures: list[Figure]


def conditions() -> dict[str, Any]:
    """Where and on what is it measured?"""
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "at": now(),
        "command": " ".join(["python -m tests.bench", *sys.argv[1:]]),
        "commit": commit.stdout.strip() or "unknown",
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in ("aiokafka", "aiohttp", "uvloop", "orjson")},
        "cores": os.cpu_count(),
        "processor": model[0].partition(": ")[2] if model else platform.machine(),
    }


def now() -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())


def save(path: Path, measured: Mapping[str, Measured]) -> None:
    """As JSON, by scenario."""
    found = {
        name: {"conditions": one.conditions, "figures": [asdict(figure) for figure in one.figures]}
        for name, one in measured.items()
    }
    path.write_text(json.dumps(found, indent=1) + "\n")


def load(path: Path) -> dict[str, Measured]:
    """What was saved; nothing where there is no such file."""
    read = json.loads(path.read_text()) if path.exists() else {}
    return {
        name: Measured(one["conditions"], [Figure(**{**figure, **_tuples(figure)}) for figure in one["figures"]])
        for name, one in read.items()
    }


def _tuples(figure: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    return {name: tuple(figure[name]) for name in ("ours", "theirs", "series")}
