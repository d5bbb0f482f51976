"""How is the daemon started? `lmshooks run --config DIR`, in the foreground, until SIGTERM."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lmshooks.cli import settings


def _load_structlog() -> None:
    """structlog loads rich where it is installed, for tracebacks that the daemon does not draw: 3 MiB for nothing."""
    if "rich" not in sys.modules:
        sys.modules["rich"] = None  # type: ignore[assignment]  # an import of it fails, which structlog allows for
        import structlog  # noqa: F401

        del sys.modules["rich"]


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
    _load_structlog()
    from lmshooks import app

    sys.exit(app.run(directory))
