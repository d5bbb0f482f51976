"""How does a chart of docs/ look? Named lines between two axes, as SVG, by hand."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT, LEFT, RIGHT, TOP = 1100, 300, 70, 160, 40
BOTTOM = HEIGHT - TOP
ROW = 18
"""Height of a row of marks below the axis."""
COLOURS = ("#1f6fb4", "#d1495b", "#2e8b57", "#8a5cb5", "#b8860b")

Line = Iterable[tuple[float, float]]


def number(value: float) -> str:
    """Three figures that matter."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


class Axis(NamedTuple):
    """From where to where; `log`: a power of ten is as long as the next, and `low` is above 0."""

    low: float
    high: float
    log: bool = False

    def place(self, value: float) -> float:
        """0 at `low`, 1 at `high`."""
        if self.log:
            return math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Round numbers, three to seven of them; every power of ten on a logarithmic axis."""
        if not self.log:
            rough = (self.high - self.low) / 6
            power = 10.0 ** math.floor(math.log10(rough))
            step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough)
            first = math.ceil(self.low / step)
            return [step * at for at in range(first, math.floor(self.high / step + 1e-9) + 1)]
        powers = range(math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9) + 1)
        return [10.0**power for power in powers]


class Plot:
    """One picture; what is drawn later lies above."""

    def __init__(self, title: str, unit: str, across: Axis, up: Axis) -> None:
        """`unit` is that of `up`."""
        self.across, self.up = across, up
        self.lines = self.rows = 0
        self.drawn = [
            f'<text x="{LEFT}" y="20" font-size="15">{escape(title)}</text>',
        ]
        self.drawn += [
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{self.y(tick):.1f}" y2="{self.y(tick):.1f}" stroke="#ddd"/>'
            f'<text x="{LEFT - 6}" y="{self.y(tick) + 4:.1f}" text-anchor="end">{number(tick)} {escape(unit)}</text>'
            for tick in up.ticks()
        ]

    def x(self, value: float) -> float:
        return LEFT + self.across.place(value) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return BOTTOM - self.up.place(value) * (BOTTOM - TOP)

    def row(self, name: str, hue: str, stretches: Iterable[tuple[float, float, str]]) -> None:
        """A row of marks below the axis, (begin, end, title): when something was done; hover one for its title."""
        top = BOTTOM + 28 + ROW * self.rows
        self.rows += 1
        self.drawn.append(f'<text x="{LEFT - 6}" y="{top + 11}" text-anchor="end" fill="{hue}">{escape(name)}</text>')
        self.drawn.append(
            f'<rect x="{LEFT}" y="{top}" width="{WIDTH - LEFT - RIGHT}" height="{ROW - 4}" fill="#f5f5f5"/>'
        )
        for begin, end, title in stretches:
            left, right = self.x(max(begin, self.across.low)), self.x(min(end, self.across.high))
            self.drawn.append(
                f'<rect x="{left:.1f}" y="{top}" width="{max(right - left, 1):.1f}" height="{ROW - 4}" '
                f'fill="{hue}" fill-opacity="0.5"><title>{escape(title)}</title></rect>'
            )

    def below(self, places: Iterable[tuple[float, str]]) -> None:
        """What the axis says, and where."""
        self.drawn += [
            f'<text x="{self.x(at):.1f}" y="{BOTTOM + 18}" text-anchor="middle">{escape(said)}</text>'
            for at, said in places
        ]

    def line(self, name: str, points: Line, hue: str = "", dash: str = "", dots: bool = False) -> None:
        """One line and its name at the right; `dots`: where it was measured, with the values."""
        hue = hue or COLOURS[self.lines % len(COLOURS)]
        placed = [(self.x(at), self.y(value), value) for at, value in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in placed)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.drawn.append(f'<polyline fill="none" stroke="{hue}" stroke-width="1.3"{dashed} points="{path}"/>')
        if dots:
            aside = 14 if self.lines % 2 else -6  # two lines that are close do not write over one another
            self.drawn += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{hue}"/>'
                f'<text x="{x + 4:.1f}" y="{y + aside:.1f}" font-size="10" fill="{hue}">{number(value)}</text>'
                for x, y, value in placed
            ]
        right, y = WIDTH - RIGHT + 10, TOP + 18 * self.lines + 6
        self.drawn.append(f'<line x1="{right}" x2="{right + 16}" y1="{y}" y2="{y}" stroke="{hue}"{dashed}/>')
        self.drawn.append(f'<text x="{right + 22}" y="{y + 4}" fill="{hue}">{escape(name)}</text>')
        self.lines += 1

    def svg(self) -> str:
        height = HEIGHT + ROW * self.rows
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
            f'font-size="12"><rect width="{WIDTH}" height="{height}" fill="white"/>'
        )
        return "\n".join([head, *self.drawn, "</svg>\n"])
