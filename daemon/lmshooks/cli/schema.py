"""What must a file, a record or a body look like? Its JSON Schema, made from the code that reads or writes it."""

from __future__ import annotations

import importlib

import click

from lmshooks.cli.completing import event_names
from lmshooks.cli.settings import nearest
from lmshooks.core.catalogue import CATALOGUE

SCHEMAS = {
    "daemon": ("lmshooks.config.schemas", "daemon.yaml: the process"),
    "subscriptions": ("lmshooks.config.schemas", "a file of subscriptions/: who gets what"),
    "records": ("lmshooks.contracts.schemas", "a record of a source topic, of any event or of one name"),
    "bodies": ("lmshooks.contracts.schemas", "the body that a listener gets, of any event or of one name"),
}
"""What has a schema -> the module whose `text(name)` is that schema's text, and what it is about."""
OF_EVENTS = ("records", "bodies")
"""Those of which there is one for each event name, too: `text(name, event)`."""


@click.command(
    epilog="""\b
Examples:
  lmshooks schema subscriptions > subscriptions.schema.json
  lmshooks schema bodies COURSE_COMPLETED
  lmshooks schema --list

\b
A first line in a file lets an editor complete and check it:
  # yaml-language-server: $schema=subscriptions.schema.json"""
)
@click.argument("name", type=click.Choice(list(SCHEMAS)), required=False)
@click.argument("event", required=False, metavar="[EVENT_NAME]", shell_complete=event_names)
@click.option("--list", "listing", is_flag=True, help="What has a schema, one a line.")
def schema(name: str | None, event: str | None, listing: bool) -> None:
    """Print a JSON Schema (draft 2020-12).

    Of records and bodies: without EVENT_NAME what the daemon takes and what it promises; with it also what ALM's
    samples show of such an event.

    Exit status: 0 printed, 2 usage.
    """
    if listing == bool(name):
        raise click.UsageError(f"name one of {', '.join(SCHEMAS)}, or list them with --list")
    if name is None:
        for each, (_, what) in SCHEMAS.items():
            click.echo(f"{each:15} {what}")
        return
    texts = importlib.import_module(SCHEMAS[name][0])
    if event is None:
        click.echo(texts.text(name), nl=False)
        return
    if name not in OF_EVENTS:
        raise click.UsageError(f"{name} is a kind of file: only {' and '.join(OF_EVENTS)} have schemas of event names")
    if event not in CATALOGUE:
        raise click.UsageError(f"{event} is not in the catalogue{nearest(event, CATALOGUE)}; `{name}` alone takes any")
    click.echo(texts.text(name, event), nl=False)
