"""How do samples look? A flame graph as plain SVG: one box a function, as wide as its share, callees above callers.

python -m tests.bench.flames STACKS > picture.svg      stacks as `tests.bench.sampled` writes them
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

WIDTH, ROW, TOP = 1200, 17, 40
LETTER = 6.6
"""Pixels of one letter of the text."""
NARROWEST = 1.5
"""Pixels; narrower boxes are left out."""
COLOURS = {"lmshooks.core": "#e0774f", "lmshooks": "#e9b44c", "aiohttp": "#6a9fb5", "aiokafka": "#7fb069"}
OTHER = "#b8b8b8"


@dataclass(slots=True)
class Box:
    """One function where it was called from one place."""

    name: str
    count: int = 0
    inner: dict[str, Box] = field(default_factory=dict)


def read(text: str) -> Counter[tuple[str, ...]]:
    """Stacks, outermost first, and how often each was seen."""
    found: Counter[tuple[str, ...]] = Counter()
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        found[tuple(stack.split(";"))] += int(count)
    return found


def load(path: Path) -> dict[tuple[str, ...], int]:
    """`read`, of a file."""
    return dict(read(path.read_text()))


def save(path: Path, stacks: Mapping[tuple[str, ...], int], title: str) -> Path:
    """`draw`, into a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(draw(stacks, title))
    return path


def trimmed(stacks: Mapping[tuple[str, ...], int], first: str) -> Counter[tuple[str, ...]]:
    """What lies above the last frame that begins with `first` in each stack; stacks without one are left out."""
    found: Counter[tuple[str, ...]] = Counter()
    for stack, count in stacks.items():
        places = [at for at, name in enumerate(stack) if name.startswith(first)]
        if places:
            found[stack[places[-1] + 1 :]] += count
    return found


def modules(stacks: Mapping[tuple[str, ...], int]) -> list[tuple[str, float]]:
    """The share of each module by its own frames at the top of a stack, the largest first."""
    counts: Counter[str] = Counter()
    for stack, count in stacks.items():
        if stack:
            counts[stack[-1].partition(":")[0]] += count
    whole = sum(counts.values()) or 1
    return [(name, count / whole) for name, count in counts.most_common()]


def tree(stacks: Mapping[tuple[str, ...], int]) -> Box:
    root = Box("all")
    for stack, count in stacks.items():
        root.count += count
        box = root
        for name in stack:
            box = box.inner.setdefault(name, Box(name))
            box.count += count
    return root


def draw(stacks: Mapping[tuple[str, ...], int], title: str) -> str:
    """The picture. Hover a box for its full name and share."""
    root = tree(stacks)
    scale = WIDTH / max(1, root.count)
    boxes: list[tuple[Box, float, int]] = []

    def place(box: Box, left: float, depth: int) -> None:
        if box.count * scale < NARROWEST:
            return
        boxes.append((box, left, depth))
        for inner in sorted(box.inner.values(), key=lambda one: one.name):
            place(inner, left, depth + 1)
            left += inner.count * scale

    place(root, 0.0, 0)
    deepest = max(depth for _, _, depth in boxes)
    height = TOP + (deepest + 1) * ROW + 10
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"',
        ' font-family="monospace" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="8" y="18" font-size="14">{escape(title)}</text>',
        *_legend(),
    ]
    for box, left, depth in boxes:
        wide, y = box.count * scale, height - 10 - (depth + 1) * ROW
        share = 100 * box.count / root.count
        text = escape(_short(box.name, int((wide - 4) / LETTER)))
        lines.append(
            f"<g><title>{escape(box.name)} {share:.1f} %</title>"
            f'<rect x="{left:.1f}" y="{y}" width="{max(0.3, wide - 0.5):.1f}" height="{ROW - 1}"'
            f' fill="{_colour(box.name)}"/>'
            + (f'<text x="{left + 2:.1f}" y="{y + 12}">{text}</text>' if len(text) > 2 else "")
            + "</g>"
        )
    return "\n".join([*lines, "</svg>"]) + "\n"


def _legend() -> Iterable[str]:
    for at, (name, colour) in enumerate({**COLOURS, "other": OTHER}.items()):
        x = 620 + at * 115
        yield f'<rect x="{x}" y="8" width="10" height="10" fill="{colour}"/><text x="{x + 14}" y="17">{name}</text>'


def _short(name: str, letters: int) -> str:
    """What there is room for: the function, cut short, and its module's last word where that fits too."""
    module, _, function = name.partition(":")
    function = function.replace("<locals>.", "") or name
    whole = f"{function} ({module.rpartition('.')[2]})"
    return whole if len(whole) <= letters and function != name else function[: max(0, letters)]


def _colour(name: str) -> str:
    return next((colour for start, colour in COLOURS.items() if name.startswith(start)), OTHER)


if __name__ == "__main__":
    sys.stdout.write(draw(read(Path(sys.argv[1]).read_text()), sys.argv[1]))
