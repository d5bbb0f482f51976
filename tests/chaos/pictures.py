"""What does a run look like? Lines over time with the faults marked, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.chaos.histories import Faulted
from tests.drawing import Axis, Plot

BANDS = {"listener": "#f3d9b1", "Kafka": "#c9dcf2", "broker": "#c9dcf2", "controller": "#c9dcf2", "all": "#a9c4e4"}
OTHER = "#e3e3e3"
"""What is done to instances, files, data and the state topic."""

Line = Sequence[tuple[float, float]]


def chart(title: str, unit: str, lines: Mapping[str, Line], faults: Sequence[Faulted], log: bool = False) -> str:
    """One picture; times are seconds since the first fault began or the first point, whichever is earlier."""
    points = [point for line in lines.values() for point in line]
    if not points:
        return ""
    begin = min(point[0] for point in points)
    end = max(point[0] for point in points)
    span = max(end - begin, 1.0)
    most = max(point[1] for point in points) * 1.05
    plot = Plot(title, unit, Axis(begin, begin + span), Axis(0.001, max(most, 1.0), True) if log else Axis(0.0, most))
    for fault in faults:
        if fault.ended >= begin and fault.began <= end:
            plot.band(fault.began, fault.ended, colour(fault.kind), f"{fault.kind} {fault.target}")
    step = next((step for step in (10, 30, 60, 120, 300, 600, 1800, 3600) if span / step <= 12), 7200)
    plot.below((begin + place, f"{place / 60:.3g} min") for place in range(0, int(span) + 1, step))
    for name, line in lines.items():
        plot.line(name, line)
    named = (("fault: listeners", BANDS["listener"]), ("fault: Kafka", BANDS["Kafka"]), ("fault: other", OTHER))
    plot.key(named)
    return plot.svg()


def colour(kind: str) -> str:
    """Of a fault's band."""
    return next((hue for word, hue in BANDS.items() if kind.startswith(word)), OTHER)
