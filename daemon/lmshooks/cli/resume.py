"""How does an operator set a stopped subscription going again? By a command in the state topic.

Every instance follows that topic, so whichever owns the partitions carries it out, at once or when it next starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lmshooks.cli import settings
from lmshooks.cli.completing import subscription_ids

if TYPE_CHECKING:
    from lmshooks.adapters.kafka_client import KafkaSettings

UNREACHABLE = 2


@click.command(
    epilog="""\b
Examples:
  lmshooks resume crm-completions
  lmshooks resume --all
  lmshooks status            # to see what is suspended, and whether it went on"""
)
@click.argument("ids", nargs=-1, metavar="[SUBSCRIPTION_ID]...", shell_complete=subscription_ids)
@settings.config_option
@click.option("--all", "everything", is_flag=True, help="Every subscription in the files.")
def resume(ids: tuple[str, ...], directory: Path, everything: bool) -> None:
    """Set suspended subscriptions going again.

    A subscription is suspended when its endpoint answers 410 Gone, or fails for the whole retry horizon (7 days). What
    the log still holds is then delivered in order. One that is not suspended is left as it is.

    Exit status: 0 the command is written, 1 no such subscription, 2 Kafka did not confirm it (repeating is harmless).
    """
    if everything == bool(ids):
        raise click.UsageError("name the subscriptions, or all of them with --all")
    # Whoever resumes needs to reach Kafka, not to know what signs.
    configuration = settings.loaded(directory, secrets=False).configuration
    known = configuration.subscriptions
    for each in ids:
        settings.subscription(configuration, directory, each)
    chosen = sorted(known) if everything else list(dict.fromkeys(ids))
    if not chosen:
        raise click.ClickException(f"there is no subscription in {directory}")
    kafka = settings.kafka(directory)
    if failure := asyncio.run(write(kafka, chosen, time.time())):
        click.echo(
            f"Error: not confirmed by {kafka.bootstrap_servers}: {failure}; try again, repeating is harmless", err=True
        )
        sys.exit(UNREACHABLE)
    for each in chosen:
        paused = "" if known[each].active else " (it is switched off in its file: it goes on when it is active again)"
        click.echo(f"{each}: resume is written{paused}")
    click.echo("see `lmshooks status`: a running daemon acts on it within a second")


async def write(kafka: KafkaSettings, ids: Sequence[str], now: float) -> str:
    """Write the resume commands; an empty answer means that they are durable."""
    from aiokafka.errors import KafkaError

    from lmshooks.adapters.state import StateTopic, WriteUnknown
    from lmshooks.core.records import resume_entry

    topic = StateTopic(kafka)
    try:
        await topic.write([resume_entry(each, now) for each in ids])
    except (WriteUnknown, KafkaError, OSError) as error:
        return str(error)
    finally:
        with contextlib.suppress(Exception):
            await topic.stop()
    return ""
