"""Is all well, and if not, what is to be done? The running daemon's /status, read for people."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lmshooks.cli import settings
from lmshooks.cli.asking import Unreachable, address, ask, url_option
from lmshooks.core.durations import spell

if TYPE_CHECKING:
    from rich.console import RenderableType

FINE, WRONG, UNREACHABLE = 0, 1, 2
ROWS = 50
"""Of a table, at most: who wants all of them takes --json."""


@click.command(
    epilog="""\b
Examples:
  lmshooks status
  lmshooks status --watch                      # as long as you look; Ctrl-C ends it
  lmshooks status --short || page-somebody     # one line, for scripts
  lmshooks status --url http://hooks-0:9400
  lmshooks status --json | jq '.subscriptions[] | select(.severity == "wrong") | .id'"""
)
@settings.config_option
@url_option
@click.option("--short", is_flag=True, help="The one line alone.")
@click.option(
    "--watch", is_flag=True, help="Again and again, also while the daemon is away. Not on a terminal: changes."
)
@click.option(
    "--every",
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    type=click.FloatRange(0.1),
    help="How often, with --watch.",
)
@click.option("--json", "as_json", is_flag=True, help="What the daemon answers, as it is; with --watch one line each.")
def status(directory: Path, url: str | None, short: bool, watch: bool, every: float, as_json: bool) -> None:
    """Show how a running daemon stands: one line on what to do, then what is wrong, then the rest.

    It asks one instance: with several, each shows the partitions that it owns.

    Exit status: 0 all is well, 1 something is wrong, 2 no daemon answers. With --watch: as it last was.
    """
    url = url or address(directory)
    if watch:
        sys.exit(_watch(url, every, short, as_json))
    try:
        told = fetch(url)
    except Unreachable as error:
        click.echo(json.dumps({"ok": False, "error": str(error)}) if as_json else f"Error: {error}", err=not as_json)
        sys.exit(UNREACHABLE)
    if as_json:
        click.echo(json.dumps(told, indent=2))
    elif short:
        click.echo(told["summary"])
    else:
        from lmshooks.cli import screen, tables

        console = tables.console()
        tables.put(console, screen.picture(told, ROWS, console.width))
    sys.exit(FINE if told["ok"] else WRONG)


def fetch(url: str) -> dict[str, Any]:
    """What the daemon at `url` says of itself. Raises Unreachable."""
    return ask(url, "/status", "subscriptions")


def _watch(url: str, every: float, short: bool, as_json: bool) -> int:
    """Until Ctrl-C; the exit code of what was last seen."""
    code = UNREACHABLE
    show = _lines(as_json) if as_json or short or not sys.stdout.isatty() else _live()
    # The first Ctrl-C ends it, wherever it comes; what was drawn is put away by the context.
    with contextlib.suppress(KeyboardInterrupt), show as look:
        lost: float | None = None
        told: dict[str, Any] | None = None
        while True:
            try:
                told, lost = fetch(url), None
                code = FINE if told["ok"] else WRONG
                look(told, "")
            except Unreachable as error:
                lost = lost or time.monotonic()
                code = UNREACHABLE
                look(told, f"{error} (for {spell(time.monotonic() - lost)}; asking again)")
            time.sleep(every)
    return code


@contextlib.contextmanager
def _lines(as_json: bool) -> Iterator[Any]:
    """For logs and programs: JSON each time, or the one line when it changes."""
    last = ""

    def look(told: dict[str, Any] | None, problem: str) -> None:
        nonlocal last
        if as_json:
            print(json.dumps({"ok": False, "error": problem} if problem else told), flush=True)
            return
        line = problem.partition(" (for ")[0] if problem else told["summary"] if told else ""
        if line != last:
            print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)
            last = line

    yield look


@contextlib.contextmanager
def _live() -> Iterator[Any]:
    """The whole screen of a terminal, given back at the end."""
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    from lmshooks.cli import screen, tables

    console = tables.console()
    with Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:

        def look(told: dict[str, Any] | None, problem: str) -> None:
            parts: list[RenderableType] = [Text(f"{time.strftime('%H:%M:%S')}  Ctrl-C ends it", "dim")]
            if problem:
                parts.append(Text(problem, screen.STYLE["wrong"]))
            if told is not None:
                parts += [Text("as it was last:", "dim")] if problem else []
                parts.append(screen.picture(told, max(3, console.height // 4), console.width))
            live.update(Group(*parts), refresh=True)

        yield look
