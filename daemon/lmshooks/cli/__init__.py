"""Which commands are there? Each is imported when it is asked for, so that none pays for the others."""

from __future__ import annotations

import importlib
import os

import click

from lmshooks import __version__

COMMANDS = {
    "demo": ("demo", "Show it at work: a broker, listeners and events on this machine."),
    "init": ("init", "Write a first configuration, by asking or from options."),
    "check": ("check", "Validate the configuration; every mistake with its line."),
    "plan": ("plan", "Show what a change of configuration would do."),
    "explain": ("explain", "Explain who gets an event, why the others do not, and what is sent."),
    "test": ("trial", "Send a sample to one subscription, and show what it answers."),
    "secret": ("secret", "Make, rotate and hand over signing secrets."),
    "run": ("run", "Run the daemon."),
    "emit": ("emit", "Write sample events to Kafka."),
    "listen": ("listen", "Run a local listener that verifies deliveries and prints their events."),
    "status": ("status", "Ask a running daemon how it stands; what is wrong first."),
    "resume": ("resume", "Let a suspended subscription go on."),
    "dead-letters": ("dead_letters", "See what was given up, and why."),
    "completion": ("completion", "Print the script that completes commands, ids and event names in a shell."),
    "schema": ("schema", "Print the JSON Schema of a kind of file."),
}
"""Command -> its module and what it does, as a newcomer needs them; the function has the command's name."""


class Guessing(click.Group):
    """Says which command was probably meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Raises click.UsageError, with the nearest name."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            from lmshooks.cli.settings import nearest

            near = nearest(args[0], self.list_commands(ctx))
            raise click.UsageError(f"there is no command {args[0]}{near}", ctx)
        return super().resolve_command(ctx, args)


class Group(Guessing):
    """Knows its commands by name and loads one when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(f"lmshooks.cli.{module}"), cmd_name.replace("-", "_"))
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """`--help` imports nothing."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, what) for name, (_, what) in COMMANDS.items()])


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lmshooks")
@click.pass_context
def group(ctx: click.Context) -> None:
    """Carries learning events from Kafka to webhooks: signed, in order, without losing one."""
    # rich heeds it by itself, click does not (https://no-color.org).
    if os.environ.get("NO_COLOR"):
        ctx.color = False
