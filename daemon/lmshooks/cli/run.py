"""How is the daemon started? `lmshooks run --config DIR`, in the foreground, until SIGTERM."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lmshooks.cli import settings


@click.command(
    epilog="""\b
Examples:
  lmshooks run
  lmshooks run --config /etc/lmshooks
Signals:
  SIGTERM, SIGINT  stop: finish what is in flight, write positions down, leave the group; a second one stops at once
  SIGHUP           reload the subscriptions (a change on disk does so by itself)
Exit status: 0 stopped as told, 1 broke or aborted, 2 cannot start like this."""
)
@settings.config_option
def run(directory: Path) -> None:
    """Run the daemon."""
    from lmshooks import app

    sys.exit(app.run(directory))
