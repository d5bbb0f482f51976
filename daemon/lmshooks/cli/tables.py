"""How does a table look? The same in every command: no frame, two columns in, numbers to the right."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

WIDE = 400
"""Columns where nobody watches: lines are for grep then."""


def table(
    columns: Sequence[str],
    rows: Collection[Sequence[str | Text]],
    *,
    title: str = "",
    numbers: Collection[str] = (),
    fold: bool = True,
) -> RenderableType:
    """Rows of cells under columns, of which `numbers` are numbers; what does not fit is folded, or cut with `…`."""
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        side = "right" if column in numbers else "left"
        made.add_column(column, justify=side, no_wrap=not fold, overflow="fold" if fold else "ellipsis")  # type: ignore[arg-type]
    for row in rows:
        made.add_row(*row)
    whole = Padding(made, (0, 0, 0, 2), expand=False)
    return Group(Text(title, "bold"), whole) if title else whole


def console() -> Console:
    """The terminal's width for a terminal; else wide enough that no line is broken."""
    made = Console(highlight=False)
    return made if made.is_terminal else Console(highlight=False, width=WIDE)


def put(console: Console, *what: RenderableType) -> None:
    """Print; where nobody watches, without the spaces that fill up a line."""
    if console.is_terminal:
        console.print(*what, sep="\n")
        return
    with console.capture() as captured:
        console.print(*what, sep="\n")
    for line in captured.get().splitlines():
        print(line.rstrip())
