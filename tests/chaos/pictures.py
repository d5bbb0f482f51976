"""What does a run look like? Lines over time, and under them a row of marks for each family of faults, as SVG.

5 s │      ╱╲
1 s │ ────╱  ╲────            lines; their names at the right
    └────────────────
instances   ▮  ▮▮   ▮         when something was done, and by its title what
brokers      ▮▮▮   ▮
listeners  ▮▮ ▮  ▮▮▮▮
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.chaos.histories import Faulted
from tests.drawing import Axis, Plot

MOST_POINTS = 700
"""Of a line: of more, the highest of each few is drawn."""
FAMILIES = {"instances": "#555555", "brokers": "#1f6fb4", "listeners": "#c77f00"}
"""Row -> its colour. What is done to files, clocks, data and the state topic is with the instances."""
BROKERS = ("Kafka", "broker", "controller", "all brokers")

Line = Sequence[tuple[float, float]]


def chart(title: str, unit: str, lines: Mapping[str, Line], faults: Sequence[Faulted], log: bool = False) -> str:
    """One picture; times are since the first point."""
    points = [point for line in lines.values() for point in line]
    if not points:
        return ""
    begin = min(point[0] for point in points)
    end = max(point[0] for point in points)
    span = max(end - begin, 1.0)
    most = max(point[1] for point in points) * 1.05
    plot = Plot(title, unit, Axis(begin, begin + span), Axis(0.001, max(most, 1.0), True) if log else Axis(0.0, most))
    step = next((step for step in (10, 30, 60, 120, 300, 600, 1800, 3600) if span / step <= 12), 7200)
    plot.below((begin + place, f"{place / 60:.3g} min") for place in range(0, int(span) + 1, step))
    for name, line in lines.items():
        plot.line(name, thinned(line))
    shown = [fault for fault in faults if fault.ended >= begin and fault.began <= end]
    for name, hue in FAMILIES.items():
        its = [fault for fault in shown if family(fault.kind) == name]
        plot.row(name, hue, ((fault.began, fault.ended, f"{fault.kind} {fault.target}".strip()) for fault in its))
    return plot.svg()


def family(kind: str) -> str:
    """The row of a fault."""
    return "listeners" if kind.startswith("listener") else "brokers" if kind.startswith(BROKERS) else "instances"


def thinned(line: Line) -> Line:
    """No more points than can be told apart."""
    each = max(1, -(-len(line) // MOST_POINTS))
    return [max(line[place : place + each], key=lambda point: point[1]) for place in range(0, len(line), each)]
