"""Which names can a shell complete? Subscription ids of the configuration, event names of the catalogue."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from lmshooks.core.catalogue import CATALOGUE


def event_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of the catalogue that begin so, each with what makes it happen."""
    typed = incomplete.upper()
    return [CompletionItem(name, help=entry.fires_when) for name, entry in CATALOGUE.items() if name.startswith(typed)]


def subscription_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of the configuration that begin so; none where it has mistakes."""
    from lmshooks.config import ConfigurationMistakes, load

    directory = ctx.params.get("directory") or os.environ.get("LMSHOOKS_CONFIG") or "config"
    try:
        known = load(Path(directory), os.environ, secrets=False).configuration.subscriptions
    except (ConfigurationMistakes, OSError):
        return []
    return [CompletionItem(one.id, help=one.name or None) for one in known.values() if one.id.startswith(incomplete)]
