"""Is the configuration right? Every mistake with its line, or a summary of who gets what."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lmshooks.cli import settings

if TYPE_CHECKING:
    from lmshooks.config import Loaded, Mistake


@click.command(
    epilog="""\b
Examples:
  lmshooks check
  lmshooks check --config /etc/lmshooks --json | jq -r '.mistakes[] | "\\(.file):\\(.line) \\(.path)"'

\b
A mistake names its file, line and column and shows the line; what may be secret is struck out (•••).
Secrets are looked up too: run it where the daemon runs, or give it the same environment.
Exit status: 0 valid, 1 mistakes, 2 usage."""
)
@settings.config_option
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
def check(directory: Path, as_json: bool) -> None:
    """Validate the configuration; every mistake with its line."""
    from lmshooks.config import ConfigurationMistakes, load

    try:
        loaded = load(directory, os.environ)
    except ConfigurationMistakes as wrong:
        _tell(wrong.mistakes, as_json)
        sys.exit(1)
    configuration = loaded.configuration
    if as_json:
        ids = sorted(configuration.subscriptions)
        told_all = {"valid": True, "version": configuration.version, "subscriptions": ids, "warnings": loaded.warnings}
        click.echo(json.dumps(told_all))
        return
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}", err=True)
    if sys.stdout.isatty():
        _table(loaded)
    click.echo(f"valid: {len(configuration.subscriptions)} subscriptions, version {configuration.version}")


def _tell(mistakes: tuple[Mistake, ...], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"valid": False, "mistakes": [dataclasses.asdict(each) for each in mistakes]}))
        return
    for each in mistakes:
        where, _, rest = each.shown().partition(": ")
        click.echo(f"{click.style(where, bold=True)}: {rest}", err=True)
    click.secho(f"{len(mistakes)} mistake{'s' * (len(mistakes) != 1)}", fg="red", err=True)


def _table(loaded: Loaded) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("subscription", "account", "events", "window", "state")
    for one in list(loaded.configuration.subscriptions.values())[:200]:
        state = "active" if one.active else "inactive"
        cells = (one.id, one.account, ", ".join(one.events), one.window, state)
        table.add_row(*(Text(cell) for cell in cells))
    Console().print(table)
