"""What does a run look like? Lines over time with the faults marked, as SVG, by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from tests.chaos.histories import Faulted

WIDTH, HEIGHT, LEFT, RIGHT, TOP = 1100, 300, 60, 150, 40
COLOURS = ("#1f6fb4", "#d1495b", "#2e8b57", "#8a5cb5", "#b8860b")
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
    most = max(point[1] for point in points) * 1.05
    low, high = (math.log10(0.001), math.log10(max(most, 1.0))) if log else (0.0, most)

    def x(at: float) -> float:
        return LEFT + (at - begin) / max(end - begin, 1.0) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        value = math.log10(max(value, 0.001)) if log else value
        return TOP + (1 - (value - low) / (high - low)) * (HEIGHT - 2 * TOP)

    bottom = HEIGHT - TOP
    said = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-size="15">{escape(title)}</text>',
    ]
    for fault in faults:
        if fault.ended < begin or fault.began > end:
            continue
        left, right = x(max(fault.began, begin)), x(min(fault.ended, end))
        what = escape(f"{fault.kind} {fault.target}")
        said.append(
            f'<rect x="{left:.1f}" y="{TOP}" width="{max(right - left, 1):.1f}" height="{bottom - TOP}" '
            f'fill="{colour(fault.kind)}" fill-opacity="0.45"><title>{what}</title></rect>'
        )
    ticks = [10.0**power for power in range(-3, math.ceil(high) + 1)] if log else [high * part / 4 for part in range(5)]
    said += [
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#ddd"/>'
        f'<text x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.3g} {unit}</text>'
        for tick in ticks
        if TOP - 1 <= y(tick) <= bottom + 1
    ]
    span = end - begin
    step = next((step for step in (10, 30, 60, 120, 300, 600, 1800, 3600) if span / step <= 12), 7200)
    said += [
        f'<text x="{x(begin + place):.1f}" y="{bottom + 18}" text-anchor="middle">{place / 60:.3g} min</text>'
        for place in range(0, int(span) + 1, step)
    ]
    for place, (name, line) in enumerate(lines.items()):
        path = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in line)
        hue = COLOURS[place % len(COLOURS)]
        said.append(f'<polyline fill="none" stroke="{hue}" stroke-width="1.3" points="{path}"/>')
        said.append(f'<text x="{WIDTH - RIGHT + 10}" y="{TOP + 18 * place + 10}" fill="{hue}">{escape(name)}</text>')
    for place, (name, hue) in enumerate(
        (("listeners", BANDS["listener"]), ("Kafka", BANDS["Kafka"]), ("other", OTHER))
    ):
        top = bottom - 18 * (3 - place)
        said.append(f'<rect x="{WIDTH - RIGHT + 10}" y="{top}" width="12" height="12" fill="{hue}"/>')
        said.append(f'<text x="{WIDTH - RIGHT + 28}" y="{top + 10}">fault: {name}</text>')
    return "\n".join([*said, "</svg>\n"])


def colour(kind: str) -> str:
    """Of a fault's band."""
    return next((hue for word, hue in BANDS.items() if kind.startswith(word)), OTHER)
