"""Is the configuration right? Every mistake with its line, or a summary of who gets what."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lmshooks.cli import settings
from lmshooks.cli.amounts import many

if TYPE_CHECKING:
    from lmshooks.config import Loaded, Mistake


ROWS = 200
"""Of the table, at most: who wants all of them takes --json."""


@click.command(
    epilog="""\b
Examples:
  lmshooks check
  lmshooks check --without-secrets             # in CI, where there are none
  lmshooks check --config /etc/lmshooks --json | jq -r '.mistakes[] | "\\(.file):\\(.line) \\(.path)"'

\b
A mistake names its file, line and column and shows the line; what may be secret is struck out (•••).
Secrets are looked up too: run it where the daemon runs, give it the same environment, or leave them out.
Exit status: 0 valid, 1 mistakes, 2 usage."""
)
@settings.config_option
@settings.without_secrets_option
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
def check(directory: Path, without_secrets: bool, as_json: bool) -> None:
    """Validate the configuration; every mistake with its line."""
    from lmshooks.config import ConfigurationMistakes, load

    try:
        loaded = load(directory, os.environ, secrets=not without_secrets)
    except ConfigurationMistakes as wrong:
        _tell(wrong.mistakes, as_json)
        sys.exit(1)
    configuration = loaded.configuration
    warnings = [*loaded.warnings, *(() if without_secrets else _missing_files(loaded))]
    if as_json:
        ids = sorted(configuration.subscriptions)
        version = None if without_secrets else configuration.version
        told_all = {"valid": True, "version": version, "subscriptions": ids, "warnings": warnings}
        click.echo(json.dumps(told_all))
        return
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    if sys.stdout.isatty():
        _table(loaded)
    # The version is a digest over the secrets, too.
    rest = "; secrets were not looked up" if without_secrets else f", version {configuration.version}"
    click.echo(f"valid: {many(len(configuration.subscriptions), 'subscription')}{rest}")


def _tell(mistakes: tuple[Mistake, ...], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"valid": False, "mistakes": [dataclasses.asdict(each) for each in mistakes]}))
        return
    for each in mistakes:
        where, _, rest = each.shown().partition(": ")
        click.echo(f"{click.style(where, bold=True)}: {rest}", err=True)
    click.secho(many(len(mistakes), "mistake"), fg="red", err=True)


def _missing_files(loaded: Loaded) -> Iterator[str]:
    """Files of TLS that are not there. No mistakes: they are read when they are needed, where the daemon runs."""
    kafka = loaded.daemon.kafka
    users = [
        ("kafka.security", kafka),
        *((f"{one.id}: tls", one.endpoint) for one in loaded.configuration.subscriptions.values()),
    ]
    for place, user in users:
        for name in ("ca_file", "cert_file", "key_file"):
            path = getattr(user, name)
            if path is not None and not Path(path).is_file():
                yield f"{place}.{name} names {path}, which is not there; relative paths begin where lmshooks runs"


def _table(loaded: Loaded) -> None:
    from rich.text import Text

    from lmshooks.cli.tables import console, put, table

    everybody = list(loaded.configuration.subscriptions.values())
    rows = []
    for one in everybody[:ROWS]:
        cells = (one.id, one.account, ", ".join(one.events), one.window, "active" if one.active else "inactive")
        rows.append([Text(cell) for cell in cells])
    put(console(), table(("subscription", "account", "events", "window", "state"), rows))
    if len(everybody) > ROWS:
        click.echo(f"  and {len(everybody) - ROWS:,} more")
