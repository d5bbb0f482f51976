"""What was given up, and why? The dead-letter topic, read for people."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from lmshooks.cli import Guessing, settings
from lmshooks.cli.completing import subscription_ids
from lmshooks.cli.terminal import plain

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

FOUND, NONE = 0, 1
_REASONS = ("malformed", "rejected", "expired", "oversized")


class Letter(NamedTuple):
    """One dead letter."""

    place: str
    """Where it lies itself: PARTITION/OFFSET of the dead-letter topic."""
    at: float
    """When it was written, seconds since the epoch."""
    said: dict[str, str]
    """What the daemon says of it: reason, why, topic, partition, offset, index, subscription, delivery."""
    headers: list[tuple[str, str]]
    """Those of the record that it was."""
    value: bytes | None

    @classmethod
    def of(cls, record: ConsumerRecord[bytes, bytes]) -> Letter:
        """From the topic."""
        from lmshooks.adapters.dead_letters import PREFIX

        headers = [(name, value.decode("utf-8", "replace")) for name, value in record.headers]
        return cls(
            f"{record.partition}/{record.offset}",
            record.timestamp / 1000,
            {name.removeprefix(PREFIX): value for name, value in headers if name.startswith(PREFIX)},
            [(name, value) for name, value in headers if not name.startswith(PREFIX)],
            record.value,
        )

    @property
    def source(self) -> str:
        """Where the event lies in its own topic, as `lmshooks explain --at` takes it."""
        return "/".join(self.said.get(name, "?") for name in ("topic", "partition", "offset", "index"))

    def as_json(self) -> dict[str, Any]:
        """For programs; a value that is no text is told with replacements."""
        return {
            "letter": self.place,
            "at": _instant(self.at),
            **self.said,
            "headers": self.headers,
            "value": None if self.value is None else self.value.decode("utf-8", "replace"),
        }


@click.group(
    "dead-letters",
    cls=Guessing,
    epilog="""\b
Examples:
  lmshooks dead-letters list --reason rejected --subscription crm-completions
  lmshooks dead-letters show 0/17
  lmshooks explain --at lms.events/3/1042        # of a malformed one: what is wrong with it, as it lies there""",
)
def dead_letters() -> None:
    """See what was given up, and why: malformed, rejected, expired and oversized events."""


@dead_letters.command(
    "list",
    epilog="""\b
Examples:
  lmshooks dead-letters list
  lmshooks dead-letters list --since 24h --reason malformed
  lmshooks dead-letters list --json --count 1000 | jq -r .why | sort | uniq -c""",
)
@settings.config_option
@click.option("--reason", type=click.Choice(_REASONS), help="Only those given up for this reason.")
@click.option("--subscription", metavar="ID", shell_complete=subscription_ids, help="Only those of this subscription.")
@click.option("--since", metavar="DURATION", help="Only those of the last 30m, 24h, 7d.")
@click.option(
    "--count", default=20, show_default=True, metavar="N", type=click.IntRange(1), help="The last so many, at most."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, values included.")
def list_letters(
    directory: Path, reason: str | None, subscription: str | None, since: str | None, count: int, as_json: bool
) -> None:
    """List the last dead letters, the newest last.

    Exit status: 0 there are some, 1 there is none (or Kafka is away), 2 usage.
    """
    from lmshooks.cli.reading import NotThere, newest

    kafka = settings.kafka(directory)
    after = 0.0 if since is None else time.time() - _seconds(since)

    def wanted(record: ConsumerRecord[bytes, bytes]) -> bool:
        letter = Letter.of(record)
        return (
            letter.at >= after
            and reason in (None, letter.said.get("reason"))
            and subscription in (None, letter.said.get("subscription"))
        )

    try:
        found = [Letter.of(one) for one in asyncio.run(newest(kafka, kafka.dead_letter_topic, count, wanted))]
    except NotThere as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        for letter in found:
            click.echo(json.dumps(letter.as_json(), ensure_ascii=False))
    elif found:
        _table(found)
    else:
        asked = reason or subscription or since
        click.echo(f"there is no {'such ' if asked else ''}dead letter in {kafka.dead_letter_topic}")
    sys.exit(FOUND if found else NONE)


@dead_letters.command(
    short_help="Show one dead letter whole.",
    epilog="""\b
Examples:
  lmshooks dead-letters show 0/17
  lmshooks dead-letters show 0/17 --raw > event.json""",
)
@click.argument("letter", metavar="PARTITION/OFFSET")
@settings.config_option
@click.option("--raw", is_flag=True, help="The bytes alone, exactly as they were given up.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
def show(letter: str, directory: Path, raw: bool, as_json: bool) -> None:
    """Show one dead letter whole: what was said of it, the record's own headers, and its bytes.

    Exit status: 0 shown, 1 it is not there (or Kafka is away), 2 usage.
    """
    from lmshooks.cli.reading import NotThere, record_at

    number, slash, offset = letter.partition("/")
    if not slash or not (number.isascii() and number.isdigit() and offset.isascii() and offset.isdigit()):
        raise click.UsageError(
            f"found {letter!r}, expected PARTITION/OFFSET as `lmshooks dead-letters list` tells them"
        )
    kafka = settings.kafka(directory)
    try:
        found = Letter.of(asyncio.run(record_at(kafka, kafka.dead_letter_topic, int(number), int(offset))))
    except NotThere as error:
        raise click.ClickException(str(error)) from None
    if raw:
        sys.stdout.buffer.write(found.value or b"")
        return
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2, ensure_ascii=False))
        return
    click.echo(f"dead letter {found.place} of {_instant(found.at)}")
    for name, value in found.said.items():
        click.echo(f"  {name + ':':<14}{plain(value)}")
    for name, value in found.headers:
        click.echo(f"  header {plain(name)}: {plain(value)}")
    click.echo()
    click.echo(
        "(the log no longer had its bytes)" if found.value is None else plain(found.value.decode("utf-8", "replace"))
    )


def _table(letters: list[Letter]) -> None:
    from rich.text import Text

    from lmshooks.cli.tables import console, put, table

    rows = []
    for one in letters:
        cells = (one.place, _instant(one.at), one.said.get("reason", "?"), one.source, one.said.get("subscription", ""))
        rows.append([Text(plain(cell)) for cell in (*cells, one.said.get("why", ""))])
    put(console(), table(("letter", "when", "reason", "from", "subscription", "why"), rows))


def _seconds(text: str) -> float:
    units = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not (number.isascii() and number.isdigit()):
        raise click.BadParameter(f"found {text!r}, expected a duration such as 30m, 24h or 7d", param_hint="--since")
    return float(number) * units[unit]


def _instant(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
