"""Is all well, and if not, what is to be done? The running daemon's /status, read for people."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lmshooks.cli import settings

if TYPE_CHECKING:
    from rich.table import Table

FINE, WRONG, UNREACHABLE = 0, 1, 2

_STYLE = {"wrong": "bold red", "note": "yellow", "ok": "green"}


class Unreachable(Exception):
    """No daemon answered; the text says where, and what to do."""


@click.command(
    epilog="""\\b
Examples:
  lmshooks status
  lmshooks status --url http://hooks-0:8080
  lmshooks status --json | jq '.subscriptions[] | select(.severity == "wrong") | .id'"""
)
@settings.config_option
@click.option("--url", metavar="URL", help="The daemon's address. [default: admin.host and admin.port]")
@click.option("--json", "as_json", is_flag=True, help="What the daemon answers, as it is.")
def status(directory: Path, url: str | None, as_json: bool) -> None:
    """Show how a running daemon stands: one line on what to do, then what is wrong, then the rest.

    It asks one instance: with several, each shows the partitions that it owns.

    Exit codes: 0 all is well, 1 something is wrong, 2 no daemon answers.
    """
    try:
        told = fetch(url or _address(directory))
    except Unreachable as error:
        click.echo(json.dumps({"ok": False, "error": str(error)}) if as_json else f"error: {error}", err=not as_json)
        sys.exit(UNREACHABLE)
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        show(told)
    sys.exit(FINE if told["ok"] else WRONG)


def fetch(url: str) -> dict[str, Any]:
    """What the daemon at `url` says of itself. Raises Unreachable."""
    address = url.rstrip("/") + "/status"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=5) as answer:
            told = json.load(answer)
    except urllib.error.HTTPError as error:
        raise Unreachable(f"{address} answered {error.code}: is that an lmshooks daemon?") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", error)
        raise Unreachable(f"no daemon answers at {address} ({why}): is it running, and is this its address?") from error
    if not isinstance(told, dict) or "subscriptions" not in told:
        raise Unreachable(f"{address} answered something else: is that an lmshooks daemon?")
    return told


def _address(directory: Path) -> str:
    admin = settings.loaded(directory).daemon.http
    host = admin.host if admin.host not in ("0.0.0.0", "::", "") else "127.0.0.1"
    return f"http://[{host}]:{admin.port}" if ":" in host else f"http://{host}:{admin.port}"


def show(told: dict[str, Any]) -> None:
    """The one line, then the tables."""
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=not sys.stdout.isatty(), width=None if sys.stdout.isatty() else 160)
    console.print(Text(told["summary"], style=_STYLE["ok" if told["ok"] else "wrong"]))
    console.print(
        f"{told['instance']}, version {told['version']}, configuration {told['configuration'][:12]}: "
        f"{told['posts']} requests out ({told['failing_posts']} to failing endpoints), "
        f"{told['memory'] / 1024 / 1024:.1f} MiB of events, {told['lag']} records of lag",
        style="dim",
        highlight=False,
    )
    for complaint in told["health"]:
        console.print(Text(f"! {complaint}", style=_STYLE["wrong"]))
    if told["subscriptions"]:
        console.print(_subscriptions(told["subscriptions"]))
    if told["partitions"]:
        console.print(_partitions(told["partitions"]))
    if told["windows"]:
        console.print(_windows(told["windows"]))


def _table(title: str, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in columns:
        numeric = column in ("owed", "behind", "out", "oldest", "lag", "uncommitted", "sweeps", "number")
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    return table


def _subscriptions(rows: list[dict[str, Any]]) -> Table:
    from rich.text import Text

    table = _table("Subscriptions", "id", "state", "owed", "behind", "out", "oldest", "next attempt", "why, what to do")
    for row in rows:
        style = _STYLE[row["severity"]]
        failing = row["state"] == "active" and row["failing_for"] is not None
        table.add_row(
            Text(row["id"]),
            Text("failing" if failing else row["state"], style=style),
            str(row["queued"]),
            str(row["behind"]),
            str(row["in_flight"]),
            _age(row["oldest_owed_age"]),
            "" if row["next_attempt_in"] is None else f"in {_age(row['next_attempt_in'])}",
            Text("; ".join(part for part in (row["why"], row["advice"]) if part), style=style),
        )
    return table


def _partitions(rows: list[dict[str, Any]]) -> Table:
    from rich.text import Text

    table = _table(
        "Partitions", "partition", "state", "lag", "uncommitted", "sweeps", "last checkpoint", "why, what to do"
    )
    for row in rows:
        style = _STYLE[row["severity"]]
        table.add_row(
            Text(row["name"]),
            Text(row["state"], style=style),
            str(row["lag"]),
            str(max(0, row["read"] - row["committed"])),
            str(row["sweeps"]),
            f"{_age(row['checkpoint_age'])} ago",
            Text("; ".join(part for part in (row["why"], row["advice"]) if part), style=style),
        )
    return table


def _windows(rows: list[dict[str, Any]]) -> Table:
    table = _table("Windows", "window", "closes in", "closed", "partitions still sending")
    for row in rows:
        closed = f"{_age(row['last_close_age'])} ago"
        table.add_row(row["name"], _age(row["next_close_in"]), closed, str(row["open_ranges"]))
    return table


def _age(seconds: float | None) -> str:
    """A duration as people say it."""
    if seconds is None:
        return ""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
