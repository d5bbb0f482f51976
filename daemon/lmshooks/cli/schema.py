"""What must a file, a record or a body look like? Its JSON Schema, made from the code that reads or writes it."""

from __future__ import annotations

import importlib

import click

SCHEMAS = {
    "daemon": ("lmshooks.config.schemas", "daemon.yaml: the process"),
    "subscriptions": ("lmshooks.config.schemas", "a file of subscriptions/: who gets what"),
}
"""What has a schema -> the module whose `text(name)` is that schema's text, and what it is about."""


@click.command(
    epilog="""\b
Examples:
  lmshooks schema subscriptions > subscriptions.schema.json
  lmshooks schema --list

\b
A first line in a file lets an editor complete and check it:
  # yaml-language-server: $schema=subscriptions.schema.json"""
)
@click.argument("name", type=click.Choice(list(SCHEMAS)), required=False)
@click.option("--list", "listing", is_flag=True, help="What has a schema, one a line.")
def schema(name: str | None, listing: bool) -> None:
    """Print a JSON Schema (draft 2020-12)."""
    if listing == bool(name):
        raise click.UsageError(f"name one of {', '.join(SCHEMAS)}, or list them with --list")
    if name is None:
        for each, (_, what) in SCHEMAS.items():
            click.echo(f"{each:15} {what}")
        return
    module, _ = SCHEMAS[name]
    click.echo(importlib.import_module(module).text(name), nl=False)
