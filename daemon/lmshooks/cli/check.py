"""Is the configuration right? Every mistake with its line, or a summary of who gets what."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lmshooks.cli import settings

if TYPE_CHECKING:
    from lmshooks.config import Loaded


@click.command(epilog="Exit status: 0 valid, 1 mistakes, 2 usage.")
@settings.config_option
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
def check(directory: Path, as_json: bool) -> None:
    """Validate the configuration; every mistake with its line."""
    from lmshooks.config import ConfigurationMistakes, load

    try:
        loaded = load(directory, os.environ)
    except ConfigurationMistakes as wrong:
        if as_json:
            fields = ("file", "line", "column", "path", "found", "expected", "hint")
            told = [{name: getattr(mistake, name) for name in fields} for mistake in wrong.mistakes]
            click.echo(json.dumps({"valid": False, "mistakes": told}))
        else:
            click.echo(str(wrong), err=True)
            click.echo(f"{len(wrong.mistakes)} mistake{'s' * (len(wrong.mistakes) != 1)}", err=True)
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
